//! Obligations: what is owed, in which order it is met, and how undos float outwards.
//!
//! Each scope has one stack. A cleanup goes on it when its step starts, an undo when its step has
//! completed; when nothing runs in the scope any more, the stack is worked off from its top, one
//! obligation at a time. Cleanups are performed as their policies say, undos if the scope failed or
//! was cancelled. The undos of a scope that completed float to the scope around it, to the place
//! that the order of completion gives them, so that a failure further out takes them back too.

use super::{
    event::{Role, ScopeRef, StepRef, TaskRef},
    state::{Execution, Inner, Phase, RunState, Todo},
};
#[cfg(feature = "testing")]
use crate::model::planted;
use crate::{
    graph::Plan,
    model::{CleanupPolicy, RunStatus},
};

/// A cleanup or an undo that may have to be performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obligation {
    /// What is to be performed.
    pub task: TaskRef,
    /// Its number in the order in which the run's obligations arose.
    pub order: u32,
}

/// The state of a stack.
pub(super) enum NextOwed {
    /// Nothing of it is left to do.
    Met,
    /// This is the next to start.
    Start(TaskRef),
    /// One is being performed, or waits for a person.
    UnderWay,
}

impl RunState {
    /// An obligation arises, in the scope of its step.
    pub(super) fn owe(&mut self, task: TaskRef) {
        let order = self.obligations;
        self.obligations += 1;
        let scope = self.step(task.step).scope;
        self.scope_mut(scope).owed.push(Obligation { task, order });
    }

    /// A step of `finally` that could not even start, and won't: it leaves nothing to clean up.
    pub(super) fn forget_unstarted(&mut self, step: StepRef) {
        let state = self.step(step);
        // One that waits has begun without an attempt.
        if state.main.attempt == 0 && matches!(state.inner, Inner::None) {
            let scope = self.step(step).scope;
            self.scope_mut(scope).owed.retain(|it| it.task != TaskRef::cleanup(step));
        }
    }

    /// Makes room for the life of an obligation that begins.
    pub(super) fn begin_owed(&mut self, task: TaskRef) {
        let owed = &mut self.step_mut(task.step).owed;
        let life = match task.role {
            Role::Main => return,
            Role::Cleanup => &mut owed.get_or_insert_default().cleanup,
            Role::Undo => &mut owed.get_or_insert_default().undo,
        };
        life.get_or_insert(Execution::NEW);
    }

    /// What is next on the stack of a scope, of what `wanted` chooses. Whoever asks starts it, and
    /// is asked again when it has ended: the scope by [`Todo::Drained`], the container that it
    /// floated out of by [`Todo::Items`].
    pub(super) fn next_owed(&self, scope: ScopeRef, wanted: impl Fn(TaskRef) -> bool) -> NextOwed {
        for Obligation { task, .. } in self.scope(scope).owed.iter().rev() {
            match self.execution(*task).map(|it| &it.phase) {
                Some(phase) if phase.is_final() => {}
                Some(_) => return NextOwed::UnderWay,
                None if wanted(*task) => return NextOwed::Start(*task),
                None => {}
            }
        }
        NextOwed::Met
    }

    /// Whether an obligation on the stack of a scope has to be met, now that nothing runs there.
    pub(super) fn is_owed(&self, plan: &Plan, scope: ScopeRef, task: TaskRef) -> bool {
        #[cfg(feature = "testing")]
        if planted::is_planted(planted::Defect::Cleanup) && self.epoch > 1 {
            return false;
        }
        let completed = self.scope_result(scope) == RunStatus::Completed;
        let policy = match task.role {
            Role::Main => return false,
            Role::Undo => return !completed,
            Role::Cleanup => self.plan_of(plan, task.step).cleanup.as_ref().map(|it| it.policy),
        };
        let succeeded = completed && self.step(task.step).main.phase == Phase::Completed;
        match policy {
            Some(CleanupPolicy::Always) => true,
            Some(CleanupPolicy::OnSuccess) => succeeded,
            Some(CleanupPolicy::OnFailure) => !succeeded,
            Some(CleanupPolicy::Never) | None => false,
        }
    }

    /// An obligation is met, or a person said that it can't be.
    pub(super) fn obligation_ended(&mut self, task: TaskRef) {
        let (scope, through) = self.holder(task);
        let owed = &mut self.scope_mut(scope).owed;
        if let Some(place) = owed.iter().rposition(|it| it.task == task) {
            owed.remove(place);
        }
        self.todo.extend(through.map(Todo::Items));
        self.todo.push_back(Todo::Drained(scope));
    }

    /// The scope on whose stack an obligation is, and the container that it floated out of.
    fn holder(&self, task: TaskRef) -> (ScopeRef, Option<StepRef>) {
        let mut scope = self.step(task.step).scope;
        let mut through = None;
        while self.scope(scope).closed
            && let Some(owner) = self.scope(scope).owner
        {
            through = Some(owner);
            scope = self.step(owner).scope;
        }
        (scope, through)
    }

    /// The stack of a scope that has just closed: what it did may still have to be taken back.
    pub(super) fn float_undos(&mut self, scope: ScopeRef) {
        let owed = std::mem::take(&mut self.scope_mut(scope).owed);
        let completed = self.scope_result(scope) == RunStatus::Completed;
        let Some(owner) = self.scope(scope).owner.filter(|_| completed) else { return };
        let outer = self.step(owner).scope;
        let held = &mut self.scope_mut(outer).owed;
        for undo in owed.into_iter().filter(|it| it.task.role == Role::Undo) {
            let place = held.partition_point(|it| it.order < undo.order);
            held.insert(place, undo);
        }
    }
}
