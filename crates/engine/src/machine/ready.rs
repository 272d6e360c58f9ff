//! A step whose needs are met: what its kind does first.

use std::sync::Arc;

use serde_json::Value;

use super::{
    decide::{Command, Pass, failed_for_good},
    event::{Event, Opening, SkipReason, StepRef, TaskRef},
    state::{IllegalEvent, Inner, Phase},
};
#[cfg(feature = "testing")]
use crate::model::planted;
use crate::{
    expr::EvalError,
    graph::{ChildPlan, ChoicePlan, KindPlan, MapPlan},
    model::{RunId, StepError},
};

type Passed = Result<(), IllegalEvent>;

impl Pass<'_, '_> {
    pub(super) fn ready(&mut self, step: StepRef) -> Passed {
        let state = self.state.step(step);
        if state.main.phase != Phase::Pending || self.state.scope(state.scope).halted {
            return Ok(());
        }
        let task = TaskRef::main(step);
        let plan = self.state.plan_of(self.plan, step);
        if let Some(when) = &plan.when {
            match when.eval(&self.view(task)) {
                Ok(true) => {}
                Ok(false) => {
                    return self.emit(Event::Skipped { step, reason: SkipReason::Condition });
                }
                Err(error) => return self.emit(failed_for_good(task, error.into())),
            }
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
            KindPlan::Child(child) => return self.start_child(task, child),
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

    fn open_items(&mut self, task: TaskRef, map: &MapPlan) -> Passed {
        let event = match map.over.eval(&self.view(task)) {
            Ok(Value::Array(items)) => {
                Event::Opened { step: task.step, opening: Opening::Map(Arc::new(items)) }
            }
            Ok(other) => failed_for_good(task, not_a_list(&other)),
            Err(error) => failed_for_good(task, error.into()),
        };
        self.emit(event)
    }

    fn start_child(&mut self, task: TaskRef, child: &ChildPlan) -> Passed {
        let input = match child.with.eval(&self.view(task)) {
            Ok(input) => input,
            Err(error) => return self.emit(failed_for_good(task, error.into())),
        };
        let random = (u128::from((self.env.random)()) << 64) | u128::from((self.env.random)());
        let run = RunId::from_parts(self.env.now, random);
        self.emit(Event::ChildStarted { step: task.step, run })?;
        self.turn.commands.push(start_child(task.step, run, child, input));
        Ok(())
    }

    /// Asks once more for a child that was recorded; the same data give the same input.
    pub(super) fn ensure_child(&mut self, step: StepRef) {
        let state = self.state.step(step);
        let (Phase::Running, Inner::Child(run)) = (&state.main.phase, &state.inner) else { return };
        let KindPlan::Child(child) = &self.state.plan_of(self.plan, step).kind else { return };
        if let Ok(input) = child.with.eval(&self.view(TaskRef::main(step))) {
            self.turn.commands.push(start_child(step, *run, child, input));
        }
    }

    /// Starts as many of a map's items as may run now.
    pub(super) fn items(&mut self, step: StepRef) -> Passed {
        let KindPlan::Map(plan) = &self.state.plan_of(self.plan, step).kind else { return Ok(()) };
        let state = self.state.step(step);
        let Inner::Map(map) = &state.inner else { return Ok(()) };
        if state.main.phase != Phase::Running || map.halted {
            return Ok(());
        }
        #[cfg(feature = "testing")]
        if planted::is_planted(planted::Defect::Map) && self.state.epoch > 1 {
            return Ok(());
        }
        let room = plan.max_concurrency.saturating_sub(map.open) as usize;
        let upto = (map.scopes.len().saturating_add(room)).min(map.items.len());
        if upto <= map.scopes.len() {
            return Ok(());
        }
        let upto = u32::try_from(upto).unwrap_or(u32::MAX);
        self.emit(Event::ItemsStarted { step, upto })
    }
}

fn start_child(step: StepRef, run: RunId, child: &ChildPlan, input: Value) -> Command {
    let workflow = child.workflow.clone();
    Command::StartChild { step, run, workflow, version: child.version, input }
}

fn not_a_list(value: &Value) -> StepError {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    StepError::permanent("engine.map_over", format!("`over` has to give a list; it gave {kind}"))
        .hint("a string that is one `{{ }}` keeps the type of its value")
}
