//! Transitions of attempts: of steps that call an executor, and of obligations.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    event::{Event, StepRef, TaskRef, Verdict},
    state::{AfterLook, IllegalEvent, Phase, RunState, TimerKind, Todo},
};
use crate::{
    graph::Plan,
    model::{ErrorClass, StepError, Timestamp},
    step::Observation,
};

type Applied = Result<(), IllegalEvent>;

impl RunState {
    pub(super) fn started(
        &mut self,
        plan: &Plan,
        event: &Event,
        task: TaskRef,
        attempt: u32,
        at: Timestamp,
    ) -> Applied {
        self.begin_owed(task);
        match self.execution(task).map(|it| &it.phase) {
            Some(Phase::Pending) if !task.is_main() => self.set_phase(task, Phase::Running),
            Some(Phase::Pending) => self.activate(plan, task.step, at),
            Some(Phase::Retrying(_) | Phase::Interrupted | Phase::Cleared) => {
                self.set_phase(task, Phase::Running);
            }
            Some(
                Phase::Running
                | Phase::Revoking
                | Phase::RevokeRetrying(_)
                | Phase::Observing
                | Phase::ObserveRetrying(_)
                | Phase::Attention(_)
                | Phase::Completed
                | Phase::Failed
                | Phase::Cancelled
                | Phase::Skipped(_),
            )
            | None => return Err(self.illegal(event, task)),
        }
        if let Some(execution) = self.execution_mut(task) {
            execution.attempt = attempt;
            execution.resume_as = attempt;
            execution.under_way = false;
            execution.after_look = None;
            execution.look = false;
            execution.observe_failures = 0;
        }
        Ok(())
    }

    pub(super) fn completed(
        &mut self,
        plan: &Plan,
        event: &Event,
        task: TaskRef,
        output: &Arc<Value>,
    ) -> Applied {
        let phase = self.execution(task).map(|it| &it.phase);
        let was_active = match phase {
            Some(Phase::Running) => true,
            // A `set` has no attempts, nor has what a person did.
            Some(Phase::Pending) if task.is_main() => {
                if self.step(task.step).main.decided.is_some() && !self.is_set(plan, task.step) {
                    self.owe_cleanup(plan, task.step);
                }
                false
            }
            Some(
                Phase::Pending
                | Phase::Interrupted
                | Phase::Revoking
                | Phase::RevokeRetrying(_)
                | Phase::Observing
                | Phase::ObserveRetrying(_)
                | Phase::Retrying(_)
                | Phase::Cleared
                | Phase::Attention(_)
                | Phase::Completed
                | Phase::Failed
                | Phase::Cancelled
                | Phase::Skipped(_),
            )
            | None => return Err(self.illegal(event, task)),
        };
        self.finish(plan, task, output, was_active);
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        plan: &Plan,
        task: TaskRef,
        output: &Arc<Value>,
        was_active: bool,
    ) {
        if let Some(execution) = self.execution_mut(task) {
            execution.output = Some(Arc::clone(output));
            execution.error = None;
            execution.holdings.clear();
        }
        self.set_phase(task, Phase::Completed);
        if task.is_main() {
            self.settle(plan, task.step, was_active, None);
        } else {
            self.obligation_ended(task);
        }
    }

    pub(super) fn failed(
        &mut self,
        plan: &Plan,
        event: &Event,
        task: TaskRef,
        (error, retry_at, observe): (&Arc<StepError>, Option<Timestamp>, bool),
        at: Timestamp,
    ) -> Applied {
        self.begin_owed(task);
        let was_active = match self.execution(task).map(|it| &it.phase) {
            Some(Phase::Pending) => false,
            Some(Phase::Running | Phase::Interrupted | Phase::Cleared | Phase::Retrying(_)) => true,
            Some(
                Phase::Revoking
                | Phase::RevokeRetrying(_)
                | Phase::Observing
                | Phase::ObserveRetrying(_)
                | Phase::Attention(_)
                | Phase::Completed
                | Phase::Failed
                | Phase::Cancelled
                | Phase::Skipped(_),
            )
            | None => return Err(self.illegal(event, task)),
        };
        if let Some(execution) = self.execution_mut(task) {
            execution.error = Some(Arc::clone(error));
            execution.resume_as = execution.attempt + 1;
        }
        let holds = self.execution(task).is_some_and(|it| !it.holdings.is_empty());
        if observe || holds {
            let stopped = observe && self.is_stopped(task);
            let last = if stopped { AfterLook::Stop } else { AfterLook::GiveUp };
            let anew = self.begins_anew(task, error);
            if let Some(execution) = self.execution_mut(task) {
                let after = retry_at.map_or(last, AfterLook::Retry);
                execution.after_look = (!anew).then_some(after);
                execution.look = observe;
            }
            self.set_phase(task, Phase::Interrupted);
            self.todo.push_back(Todo::Recover(task));
        } else if let Some(due) = retry_at {
            self.retry_at(task, due);
        } else if was_active && self.begins_anew(task, error) {
            self.clear(task);
        } else {
            let waits = task.is_main() && self.owed_as(plan, task).is_some();
            if waits && !was_active {
                // It could not even start; a person may still let it.
                self.activate(plan, task.step, at);
            }
            self.give_up(plan, task, was_active || waits);
        }
        Ok(())
    }

    fn retry_at(&mut self, task: TaskRef, due: Timestamp) {
        self.set_phase(task, Phase::Retrying(due));
        self.timers.insert((due, task, TimerKind::Retry));
    }

    /// The last failure was the last. A failed obligation waits for a person: it is owed.
    pub(super) fn give_up(&mut self, plan: &Plan, task: TaskRef, was_active: bool) {
        let error = self.execution(task).and_then(|it| it.error.clone());
        let error = error.unwrap_or_else(|| {
            Arc::new(StepError::new(
                "engine.cancelled",
                ErrorClass::Cancelled,
                "stopped before it was done",
            ))
        });
        if let Some(what) = self.owed_as(plan, task) {
            let late = task.is_main() && self.step(task.step).main.timed_out;
            let error = if late { Arc::new(self.time_error(plan, task.step)) } else { error };
            let evidence = json!({ "reason": format!("{what} failed"), "error": &*error });
            if task.is_main() && self.step(task.step).main.attempt == 0 {
                // It did not start: nothing of it needs its locks.
                self.give_up_locks(Some(task.step));
            }
            self.set_phase(task, Phase::Attention(Arc::new(evidence)));
            return;
        }
        self.fail_for_good(plan, task, &error, was_active);
    }

    /// A step that owes nothing itself failed for good, or was stopped.
    fn fail_for_good(
        &mut self,
        plan: &Plan,
        task: TaskRef,
        error: &Arc<StepError>,
        was_active: bool,
    ) {
        let scope = self.step(task.step).scope;
        let cancelled = self.cancel.is_some() && !self.in_finally(scope);
        let told = cancelled || self.scope(scope).stopped;
        let stopped = told && error.class == ErrorClass::Cancelled;
        self.step_mut(task.step).main.error = Some(Arc::clone(error));
        self.set_phase(task, if stopped { Phase::Cancelled } else { Phase::Failed });
        if self.step(task.step).main.timed_out && error.class == ErrorClass::Cancelled {
            self.fail_for_time(plan, task.step);
        } else if !stopped {
            self.record(plan, task, error);
        }
        self.settle(plan, task.step, was_active, None);
    }

    pub(super) fn interrupted(&mut self, event: &Event, task: TaskRef) -> Applied {
        match self.execution(task) {
            Some(execution) if execution.phase == Phase::Running => {
                self.set_phase(task, Phase::Interrupted);
                self.todo.push_back(Todo::Recover(task));
                Ok(())
            }
            Some(_) | None => Err(self.illegal(event, task)),
        }
    }

    pub(super) fn observe_started(&mut self, event: &Event, task: TaskRef) -> Applied {
        match self.execution(task).map(|it| &it.phase) {
            Some(Phase::Interrupted | Phase::ObserveRetrying(_)) => {
                self.set_phase(task, Phase::Observing);
                Ok(())
            }
            Some(
                Phase::Pending
                | Phase::Running
                | Phase::Revoking
                | Phase::RevokeRetrying(_)
                | Phase::Observing
                | Phase::Retrying(_)
                | Phase::Cleared
                | Phase::Attention(_)
                | Phase::Completed
                | Phase::Failed
                | Phase::Cancelled
                | Phase::Skipped(_),
            )
            | None => Err(self.illegal(event, task)),
        }
    }

    pub(super) fn observed(
        &mut self,
        plan: &Plan,
        event: &Event,
        task: TaskRef,
        seen: &Observation,
    ) -> Applied {
        self.expect_observing(event, task)?;
        let pending = self.execution_mut(task).and_then(|it| {
            it.observe_failures = 0;
            it.look = false;
            it.after_look.take()
        });
        match (seen, pending) {
            (Observation::Done(output), _) => {
                self.finish(plan, task, &Arc::new(output.clone()), true);
            }
            (Observation::NotDone, after) => self.go_on(plan, task, after),
            (
                Observation::InProgress(saved),
                None | Some(AfterLook::Retry(_) | AfterLook::Stop | AfterLook::Perform),
            ) => {
                if let Some(execution) = self.execution_mut(task) {
                    execution.saved = Some(Arc::new(saved.clone()));
                    execution.under_way = true;
                }
                self.clear(task);
            }
            (Observation::InProgress(saved), Some(AfterLook::GiveUp)) => {
                let evidence =
                    json!({ "reason": "still under way after the last attempt", "seen": saved });
                self.set_phase(task, Phase::Attention(Arc::new(evidence)));
            }
            (Observation::Unknown(evidence), _) => {
                let evidence =
                    json!({ "reason": "nobody can tell whether it was done", "seen": evidence });
                self.set_phase(task, Phase::Attention(Arc::new(evidence)));
            }
        }
        Ok(())
    }

    /// What follows once the action is known not to be done.
    pub(super) fn go_on(&mut self, plan: &Plan, task: TaskRef, after: Option<AfterLook>) {
        match after {
            None | Some(AfterLook::Perform) => self.clear(task),
            Some(AfterLook::Retry(due)) if !self.is_stopped(task) => self.retry_at(task, due),
            Some(AfterLook::Stop | AfterLook::Retry(_)) => self.stopped_undone(plan, task),
            Some(AfterLook::GiveUp) => self.give_up(plan, task, true),
        }
    }

    /// The target shows that an attempt that was told to stop did nothing: it was stopped in time.
    fn stopped_undone(&mut self, plan: &Plan, task: TaskRef) {
        if let Some(execution) = self.execution_mut(task) {
            let told = execution.error.take().filter(|it| it.class == ErrorClass::Cancelled);
            execution.error = Some(told.unwrap_or_else(|| Arc::new(super::halt::stopped())));
        }
        self.give_up(plan, task, true);
    }

    pub(super) fn clear(&mut self, task: TaskRef) {
        self.set_phase(task, Phase::Cleared);
        self.todo.push_back(Todo::Restart(task));
    }

    pub(super) fn observe_failed(
        &mut self,
        event: &Event,
        task: TaskRef,
        error: &Arc<StepError>,
        retry_at: Option<Timestamp>,
    ) -> Applied {
        self.expect_observing(event, task)?;
        if let Some(execution) = self.execution_mut(task) {
            execution.observe_failures += 1;
        }
        if let Some(due) = retry_at {
            self.set_phase(task, Phase::ObserveRetrying(due));
            self.timers.insert((due, task, TimerKind::Observe));
        } else {
            let evidence =
                json!({ "reason": "the target could not be observed", "error": &**error });
            self.set_phase(task, Phase::Attention(Arc::new(evidence)));
        }
        Ok(())
    }

    fn expect_observing(&self, event: &Event, task: TaskRef) -> Applied {
        match self.execution(task) {
            Some(execution) if execution.phase == Phase::Observing => Ok(()),
            Some(_) | None => Err(self.illegal(event, task)),
        }
    }

    pub(super) fn resolved(
        &mut self,
        plan: &Plan,
        event: &Event,
        task: TaskRef,
        verdict: &Verdict,
        by: &str,
    ) -> Applied {
        let waits = self.execution(task).is_some_and(|it| matches!(it.phase, Phase::Attention(_)));
        if !waits {
            return Err(self.illegal(event, task));
        }
        match verdict {
            Verdict::Retry => {
                if let Some(execution) = self.execution_mut(task) {
                    execution.resume_as = execution.attempt + 1;
                }
                self.grant_more_time(task);
                self.perform_anew(task);
            }
            Verdict::Done(output) => self.finish(plan, task, &Arc::new(output.clone()), true),
            Verdict::Failed => self.resolved_as_failed(plan, task, by),
        }
        Ok(())
    }

    fn resolved_as_failed(&mut self, plan: &Plan, task: TaskRef, by: &str) {
        let error = StepError::permanent("engine.resolved_failed", format!("{by} said it failed"));
        let error = Arc::new(error);
        if let Some(execution) = self.execution_mut(task) {
            execution.error = Some(Arc::clone(&error));
            execution.holdings.clear();
        }
        if task.is_main() {
            self.forget_unstarted(task.step);
            self.fail_for_good(plan, task, &error, true);
        } else {
            self.record(plan, task, &error);
            self.set_phase(task, Phase::Failed);
            self.obligation_ended(task);
        }
    }

    /// A person lets a call of `finally` be made again: its time being over is no reason not to.
    fn grant_more_time(&mut self, task: TaskRef) {
        if self.in_finally(self.step(task.step).scope)
            && let Some(execution) = self.execution_mut(task)
        {
            execution.timed_out = false;
        }
    }

    pub(super) fn saved(&mut self, event: &Event, task: TaskRef, progress: &Arc<Value>) -> Applied {
        match self.execution_mut(task) {
            Some(execution) if execution.phase == Phase::Running => {
                execution.saved = Some(Arc::clone(progress));
                Ok(())
            }
            Some(_) | None => Err(self.illegal(event, task)),
        }
    }

    fn time_error(&self, plan: &Plan, step: StepRef) -> StepError {
        let total = self.plan_of(plan, step).total_timeout.unwrap_or_default();
        let message = format!("not done within {}", crate::model::HumanDuration(total));
        StepError::new("engine.timeout", ErrorClass::Timeout, message)
    }

    /// The step failed because its time is over: that is the error that counts.
    pub(super) fn fail_for_time(&mut self, plan: &Plan, step: StepRef) {
        let error = self.time_error(plan, step);
        self.record(plan, TaskRef::main(step), &error);
        let main = &mut self.step_mut(step).main;
        main.error = Some(Arc::new(error));
        main.phase = Phase::Failed;
    }
}
