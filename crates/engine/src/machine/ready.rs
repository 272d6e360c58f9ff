//! A step whose needs are met: what its kind does first.

use std::sync::Arc;

use serde_json::Value;

use super::{
    decide::{Command, Pass, failed_for_good},
    event::{Event, Opening, SkipReason, StepRef, TaskRef},
    lock::LockHolding,
    signal::SignalEvent,
    state::{ByHand, IllegalEvent, Inner, Phase},
};
use crate::{
    expr::EvalError,
    graph::{ChildPlan, ChoicePlan, KindPlan},
    model::RunId,
};

type Passed = Result<(), IllegalEvent>;

impl Pass<'_, '_> {
    pub(super) fn ready(&mut self, step: StepRef) -> Passed {
        let state = self.state.step(step);
        if state.main.phase != Phase::Pending || self.state.scope(state.scope).halted {
            return Ok(());
        }
        if self.plan.locks.is_some() && !self.state.has_run_locks() {
            // A window first: nobody holds anything for days before it opens.
            if self.is_in_run_window(step)? {
                self.want_run_locks()?;
            }
            return Ok(());
        }
        let task = TaskRef::main(step);
        if self.state.recorded(self.plan, step).is_some() {
            return self.emit(Event::Reused { step });
        }
        if let Some(decided) = &state.main.decided {
            let event = match decided {
                ByHand::Skip => Event::Skipped { step, reason: SkipReason::Operator },
                ByHand::Done(output) => Event::Completed { task, output: Arc::clone(output) },
            };
            return self.emit(event);
        }
        let plan = self.state.plan_of(self.plan, step);
        let asked = plan.locks.is_some() && self.state.queued(step).is_some();
        if let Some(when) = plan.when.as_ref().filter(|_| !asked) {
            match when.eval(&self.view(task)) {
                Ok(true) => {}
                Ok(false) => {
                    return self.emit(Event::Skipped { step, reason: SkipReason::Condition });
                }
                Err(error) => return self.emit(failed_for_good(task, error.into())),
            }
        }
        let has_locks = self.state.plan_of(self.plan, step).locks.is_some();
        if !self.is_in_window(step)? || (has_locks && !self.holds_locks(step)?) {
            return Ok(());
        }
        let started = match &plan.kind {
            KindPlan::Task(_) => return self.start_attempt(task, 1),
            KindPlan::Set(set) => set
                .eval(&self.view(task))
                .map(|output| Event::Completed { task, output: Arc::new(output) }),
            KindPlan::Group(_) | KindPlan::Parallel(_) => {
                Ok(Event::Opened { step, opening: Opening::Scopes })
            }
            KindPlan::Decision(choices) => self
                .choose(task, choices)
                .map(|choice| Event::Opened { step, opening: Opening::Choice(choice) }),
            KindPlan::Map(map) => return self.open_items(task, map),
            KindPlan::Rollout(rollout) => return self.open_waves(task, rollout),
            KindPlan::Child(child) => return self.start_child(task, child),
            KindPlan::Repeat(_) => Ok(Event::Opened { step, opening: Opening::Repeat }),
            KindPlan::Wait(wait) => return self.start_wait(step, wait),
            KindPlan::Signal(_) => {
                Ok(Event::Signal { step: Some(step), what: SignalEvent::Awaited })
            }
            KindPlan::Approval(approval) => return self.ask(step, approval),
        };
        match started {
            Ok(event) => self.emit(event),
            Err(error) => self.emit(failed_for_good(task, error.into())),
        }
    }

    fn choose(&self, task: TaskRef, choices: &[ChoicePlan]) -> Result<Option<u32>, EvalError> {
        for (number, choice) in (0..).zip(choices) {
            let holds = match &choice.when {
                Some(when) => when.eval(&self.view(task))?,
                None => true,
            };
            if holds {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    fn start_child(&mut self, task: TaskRef, child: &ChildPlan) -> Passed {
        let input = match child.with.eval(&self.view(task)) {
            Ok(input) => input,
            Err(error) => return self.emit(failed_for_good(task, error.into())),
        };
        let random = (u128::from((self.env.random)()) << 64) | u128::from((self.env.random)());
        let run = RunId::from_parts(self.env.now, random);
        self.emit(Event::ChildStarted { step: task.step, run })?;
        let held = self.state.held_around(Some(task.step));
        self.turn.commands.push(start_child((task.step, run), child, (input, held), false));
        Ok(())
    }

    /// Asks once more for a child that was recorded; the same data give the same input. After a stop
    /// in an emergency it is only looked for: what has not begun does not begin any more.
    pub(super) fn ensure_child(&mut self, step: StepRef) {
        let state = self.state.step(step);
        let (Phase::Running, Inner::Child(run)) = (&state.main.phase, &state.inner) else { return };
        if self.state.only_looks_for_child(step) {
            self.turn.commands.push(Command::LookForChild { step, run: *run });
            return;
        }
        let KindPlan::Child(child) = &self.state.plan_of(self.plan, step).kind else { return };
        if let Ok(input) = child.with.eval(&self.view(TaskRef::main(step))) {
            let held = self.state.held_around(Some(step));
            self.turn.commands.push(start_child((step, *run), child, (input, held), true));
        }
    }
}

fn start_child(
    (step, run): (StepRef, RunId),
    child: &ChildPlan,
    (input, held): (Value, Vec<LockHolding>),
    again: bool,
) -> Command {
    let workflow = child.workflow.clone();
    Command::StartChild { step, run, workflow, version: child.version, input, held, again }
}
