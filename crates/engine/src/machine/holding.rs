//! What attempts hold on their targets: saved before it is used, revoked before anything else
//! happens to the target once the attempt is over.

use std::sync::Arc;

use serde_json::json;

use super::{
    decide::{Command, Env, Pass},
    event::{Event, TaskRef},
    input::{OBSERVATIONS, OBSERVE},
    state::{AfterLook, IllegalEvent, Phase, RunState, TimerKind, Todo},
};
use crate::{
    graph::Plan,
    model::{StepError, Timestamp},
    step::Holding,
};

type Applied = Result<(), IllegalEvent>;

impl RunState {
    pub(super) fn held(&mut self, event: &Event, task: TaskRef, holding: &Holding) -> Applied {
        match self.execution_mut(task) {
            Some(execution) if execution.phase == Phase::Running => {
                execution.holdings.push(holding.clone());
                Ok(())
            }
            Some(_) | None => Err(self.illegal(event, task)),
        }
    }

    pub(super) fn released(&mut self, event: &Event, task: TaskRef, holding: &Holding) -> Applied {
        match self.execution_mut(task) {
            Some(execution) if execution.phase == Phase::Running => {
                execution.holdings.retain(|it| it != holding);
                Ok(())
            }
            Some(_) | None => Err(self.illegal(event, task)),
        }
    }

    pub(super) fn revoke_started(&mut self, event: &Event, task: TaskRef) -> Applied {
        match self.execution(task).map(|it| &it.phase) {
            Some(Phase::Interrupted | Phase::RevokeRetrying(_)) => {
                self.set_phase(task, Phase::Revoking);
                Ok(())
            }
            Some(_) | None => Err(self.illegal(event, task)),
        }
    }

    /// The target is free of what the attempt held; what was to follow the attempt follows now.
    pub(super) fn revoked(&mut self, plan: &Plan, event: &Event, task: TaskRef) -> Applied {
        self.expect_revoking(event, task)?;
        let Some(execution) = self.execution_mut(task) else { return Ok(()) };
        execution.holdings.clear();
        execution.revoke_failures = 0;
        // An attempt whose end nobody recorded, and one with unknown outcome, is looked at next.
        if execution.look || execution.after_look.is_none() {
            self.set_phase(task, Phase::Interrupted);
            self.todo.push_back(Todo::Recover(task));
        } else {
            let after = execution.after_look.take();
            self.go_on(plan, task, after);
        }
        Ok(())
    }

    pub(super) fn revoke_failed(
        &mut self,
        event: &Event,
        task: TaskRef,
        error: &Arc<StepError>,
        retry_at: Option<Timestamp>,
    ) -> Applied {
        self.expect_revoking(event, task)?;
        let Some(execution) = self.execution_mut(task) else { return Ok(()) };
        execution.revoke_failures += 1;
        let evidence = json!({
            "reason": "what an attempt held on its target could not be revoked",
            "holdings": execution.holdings,
            "error": &**error,
        });
        if let Some(due) = retry_at {
            self.set_phase(task, Phase::RevokeRetrying(due));
            self.timers.insert((due, task, TimerKind::Revoke));
        } else {
            self.set_phase(task, Phase::Attention(Arc::new(evidence)));
        }
        Ok(())
    }

    /// A person wants another attempt. What is still held is revoked first.
    pub(super) fn perform_anew(&mut self, task: TaskRef) {
        let Some(execution) = self.execution_mut(task) else { return };
        execution.revoke_failures = 0;
        if execution.holdings.is_empty() {
            return self.clear(task);
        }
        execution.after_look = Some(AfterLook::Perform);
        execution.look = false;
        self.set_phase(task, Phase::Interrupted);
        self.todo.push_back(Todo::Recover(task));
    }

    fn expect_revoking(&self, event: &Event, task: TaskRef) -> Applied {
        match self.execution(task) {
            Some(execution) if execution.phase == Phase::Revoking => Ok(()),
            Some(_) | None => Err(self.illegal(event, task)),
        }
    }
}

impl Pass<'_, '_> {
    pub(super) fn revoke(&mut self, task: TaskRef) -> Applied {
        self.emit(Event::RevokeStarted { task })?;
        let held = self.state.execution(task).map(|it| it.holdings.clone()).unwrap_or_default();
        match self.call(task) {
            Ok(Some(call)) => self.turn.commands.push(Command::Revoke(call, held)),
            Ok(None) => {}
            Err(error) => {
                let error = Arc::new(error);
                self.emit(Event::RevokeFailed { task, error, retry_at: None })?;
            }
        }
        Ok(())
    }
}

pub(super) fn holds(state: &RunState, task: TaskRef, holding: &Holding) -> bool {
    state.execution(task).is_some_and(|it| it.holdings.contains(holding))
}

/// What the end of revoking leads to: the way on, another try, or a person.
pub(super) fn revoke_ended(
    state: &RunState,
    task: TaskRef,
    result: Result<(), StepError>,
    env: &Env<'_>,
) -> Option<Event> {
    let execution = state.execution(task)?;
    if execution.phase != Phase::Revoking {
        return None;
    }
    Some(match result {
        Ok(()) => Event::Revoked { task },
        Err(error) => {
            let tries = execution.revoke_failures + 1;
            let retry_at = (tries < OBSERVATIONS).then(|| env.now.after(OBSERVE.after(tries, 0.5)));
            Event::RevokeFailed { task, error: Arc::new(error), retry_at }
        }
    })
}
