//! Stopping from outside: cancel, and the time for all of a step being over.

use std::sync::Arc;

use super::{
    event::{Event, ScopeRef, StepRef, TaskRef},
    state::{IllegalEvent, Inner, Phase, RunState, TimerKind, Todo},
};
use crate::{
    graph::Plan,
    model::{ErrorClass, StepError},
};

impl RunState {
    pub(super) fn timed_out(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
    ) -> Result<(), IllegalEvent> {
        let main = &mut self.step_mut(step).main;
        if main.phase.is_final() || main.phase == Phase::Pending || main.timed_out {
            return Err(self.illegal(event, TaskRef::main(step)));
        }
        main.timed_out = true;
        if let Some(deadline) = main.deadline.take() {
            self.timers.remove(&(deadline, TaskRef::main(step), TimerKind::Total));
        }
        self.stop_step(plan, step);
        Ok(())
    }

    /// Nothing more starts in a scope and in those below it; what can be told to stop is told.
    pub(super) fn stop_scope(&mut self, plan: &Plan, scope: ScopeRef) {
        if self.scope(scope).closed {
            return;
        }
        self.forget_gates_of(scope);
        let state = self.scope_mut(scope);
        state.halted = true;
        state.stopped = true;
        for step in self.steps_of(plan, scope) {
            self.stop_step(plan, step);
        }
        self.stop_waiting(scope);
        self.check_drained(scope);
    }

    fn stop_step(&mut self, plan: &Plan, step: StepRef) {
        let task = TaskRef::main(step);
        let state = self.step_mut(step);
        match (&state.main.phase, &mut state.inner) {
            (Phase::Running, Inner::None) => self.todo.push_back(Todo::StopAttempt(task)),
            (Phase::Running, Inner::Child(_)) => self.todo.push_back(Todo::StopChild(step)),
            (Phase::Running, Inner::Scopes { scopes, .. }) => {
                for scope in scopes.clone() {
                    self.stop_scope(plan, scope);
                }
            }
            (Phase::Running, Inner::Map(_)) => self.stop_items(plan, step),
            (Phase::Running, Inner::Repeat(repeat)) => {
                let scope = repeat.scope;
                if self.scope(scope).closed {
                    self.end_pause(step);
                    self.cut(plan, task);
                } else {
                    self.stop_scope(plan, scope);
                }
            }
            // Nobody has to be told.
            (Phase::Running, Inner::Wait(_) | Inner::Signal | Inner::Approval(_))
            | (Phase::Retrying(_), _) => self.cut(plan, task),
            (
                Phase::Pending
                | Phase::Interrupted
                | Phase::Revoking
                | Phase::RevokeRetrying(_)
                | Phase::Observing
                | Phase::ObserveRetrying(_)
                | Phase::Cleared
                | Phase::Attention(_)
                | Phase::Completed
                | Phase::Failed
                | Phase::Cancelled
                | Phase::Skipped(_),
                _,
            ) => {}
        }
    }

    /// Ends at once what only waits.
    fn cut(&mut self, plan: &Plan, task: TaskRef) {
        self.step_mut(task.step).main.error = Some(Arc::new(stopped()));
        self.give_up(plan, task, true);
    }

    /// Whether new attempts of this step make no sense any more. An obligation is owed all the same.
    pub(super) fn is_stopped(&self, task: TaskRef) -> bool {
        let step = self.step(task.step);
        task.is_main() && (self.scope(step.scope).stopped || step.main.timed_out)
    }
}

/// What a step that was stopped between two attempts says.
pub(super) fn stopped() -> StepError {
    StepError::new("engine.cancelled", ErrorClass::Cancelled, "told to stop before it was done")
}
