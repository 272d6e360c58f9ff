//! A new run that goes on where an old one failed, or from any of its steps.
//!
//! The old run's results are laid down in the new run's creation, by the places of its steps. When
//! such a step's turn comes it is not performed: it ends as it ended before ([`Event::Reused`]).
//! What a step begins again with is not decided by time but by what depends on what: the step, all
//! that comes after it in its list and in the lists around it, and each step whose effect was taken
//! back meanwhile (its cleanup or undo was performed at the end of a scope that opens again), with
//! all that comes after that. Parallel branches and items that depend on none of these keep what
//! they did: a cut at one point in time would forget it, and flash a machine twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    event::{Event, Order, Role, ScopeRef, SkipReason, StepRef, TaskRef},
    halt::stopped,
    state::{IllegalEvent, Inner, Phase, RunState},
};
use crate::{
    graph::{KindPlan, Plan, ThenPlan},
    model::{OnError, RunId, RunStatus, StepError},
};

/// Where a run comes from that goes on from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forked {
    /// The run that it goes on from.
    pub run: RunId,
    /// Who forked it, and why.
    #[serde(flatten)]
    pub order: Order,
    /// The first steps that are performed again, by their paths.
    pub from: Vec<String>,
    /// The obligations whose being met made earlier steps begin again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_back: Vec<String>,
    /// What is not performed again, by its place.
    pub results: BTreeMap<String, Recorded>,
}

/// How a step of the old run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// How.
    pub end: RecordedEnd,
    /// Its cleanup is dealt with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cleaned: bool,
    /// Its undo was performed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undone: bool,
}

/// The end of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordedEnd {
    /// It completed with this output.
    Done(Arc<Value>),
    /// It failed, and that was tolerated.
    Failed(Arc<StepError>),
    /// It was stopped, and that was tolerated.
    Cancelled,
    /// It did not run.
    Skipped(SkipReason),
}

/// Reads off a run that has ended what a fork of it need not perform again. `from`: the path of the
/// step to go on from; without it, from what failed or was cancelled.
///
/// # Errors
/// Why it can't be forked there; a sentence for the operator.
pub fn fork(
    plan: &Plan,
    old: &RunState,
    from: Option<&str>,
    order: Order,
    asks_again: bool,
) -> Result<Forked, String> {
    if !old.status.is_ended() {
        return Err(format!("it is {}: it has to end first", old.visible_status()));
    }
    if old.created.parent.is_some() {
        return Err(format!("it is a child run: fork run {}", old.created.root));
    }
    let mut again = Again { plan, old, steps: BTreeSet::new(), open: BTreeSet::new() };
    match from {
        Some(path) => again.reset_named(path)?,
        None if old.status == RunStatus::Completed => {
            return Err("it has completed: fork it from a step".to_owned());
        }
        None => {}
    }
    again.reset_failures();
    again.reopen(RunState::ROOT);
    let taken_back = again.take_back();
    Ok(Forked {
        run: old.created.run,
        order,
        from: again.first_steps(),
        taken_back: taken_back.into_iter().map(|task| old.task_path(plan, task)).collect(),
        results: again.results(asks_again),
    })
}

/// What begins again.
struct Again<'a> {
    plan: &'a Plan,
    old: &'a RunState,
    /// The steps that begin again, not those inside of them.
    steps: BTreeSet<StepRef>,
    /// Scopes that hold such a step: they end anew.
    open: BTreeSet<ScopeRef>,
}

impl Again<'_> {
    fn all(&self) -> impl Iterator<Item = StepRef> + use<> {
        (0..).map(StepRef).take(self.old.steps.len())
    }

    fn reset_named(&mut self, path: &str) -> Result<(), String> {
        let task = self.old.find(self.plan, path)?;
        if !task.is_main() {
            return Err(format!("`{path}` is an obligation: name its step"));
        }
        if self.old.in_finally(self.old.step(task.step).scope) {
            return Err(format!(
                "`{path}` is done in any case: what is done `finally` is done anew"
            ));
        }
        self.reset(task.step);
        Ok(())
    }

    fn reset_failures(&mut self) {
        let wrong: Vec<_> = self.all().filter(|step| self.failed_the_run(*step)).collect();
        for step in wrong {
            self.reset(step);
        }
    }

    /// A step begins again, and what comes after it.
    fn reset(&mut self, step: StepRef) {
        if !self.steps.insert(step) {
            return;
        }
        self.reset_followers(step);
        self.reopen(self.old.step(step).scope);
    }

    fn reset_followers(&mut self, step: StepRef) {
        let first = self.old.scope(self.old.step(step).scope).first.0;
        for place in &self.old.plan_of(self.plan, step).needed_by {
            self.reset(StepRef(first + place));
        }
    }

    fn reopen(&mut self, scope: ScopeRef) {
        if !self.open.insert(scope) {
            return;
        }
        let Some(owner) = self.old.scope(scope).owner else { return };
        if matches!(self.old.step(owner).inner, Inner::Repeat(_)) {
            // Past iterations keep nothing that one in the middle could build on.
            return self.reset(owner);
        }
        self.reset_followers(owner);
        self.reopen(self.old.step(owner).scope);
    }

    /// A step that went wrong by itself, and the run with it.
    fn failed_the_run(&self, step: StepRef) -> bool {
        let state = self.old.step(step);
        let leaf = match &state.inner {
            Inner::None | Inner::Child(_) | Inner::Wait(_) | Inner::Signal | Inner::Approval(_) => {
                true
            }
            Inner::Scopes { .. } | Inner::Map(_) | Inner::Repeat(_) => state.main.timed_out,
        };
        leaf && !self.old.in_finally(state.scope)
            && self.failed_its_scope(step)
            && self.reaches_the_run(state.scope)
    }

    fn failed_its_scope(&self, step: StepRef) -> bool {
        match self.old.step(step).main.phase {
            Phase::Failed => self.old.plan_of(self.plan, step).on_error == OnError::Fail,
            Phase::Cancelled => true,
            Phase::Pending
            | Phase::Running
            | Phase::Interrupted
            | Phase::Revoking
            | Phase::RevokeRetrying(_)
            | Phase::Observing
            | Phase::ObserveRetrying(_)
            | Phase::Retrying(_)
            | Phase::Cleared
            | Phase::Attention(_)
            | Phase::Completed
            | Phase::Skipped(_) => false,
        }
    }

    /// The steps around a scope, from the inside out.
    fn owners(&self, scope: ScopeRef) -> impl Iterator<Item = StepRef> {
        std::iter::successors(self.old.scope(scope).owner, |owner| {
            self.old.scope(self.old.step(*owner).scope).owner
        })
    }

    /// Whether nothing on the way from a scope to the run's own took its failure in.
    fn reaches_the_run(&self, scope: ScopeRef) -> bool {
        self.owners(scope).all(|owner| self.failed_its_scope(owner))
    }

    /// Steps whose effect was taken back at the end of a scope that opens again begin again too.
    /// Gives the obligations that were met for them.
    fn take_back(&mut self) -> Vec<TaskRef> {
        let mut found = Vec::new();
        loop {
            let gone = self.all().find_map(|step| {
                let tasks = [Role::Undo, Role::Cleanup].map(|role| TaskRef { step, role });
                tasks.into_iter().find(|task| self.is_taken_back(*task))
            });
            let Some(task) = gone else { break };
            found.push(task);
            self.reset(task.step);
        }
        // One that begins again because of an earlier one needs no telling.
        found.retain(|task| self.first_of(task.step));
        found
    }

    fn is_taken_back(&self, task: TaskRef) -> bool {
        // What an older run did, and took back, is as gone.
        let before = self.old.recorded(self.plan, task.step).is_some_and(|it| match task.role {
            Role::Undo => it.undone,
            Role::Cleanup => it.cleaned && self.old.plan_of(self.plan, task.step).cleanup.is_some(),
            Role::Main => false,
        });
        (before || self.old.execution(task).is_some())
            && !self.is_gone(task.step)
            && self.open.contains(&self.performed_in(task))
    }

    /// The scope at whose end an obligation was met: an undo floats out of scopes that completed.
    fn performed_in(&self, task: TaskRef) -> ScopeRef {
        let mut scope = self.old.step(task.step).scope;
        if task.role == Role::Undo {
            while self.old.scope_result(scope) == RunStatus::Completed
                && let Some(owner) = self.old.scope(scope).owner
            {
                scope = self.old.step(owner).scope;
            }
        }
        scope
    }

    /// Whether a step begins again, or is inside of one that does.
    fn is_gone(&self, step: StepRef) -> bool {
        self.steps.contains(&step)
            || self.owners(self.old.step(step).scope).any(|owner| self.steps.contains(&owner))
    }

    /// Whether a step begins again, and nothing that comes before it does.
    fn first_of(&self, step: StepRef) -> bool {
        let state = self.old.step(step);
        let (scope, first) = (self.old.scope(state.scope), self.old.scope(state.scope).first.0);
        let len = self.plan.scope(scope.plan).len;
        let follows = (first..first + len).map(StepRef).any(|before| {
            self.old.plan_of(self.plan, before).needed_by.contains(&state.place)
                && (self.steps.contains(&before) || self.holds_one(before))
        });
        let mut around = self.owners(state.scope);
        self.steps.contains(&step) && !follows && around.all(|owner| !self.steps.contains(&owner))
    }

    /// Whether something inside of a step begins again.
    fn holds_one(&self, step: StepRef) -> bool {
        self.open.iter().any(|scope| self.old.scope(*scope).owner == Some(step))
    }

    fn first_steps(&self) -> Vec<String> {
        let first = self.steps.iter().filter(|step| self.first_of(**step));
        first.map(|step| self.old.path(self.plan, *step)).collect()
    }

    fn results(&self, asks_again: bool) -> BTreeMap<String, Recorded> {
        let mut results = BTreeMap::new();
        for step in self.all() {
            let scope = self.old.step(step).scope;
            if self.is_gone(step) || self.old.in_finally(scope) {
                continue;
            }
            if let Some(end) = self.end(step, asks_again) {
                let kept = !self.open.contains(&scope);
                // A step that is not gone was not taken back in a scope that opens again.
                let undone = self.old.execution(TaskRef::undo(step)).is_some()
                    || self.old.was_undone(self.plan, step);
                let recorded = Recorded { end, cleaned: kept, undone };
                results.insert(self.old.place_of(self.plan, step), recorded);
            }
        }
        results
    }

    /// How a step ended, if it is to end so again by itself. Containers open again, and end as what
    /// is in them does: so undos that are not performed stay owed.
    fn end(&self, step: StepRef, asks_again: bool) -> Option<RecordedEnd> {
        let (state, plan) = (self.old.step(step), self.old.plan_of(self.plan, step));
        let kept = !self.open.contains(&state.scope);
        let alone = match &state.inner {
            Inner::None | Inner::Child(_) | Inner::Wait(_) | Inner::Signal => true,
            Inner::Approval(_) => !asks_again,
            Inner::Repeat(_) => {
                matches!(&plan.kind, KindPlan::Repeat(repeat) if repeat.forgets)
                    && !self.holds_one(step)
            }
            Inner::Scopes { .. } | Inner::Map(_) => state.main.timed_out && !self.holds_one(step),
        };
        if !alone {
            return None;
        }
        let error = || state.main.error.clone().unwrap_or_else(|| Arc::new(stopped()));
        match &state.main.phase {
            Phase::Completed => {
                Some(RecordedEnd::Done(state.main.output.clone().unwrap_or_default()))
            }
            Phase::Failed if kept || plan.on_error == OnError::Continue => {
                Some(RecordedEnd::Failed(error()))
            }
            Phase::Cancelled if kept => Some(RecordedEnd::Cancelled),
            Phase::Skipped(reason @ (SkipReason::Condition | SkipReason::Operator)) => {
                Some(RecordedEnd::Skipped(*reason))
            }
            Phase::Skipped(SkipReason::ScopeEnded) if kept => {
                Some(RecordedEnd::Skipped(SkipReason::ScopeEnded))
            }
            Phase::Failed
            | Phase::Cancelled
            | Phase::Skipped(SkipReason::Jump | SkipReason::ScopeEnded)
            | Phase::Pending
            | Phase::Running
            | Phase::Interrupted
            | Phase::Revoking
            | Phase::RevokeRetrying(_)
            | Phase::Observing
            | Phase::ObserveRetrying(_)
            | Phase::Retrying(_)
            | Phase::Cleared
            | Phase::Attention(_) => None,
        }
    }
}

impl RunState {
    /// A step's place in any run of its workflow: its path, with the choices that led to it. Two
    /// choices may hold steps of one name.
    pub(super) fn place_of(&self, plan: &Plan, step: StepRef) -> String {
        let mut place = self.path(plan, step);
        let mut scope = self.step(step).scope;
        while let Some(owner) = self.scope(scope).owner {
            if let KindPlan::Decision(choices) = &self.plan_of(plan, owner).kind {
                let here = self.scope(scope).plan;
                let leads = |then: &ThenPlan| matches!(then, ThenPlan::Scope(ix) if *ix == here);
                let choice = choices.iter().position(|choice| leads(&choice.then));
                let choice = choice.unwrap_or_default().to_string();
                place.extend([" choice ", &choice]);
            }
            scope = self.step(owner).scope;
        }
        place
    }

    /// How a step of the run that this one was forked from ended, if it is not performed again.
    pub fn recorded(&self, plan: &Plan, step: StepRef) -> Option<&Recorded> {
        let forked = self.created.forked_from.as_ref()?;
        if self.in_finally(self.step(step).scope) {
            return None;
        }
        forked.results.get(&self.place_of(plan, step))
    }

    /// Whether the undo of a step was performed before this run was forked.
    pub(super) fn was_undone(&self, plan: &Plan, step: StepRef) -> bool {
        self.recorded(plan, step).is_some_and(|recorded| recorded.undone)
    }

    pub(super) fn reused(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
    ) -> Result<(), IllegalEvent> {
        self.expect_main(event, step, |phase| *phase == Phase::Pending)?;
        let task = TaskRef::main(step);
        let Some(recorded) = self.recorded(plan, step).cloned() else {
            return Err(self.illegal(event, task));
        };
        match recorded.end {
            RecordedEnd::Done(output) => {
                if !recorded.cleaned && !self.is_set(plan, step) {
                    self.owe_cleanup(plan, step);
                }
                self.finish(plan, task, &output, false);
                return Ok(());
            }
            RecordedEnd::Failed(error) => {
                self.record(plan, task, &error);
                self.step_mut(step).main.error = Some(error);
                self.set_phase(task, Phase::Failed);
            }
            RecordedEnd::Cancelled => self.set_phase(task, Phase::Cancelled),
            RecordedEnd::Skipped(reason) => self.set_phase(task, Phase::Skipped(reason)),
        }
        self.settle(plan, step, false, None);
        Ok(())
    }
}
