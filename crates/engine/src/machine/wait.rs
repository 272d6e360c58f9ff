//! Steps that wait for a time: not in flight, so that the run can leave the memory meanwhile.

use std::sync::Arc;

use serde_json::json;

use super::{
    decide::{Pass, failed_for_good},
    event::{Event, StepRef, TaskRef},
    state::{IllegalEvent, Inner, Phase, RunState, TimerKind},
};
use crate::{
    graph::{KindPlan, Plan, WAIT_FOR, WAIT_UNTIL, WaitPlan},
    model::{Moment, StepError, Timestamp},
};

impl RunState {
    pub(super) fn waiting(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
        (until, at): (Timestamp, Timestamp),
    ) -> Result<(), IllegalEvent> {
        self.expect_main(event, step, |phase| *phase == Phase::Pending)?;
        self.step_mut(step).inner = Inner::Wait(until);
        self.activate(plan, step, at);
        self.timers.insert((until, TaskRef::main(step), TimerKind::Wait));
        Ok(())
    }

    /// What kept an eye on a step that waited goes with it.
    pub(super) fn end_wait(&mut self, plan: &Plan, step: StepRef) {
        let until = match &self.step(step).inner {
            Inner::Wait(until) => Some(*until),
            Inner::Approval(ask) => ask.until,
            Inner::Signal => return self.stop_awaiting(plan, step),
            Inner::None
            | Inner::Child(_)
            | Inner::Scopes { .. }
            | Inner::Map(_)
            | Inner::Repeat(_) => None,
        };
        if let Some(until) = until {
            self.timers.remove(&(until, TaskRef::main(step), TimerKind::Wait));
        }
    }
}

impl Pass<'_, '_> {
    pub(super) fn start_wait(
        &mut self,
        step: StepRef,
        wait: &WaitPlan,
    ) -> Result<(), IllegalEvent> {
        let until = match self.wait_until(step, wait) {
            Ok(Some(until)) => until,
            Ok(None) => {
                let output = Arc::new(self.state.entered(step));
                self.emit(Event::WaitStarted { step, until: self.env.now })?;
                return self.emit(Event::Completed { task: TaskRef::main(step), output });
            }
            Err(error) => return self.emit(failed_for_good(TaskRef::main(step), error)),
        };
        self.emit(Event::WaitStarted { step, until })?;
        // A time that has passed is waited for no longer than that.
        if until <= self.env.now { self.wait_over(step) } else { Ok(()) }
    }

    /// Until when the step waits; none: its window has let it in.
    fn wait_until(&self, step: StepRef, wait: &WaitPlan) -> Result<Option<Timestamp>, StepError> {
        let view = self.view(TaskRef::main(step));
        Ok(match wait {
            WaitPlan::For(time) => Some(self.env.now.after(WAIT_FOR.eval(time, &view)?.0)),
            WaitPlan::Until(until) => Some(WAIT_UNTIL.eval(until, &view)?.0),
            WaitPlan::Window => None,
        })
    }

    pub(super) fn wait_over(&mut self, step: StepRef) -> Result<(), IllegalEvent> {
        if let KindPlan::Approval(plan) = &self.state.plan_of(self.plan, step).kind {
            return self.unanswered(step, plan);
        }
        let Inner::Wait(until) = self.state.step(step).inner else { return Ok(()) };
        let output = Arc::new(json!({ "until": Moment(until) }));
        self.emit(Event::Completed { task: TaskRef::main(step), output })
    }
}
