//! What a move changes: the places of steps in their lists, and what each list waits for.

use std::collections::BTreeMap;

use super::{
    event::{Event, ScopeRef, SkipReason, StepRef},
    moving::Places,
    open::count,
    state::{Execution, IllegalEvent, Inner, Phase, RunState, StepState, Todo},
};
use crate::{
    graph::{Plan, ScopeIx},
    model::OnError,
};

impl RunState {
    /// Takes a run over to another plan; see [`super::movable`].
    ///
    /// # Errors
    /// [`IllegalEvent`] if something that has begun is not there in it.
    pub fn apply_move(
        &mut self,
        from: &Plan,
        to: &Plan,
        event: &Event,
    ) -> Result<(), IllegalEvent> {
        let ready = |todo: &Todo| matches!(todo, Todo::Ready(_));
        self.todo.retain(|todo| !ready(todo));
        self.held.retain(|todo| !ready(todo));
        let mut places = Places::default();
        for number in 0..self.scopes.len() {
            let scope = ScopeRef(count(number));
            let found = places.find(self, from, to, scope);
            let ix = found.ok_or_else(|| self.illegal_for_run(event, "in a list that is gone"))?;
            places.0.insert(scope, ix);
        }
        // Where a step stood is asked for until all have been found.
        let old: Vec<_> = (0..self.scopes.len())
            .map(|number| {
                let steps = self.steps_of(from, ScopeRef(count(number)));
                let named = steps.map(|step| (self.plan_of(from, step).id.clone(), step));
                named.collect::<BTreeMap<_, _>>()
            })
            .collect();
        for ((scope, ix), old) in places.0.into_iter().zip(old) {
            self.move_scope(to, event, (scope, ix), old)?;
        }
        Ok(())
    }

    fn move_scope(
        &mut self,
        to: &Plan,
        event: &Event,
        (scope, ix): (ScopeRef, ScopeIx),
        mut old: BTreeMap<String, StepRef>,
    ) -> Result<(), IllegalEvent> {
        let ids = (0..to.scope(ix).len).map(|place| to.step(ix, place).id.clone());
        let kept: Vec<_> = ids.map(|id| old.remove(&id)).collect();
        let mut free: Vec<_> = old.into_values().collect();
        if free.iter().any(|step| self.step(*step).main.phase != Phase::Pending) {
            return Err(self.illegal_for_run(event, "at a step that is gone"));
        }
        let mut steps = Vec::with_capacity(kept.len());
        for (place, kept) in kept.into_iter().enumerate() {
            let place = count(place);
            let fresh = StepState {
                scope,
                place,
                unmet: 0,
                main: Execution::NEW,
                owed: None,
                inner: Inner::None,
            };
            let step = match (kept, free.pop()) {
                (Some(step), spare) => {
                    free.extend(spare);
                    self.step_mut(step).place = place;
                    step
                }
                (None, Some(step)) => {
                    *self.step_mut(step) = fresh;
                    step
                }
                (None, None) => {
                    self.steps.push(fresh);
                    StepRef(count(self.steps.len() - 1))
                }
            };
            steps.push(step);
        }
        for gone in free {
            // Nobody finds it any more: it only keeps its number.
            let state = self.step_mut(gone);
            state.place = 0;
            state.main.phase = Phase::Skipped(SkipReason::ScopeEnded);
        }
        let state = self.scope_mut(scope);
        state.plan = ix;
        let first = steps.first().copied().unwrap_or(state.first);
        let together = steps.iter().zip(first.0..).all(|(step, number)| step.0 == number);
        state.first = first;
        state.moved = (!together).then(|| steps.clone().into());
        self.count_again(to, scope, &steps);
        Ok(())
    }

    /// What a list waits for, as the new plan has it.
    fn count_again(&mut self, to: &Plan, scope: ScopeRef, steps: &[StepRef]) {
        let state = self.scope(scope);
        if state.closed {
            return;
        }
        let ix = state.plan;
        let mut unmet: Vec<_> =
            (0..to.scope(ix).len).map(|place| to.step(ix, place).needs).collect();
        let mut unsettled = 0;
        for (place, step) in steps.iter().enumerate() {
            let plan = to.step(ix, count(place));
            let phase = &self.step(*step).main.phase;
            unsettled += u32::from(!phase.is_final());
            let met = matches!(phase, Phase::Completed | Phase::Skipped(_))
                || (*phase == Phase::Failed && plan.on_error == OnError::Continue);
            for later in plan.needed_by.iter().filter(|_| met) {
                if let Some(unmet) = unmet.get_mut(*later as usize) {
                    *unmet = unmet.saturating_sub(1);
                }
            }
        }
        self.scope_mut(scope).unsettled = unsettled;
        for (step, unmet) in steps.iter().zip(unmet) {
            let state = self.step_mut(*step);
            state.unmet = unmet;
            if unmet == 0 && state.main.phase == Phase::Pending {
                self.todo.push_back(Todo::Ready(*step));
            }
        }
        self.check_drained(scope);
    }

    /// The steps of a list, in its order.
    pub fn steps_of(
        &self,
        plan: &Plan,
        scope: ScopeRef,
    ) -> impl DoubleEndedIterator<Item = StepRef> + use<> {
        let state = self.scope(scope);
        let (first, moved) = (state.first.0, state.moved.clone());
        (0..plan.scope(state.plan).len).map(move |place| at(first, moved.as_deref(), place))
    }

    /// The step at a place of a list.
    pub fn step_at(&self, scope: ScopeRef, place: u32) -> StepRef {
        let state = self.scope(scope);
        at(state.first.0, state.moved.as_deref(), place)
    }

    pub(super) fn step_by_id(&self, plan: &Plan, scope: ScopeRef, id: &str) -> Option<StepRef> {
        let place = plan.scope(self.scope(scope).plan).by_id.get(id)?;
        Some(self.step_at(scope, *place))
    }
}

fn at(first: u32, moved: Option<&[StepRef]>, place: u32) -> StepRef {
    match moved.and_then(|moved| moved.get(place as usize)) {
        Some(step) => *step,
        None => StepRef(first + place),
    }
}
