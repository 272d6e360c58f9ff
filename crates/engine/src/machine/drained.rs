//! A scope in which nothing runs any more: its obligations are met, then it closes.

use std::sync::Arc;

use super::{
    decide::Pass,
    event::{Event, ScopeRef},
    owed::NextOwed,
    state::{IllegalEvent, Todo},
    view::View,
};
use crate::model::{RunStatus, StepError};

impl Pass<'_, '_> {
    pub(super) fn drained(&mut self, scope: ScopeRef) -> Result<(), IllegalEvent> {
        if !self.state.is_drained(scope) {
            return Ok(());
        }
        let result = self.state.scope_result(scope);
        let output = match &self.plan.scope(self.state.scope(scope).plan).output {
            Some(template) if result == RunStatus::Completed => {
                match template.eval(&View { plan: self.plan, state: self.state, scope }) {
                    Ok(output) => Some(Arc::new(output)),
                    Err(error) => {
                        let error = Arc::new(StepError::from(error));
                        return self.emit(Event::ScopeFailed { scope, error });
                    }
                }
            }
            Some(_) | None => None,
        };
        let (plan, state) = (self.plan, &*self.state);
        match state.next_owed(scope, |task| state.is_owed(plan, scope, task)) {
            NextOwed::UnderWay => return Ok(()),
            NextOwed::Start(_) if state.is_held() => {
                self.state.held.push_back(Todo::Drained(scope));
                return Ok(());
            }
            NextOwed::Start(task) => return self.start_attempt(task, 1),
            NextOwed::Met => {}
        }
        if self.state.scope(scope).owner.is_none() {
            return self.end_run(result, output);
        }
        self.emit(Event::Closed { scope, output })
    }
}
