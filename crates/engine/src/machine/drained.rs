//! A scope in which nothing runs any more: its obligations are met, then it closes.

use std::sync::Arc;

use super::{
    decide::{Command, Pass},
    event::{Event, ScopeRef, StepRef, TaskRef},
    state::{IllegalEvent, Phase, RunState},
    view::View,
};
use crate::{
    graph::Plan,
    model::{CleanupPolicy, RunStatus, StepError},
};

impl Pass<'_, '_> {
    pub(super) fn drained(&mut self, scope: ScopeRef) -> Result<(), IllegalEvent> {
        if !self.state.is_drained(scope) {
            return Ok(());
        }
        match next_cleanup(self.plan, self.state, scope) {
            Obligation::UnderWay => return Ok(()),
            Obligation::Owed(step) => return self.start_attempt(TaskRef::cleanup(step), 1),
            Obligation::Met => {}
        }
        let result = self.state.scope_result(scope);
        let (output, error) = match &self.plan.scope(self.state.scope(scope).plan).output {
            Some(template) if result == RunStatus::Completed => {
                match template.eval(&View { plan: self.plan, state: self.state, scope }) {
                    Ok(output) => (Some(Arc::new(output)), None),
                    Err(error) => (None, Some(Arc::new(StepError::from(error)))),
                }
            }
            Some(_) | None => (None, None),
        };
        if scope != RunState::ROOT {
            return self.emit(Event::Closed { scope, output, error });
        }
        let status = match (result, &self.state.cancel, &error) {
            (_, _, Some(_)) => RunStatus::Failed,
            // A run that was cancelled and failed on the way is a cancelled one.
            (RunStatus::Failed, Some(_), None) => RunStatus::Cancelled,
            (result, _, None) => result,
        };
        self.emit(Event::Ended { status, output, error })?;
        self.turn.commands.push(Command::Ended { status });
        Ok(())
    }
}

enum Obligation {
    Met,
    Owed(StepRef),
    UnderWay,
}

/// The next obligation of a scope, in reverse order of the starts.
fn next_cleanup(plan: &Plan, state: &RunState, scope: ScopeRef) -> Obligation {
    for step in state.scope(scope).cleanups.iter().rev() {
        match state.execution(TaskRef::cleanup(*step)).map(|it| &it.phase) {
            Some(phase) if phase.is_final() => {}
            Some(_) => return Obligation::UnderWay,
            None if is_owed(plan, state, *step) => return Obligation::Owed(*step),
            None => {}
        }
    }
    Obligation::Met
}

fn is_owed(plan: &Plan, state: &RunState, step: StepRef) -> bool {
    let Some(cleanup) = &state.plan_of(plan, step).cleanup else { return false };
    let step = state.step(step);
    let succeeded = step.main.phase == Phase::Completed
        && state.scope_result(step.scope) == RunStatus::Completed;
    match cleanup.policy {
        CleanupPolicy::Always => true,
        CleanupPolicy::OnSuccess => succeeded,
        CleanupPolicy::OnFailure => !succeeded,
        CleanupPolicy::Never => false,
    }
}
