//! Transitions of scopes: how containers open them, and what their end means for the container.

use std::sync::Arc;

use serde_json::Value;

use super::{
    event::{Event, Opening, ScopeRef, SkipReason, StepRef, TaskRef},
    state::{Execution, IllegalEvent, Inner, Phase, RunState, ScopeState, StepState, Todo},
};
use crate::{
    graph::{KindPlan, Plan, ScopeIx, ThenPlan},
    model::{RunStatus, StepError, Timestamp},
};

type Applied = Result<(), IllegalEvent>;

impl RunState {
    /// The workflow's own scope.
    pub const ROOT: ScopeRef = ScopeRef(0);

    /// The number that the next scope gets.
    pub(super) fn next_scope(&self) -> ScopeRef {
        ScopeRef(count(self.scopes.len()))
    }

    pub(super) fn open_scope(
        &mut self,
        plan: &Plan,
        ix: ScopeIx,
        owner: Option<StepRef>,
        item: Option<u32>,
    ) -> ScopeRef {
        let scope = self.next_scope();
        let first = StepRef(count(self.steps.len()));
        let len = plan.scope(ix).len;
        self.scopes.push(ScopeState {
            plan: ix,
            owner,
            item,
            wave: None,
            first,
            moved: None,
            unsettled: len,
            active: 0,
            failed: false,
            error: None,
            halted: false,
            stopped: false,
            cancelled: false,
            closed: false,
            output: None,
            owed: Vec::new(),
        });
        for place in 0..len {
            let unmet = plan.step(ix, place).needs;
            self.steps.push(StepState {
                scope,
                place,
                unmet,
                main: Execution::NEW,
                owed: None,
                inner: Inner::None,
            });
            if unmet == 0 {
                self.todo.push_back(Todo::Ready(StepRef(first.0 + place)));
            }
        }
        self.check_drained(scope);
        scope
    }

    pub(super) fn open(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
        opening: &Opening,
        at: Timestamp,
    ) -> Applied {
        let illegal = || self.illegal(event, TaskRef::main(step));
        let scopes: Vec<ScopeIx> = match (&self.plan_of(plan, step).kind, opening) {
            (KindPlan::Group(scope), Opening::Scopes) => vec![*scope],
            (KindPlan::Parallel(parallel), Opening::Scopes) => parallel.branches.clone(),
            (KindPlan::Map(map), Opening::Map(items)) => {
                self.open_map(plan, step, map, items, at);
                return Ok(());
            }
            (KindPlan::Rollout(_), Opening::Rollout(waves)) => {
                return self.open_rollout(plan, event, step, waves, at);
            }
            (KindPlan::Repeat(repeat), Opening::Repeat) => {
                self.open_repeat(plan, step, repeat, at);
                return Ok(());
            }
            (KindPlan::Decision(choices), Opening::Choice(choice)) => {
                let taken = match choice {
                    Some(number) => Some(choices.get(*number as usize).ok_or_else(illegal)?),
                    None => None,
                };
                match taken.map(|choice| choice.then) {
                    Some(ThenPlan::Scope(scope)) => vec![scope],
                    Some(ThenPlan::Jump(jump)) => {
                        self.decided_without_scope(plan, step, Some(jump), at);
                        return Ok(());
                    }
                    None => {
                        self.decided_without_scope(plan, step, None, at);
                        return Ok(());
                    }
                }
            }
            (
                KindPlan::Task(_)
                | KindPlan::Child(_)
                | KindPlan::Set(_)
                | KindPlan::Group(_)
                | KindPlan::Parallel(_)
                | KindPlan::Map(_)
                | KindPlan::Rollout(_)
                | KindPlan::Decision(_)
                | KindPlan::Repeat(_)
                | KindPlan::Wait(_)
                | KindPlan::Signal(_)
                | KindPlan::Approval(_),
                _,
            ) => return Err(illegal()),
        };
        self.step_mut(step).inner =
            Inner::Scopes { scopes: Vec::with_capacity(scopes.len()), open: count(scopes.len()) };
        self.activate(plan, step, at);
        let opened: Vec<_> =
            scopes.into_iter().map(|ix| self.open_scope(plan, ix, Some(step), None)).collect();
        if let Inner::Scopes { scopes, .. } = &mut self.step_mut(step).inner {
            *scopes = opened;
        }
        Ok(())
    }

    fn decided_without_scope(
        &mut self,
        plan: &Plan,
        step: StepRef,
        jump: Option<crate::graph::Jump>,
        at: Timestamp,
    ) {
        self.step_mut(step).inner = Inner::Scopes { scopes: Vec::new(), open: 0 };
        self.activate(plan, step, at);
        self.step_mut(step).main.output = Some(Arc::new(Value::Null));
        self.set_phase(TaskRef::main(step), Phase::Completed);
        self.settle(plan, step, true, jump);
    }

    /// Notes that a scope can end: nothing runs in it, and nothing more will.
    pub(super) fn check_drained(&mut self, scope: ScopeRef) {
        if self.is_drained(scope) {
            self.todo.push_back(Todo::Drained(scope));
        }
    }

    pub(super) fn is_drained(&self, scope: ScopeRef) -> bool {
        let state = self.scope(scope);
        !state.closed && (state.unsettled == 0 || (state.halted && state.active == 0))
    }

    pub(super) fn closed(
        &mut self,
        plan: &Plan,
        event: &Event,
        scope: ScopeRef,
        output: Option<&Arc<Value>>,
    ) -> Applied {
        let owner = self
            .scopes
            .get(scope.0 as usize)
            .filter(|_| self.is_drained(scope))
            .and_then(|state| state.owner)
            .ok_or_else(|| self.illegal_for_run(event, "not about to close that scope"))?;
        self.close_scope(plan, scope, output);
        let is_gate = self.scope(scope).wave.is_some();
        let ended = match &self.step(owner).inner {
            Inner::None | Inner::Child(_) | Inner::Wait(_) | Inner::Signal | Inner::Approval(_) => {
                false
            }
            // One that ended well may be followed by another.
            Inner::Repeat(_) => self.scope_result(scope) != RunStatus::Completed,
            Inner::Scopes { .. } => self.branch_closed(plan, owner),
            Inner::Map(_) if is_gate => self.gate_closed(plan, owner, scope),
            Inner::Map(_) => self.item_closed(plan, owner, scope),
        };
        if ended {
            self.close_container(plan, owner);
        } else {
            self.todo.push_back(Todo::Items(owner));
        }
        Ok(())
    }

    pub(super) fn scope_failed(
        &mut self,
        plan: &Plan,
        event: &Event,
        scope: ScopeRef,
        error: &Arc<StepError>,
    ) -> Applied {
        let open = self.scopes.get(scope.0 as usize).is_some_and(|it| !it.failed);
        if !open || !self.is_drained(scope) {
            return Err(self.illegal_for_run(event, "not about to close that scope"));
        }
        match self.scope(scope).owner {
            Some(owner) => self.record(plan, TaskRef::main(owner), error),
            None => self.errors.push(super::RunError {
                path: "output".to_owned(),
                attempt: 0,
                error: (**error).clone(),
            }),
        }
        let state = self.scope_mut(scope);
        state.failed = true;
        state.error = Some(Arc::clone(error));
        self.check_drained(scope);
        Ok(())
    }

    pub(super) fn close_scope(
        &mut self,
        plan: &Plan,
        scope: ScopeRef,
        output: Option<&Arc<Value>>,
    ) {
        for step in self.steps_of(plan, scope) {
            if self.step(step).main.phase == Phase::Pending {
                self.step_mut(step).main.phase = Phase::Skipped(SkipReason::ScopeEnded);
            }
        }
        let state = self.scope_mut(scope);
        state.cancelled |= state.stopped && state.unsettled > 0;
        state.unsettled = 0;
        state.closed = true;
        state.output = output.cloned();
        self.give_up_scope(scope);
        self.float_undos(scope);
    }

    /// How a scope ended, or would end now.
    pub(super) fn scope_result(&self, scope: ScopeRef) -> RunStatus {
        let state = self.scope(scope);
        if state.failed {
            RunStatus::Failed
        } else if state.cancelled || (state.stopped && state.unsettled > 0) {
            RunStatus::Cancelled
        } else {
            RunStatus::Completed
        }
    }
}

/// Counts stay below `u32::MAX`: a run of that many steps would not fit into memory.
pub(super) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
