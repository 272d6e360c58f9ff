//! The end of a run: its time, its `finally`, and the status that it ends with.

use std::sync::Arc;

use serde_json::Value;

use super::{
    decide::{Command, Pass},
    event::{Event, RunError, ScopeRef, TaskRef},
    state::{IllegalEvent, RunState, Todo},
};
use crate::{
    graph::{KindPlan, Plan},
    model::{ErrorClass, HumanDuration, OnError, RunStatus, StepError, Timestamp},
};

type Applied = Result<(), IllegalEvent>;

/// How a run is about to end, while its `finally` is under way. Nothing changes that any more,
/// except that a run with a failed `finally` does not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What it is about to end as.
    pub status: RunStatus,
    /// The scope of its `finally`.
    pub scope: ScopeRef,
}

impl RunState {
    /// Whether a scope belongs to the workflow's `finally`: those are the last to open.
    pub fn in_finally(&self, scope: ScopeRef) -> bool {
        self.ending.is_some_and(|ending| scope >= ending.scope)
    }

    /// Whether a failure for good of this task waits for a person, and what it is called then:
    /// cleanups and undos are owed, and so are the calls of `finally`, unless their author says
    /// that their failure does not matter, or set the list around them a time that is over.
    pub(super) fn owed_as(&self, plan: &Plan, task: TaskRef) -> Option<String> {
        if let Some(name) = task.role.name() {
            return Some(format!("the {name}"));
        }
        let scope = self.step(task.step).scope;
        let step = self.plan_of(plan, task.step);
        let calls = matches!(step.kind, KindPlan::Task(_));
        let owed = calls
            && step.on_error == OnError::Fail
            && self.in_finally(scope)
            && !self.scope(scope).stopped;
        owed.then(|| "a step of `finally`".to_owned())
    }

    /// When the time of the run is over, as long as that would change anything.
    pub(super) fn run_deadline(&self) -> Option<Timestamp> {
        let over = self.timed_out || self.cancel.is_some() || self.ending.is_some();
        self.deadline.filter(|_| !over && !self.is_drained(Self::ROOT))
    }

    pub(super) fn run_timed_out(&mut self, plan: &Plan, event: &Event) -> Applied {
        if self.run_deadline().is_none() {
            return Err(self.illegal_for_run(event, self.status.as_str()));
        }
        self.timed_out = true;
        let time = HumanDuration(plan.timeout.unwrap_or_default());
        let error = StepError::new(
            "engine.run_timeout",
            ErrorClass::Timeout,
            format!("the run did not end within {time}"),
        );
        let root = self.scope_mut(Self::ROOT);
        root.failed = true;
        root.error = Some(Arc::new(error.clone()));
        self.errors.push(RunError { path: "timeout".to_owned(), attempt: 0, error });
        self.stop_scope(plan, Self::ROOT);
        Ok(())
    }

    /// What the run ends as, now that its steps ended like this.
    fn final_status(&self, result: RunStatus) -> RunStatus {
        match (result, &self.cancel) {
            // A run that was cancelled and failed on the way is a cancelled one.
            (RunStatus::Failed, Some(_)) if !self.timed_out => RunStatus::Cancelled,
            (result, _) => result,
        }
    }

    /// The workflow's own scope closes, and its `finally` opens.
    pub(super) fn finishing(
        &mut self,
        plan: &Plan,
        event: &Event,
        status: RunStatus,
        output: Option<&Arc<Value>>,
    ) -> Applied {
        let Some(finally) = plan.finally.filter(|_| self.ending.is_none()) else {
            return Err(self.illegal_for_run(event, "without a `finally`"));
        };
        if !self.is_drained(Self::ROOT) || !status.is_ended() {
            return Err(self.illegal_for_run(event, self.status.as_str()));
        }
        self.close_scope(plan, Self::ROOT, output);
        // Its number is the next one.
        let scope = ScopeRef(super::open::count(self.scopes.len()));
        self.ending = Some(Ending { status, scope });
        self.open_scope(plan, finally, None, None);
        Ok(())
    }

    pub(super) fn ended(
        &mut self,
        plan: &Plan,
        event: &Event,
        status: RunStatus,
        output: Option<&Arc<Value>>,
    ) -> Applied {
        let last = self.ending.map_or(Self::ROOT, |ending| ending.scope);
        if !self.is_drained(last) || !status.is_ended() {
            return Err(self.illegal_for_run(event, self.status.as_str()));
        }
        self.close_scope(plan, last, output);
        if status == RunStatus::Completed {
            self.output = self.scope_output(plan, Self::ROOT);
        }
        self.status = status;
        self.deadline = None;
        self.give_up_all_locks();
        self.todo.clear();
        self.timers.clear();
        Ok(())
    }
}

impl Pass<'_, '_> {
    /// A scope that no step holds has nothing left to do: the workflow's own, or its `finally`.
    pub(super) fn end_run(
        &mut self,
        result: RunStatus,
        output: Option<Arc<Value>>,
    ) -> Result<(), IllegalEvent> {
        let status = match self.state.ending.map(|ending| ending.status) {
            Some(RunStatus::Completed) if result != RunStatus::Completed => RunStatus::Failed,
            Some(status) => status,
            None => self.state.final_status(result),
        };
        // A run that never had its locks has not begun.
        let begun = self.plan.locks.is_none() || self.state.has_run_locks();
        if begun && self.state.ending.is_none() && self.plan.finally.is_some() {
            if self.state.is_held() {
                self.state.held.push_back(Todo::Drained(RunState::ROOT));
                return Ok(());
            }
            return self.emit(Event::Finishing { status, output });
        }
        self.emit(Event::Ended { status, output })?;
        self.turn.commands.push(Command::Ended { status });
        Ok(())
    }
}
