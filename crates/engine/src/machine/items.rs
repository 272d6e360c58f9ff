//! Containers that go through a list: how items start, and what their ends mean.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::{
    decide::{Pass, failed_for_good},
    event::{Event, Opening, ScopeRef, StepRef, TaskRef},
    open::count,
    rollout::{RolloutState, Stage},
    state::{IllegalEvent, Inner, Phase, RunState, Todo},
};
#[cfg(feature = "testing")]
use crate::model::planted;
use crate::{
    graph::{KindPlan, MapPlan, Plan},
    model::{OnError, RunStatus, StepError, Timestamp},
};

/// A map or roll-out under way.
#[derive(Clone, Debug)]
pub struct MapState {
    /// The items.
    pub items: Arc<Vec<Value>>,
    /// The scopes of the items that have started, in the items' order.
    pub scopes: Vec<ScopeRef>,
    /// How many of them have not closed.
    pub open: u32,
    /// How many of them failed; one that was cancelled by itself did too.
    pub failed: u32,
    /// How many may fail, if that was said.
    pub budget: Option<u32>,
    /// No further item starts.
    pub halted: bool,
    /// What a roll-out keeps beside.
    pub rollout: Option<Box<RolloutState>>,
    /// Items as expressions see them, made when first asked for after the end.
    pub(super) report: OnceLock<Arc<Value>>,
}

impl MapState {
    pub(super) fn new(items: &Arc<Vec<Value>>, budget: Option<u32>) -> Self {
        Self {
            items: Arc::clone(items),
            scopes: Vec::new(),
            open: 0,
            failed: 0,
            budget,
            halted: false,
            rollout: None,
            report: OnceLock::new(),
        }
    }

    /// Whether more items failed than may.
    pub(super) fn is_over_budget(&self) -> bool {
        self.budget.is_some_and(|budget| self.failed > budget)
    }

    /// Whether not all its items have started.
    pub(super) fn is_cut(&self) -> bool {
        self.scopes.len() < self.items.len()
    }

    /// How many items failed, and how many may.
    pub(super) fn failures(&self) -> String {
        let told = format!("{} of {} items failed", self.failed, self.items.len());
        match self.budget {
            Some(budget) if self.failed > budget => format!("{told}, at most {budget} may"),
            Some(_) | None => told,
        }
    }
}

type Applied = Result<(), IllegalEvent>;

impl RunState {
    pub(super) fn open_map(
        &mut self,
        plan: &Plan,
        step: StepRef,
        map: &MapPlan,
        items: &Arc<Vec<Value>>,
        at: Timestamp,
    ) {
        let budget = map.max_failures.map(|most| most.of(count(items.len())));
        let state = MapState::new(items, budget);
        self.begin_items(plan, step, state, at);
    }

    pub(super) fn begin_items(
        &mut self,
        plan: &Plan,
        step: StepRef,
        state: MapState,
        at: Timestamp,
    ) {
        let empty = state.items.is_empty();
        self.step_mut(step).inner = Inner::Map(Box::new(state));
        self.activate(plan, step, at);
        if empty {
            self.close_container(plan, step);
        } else {
            self.todo.push_back(Todo::Items(step));
        }
    }

    pub(super) fn items_started(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
        upto: u32,
    ) -> Applied {
        let illegal = || self.illegal(event, TaskRef::main(step));
        let (Some(map), Inner::Map(state)) =
            (self.plan_of(plan, step).kind.items(), &self.step(step).inner)
        else {
            return Err(illegal());
        };
        let from = count(state.scopes.len());
        let most = state.rollout.as_ref().map_or(count(state.items.len()), |it| it.wave_end());
        if upto <= from || upto > most || self.step(step).main.phase != Phase::Running {
            return Err(illegal());
        }
        for item in from..upto {
            let scope = self.open_scope(plan, map.body, Some(step), Some(item));
            if let Inner::Map(state) = &mut self.step_mut(step).inner {
                state.scopes.push(scope);
                state.open += 1;
            }
        }
        Ok(())
    }

    /// The scope of an item has closed. Whether the container has ended.
    pub(super) fn item_closed(&mut self, plan: &Plan, owner: StepRef, scope: ScopeRef) -> bool {
        let result = self.scope_result(scope);
        let told = self.scope(scope).stopped;
        let on_error = self.plan_of(plan, owner).kind.items().map(|map| map.on_error);
        let Inner::Map(map) = &mut self.step_mut(owner).inner else { return false };
        map.open -= 1;
        // What was stopped from outside has not failed.
        let lost = result == RunStatus::Failed || (result == RunStatus::Cancelled && !told);
        map.failed += u32::from(lost);
        map.halted |= match map.budget {
            Some(_) => map.is_over_budget(),
            None => {
                result == RunStatus::Cancelled
                    || (result == RunStatus::Failed && on_error == Some(OnError::Fail))
            }
        };
        if map.rollout.is_some() {
            return map.check_halt() && map.open == 0 && self.halted_idle(plan, owner);
        }
        map.open == 0 && (map.halted || !map.is_cut())
    }

    /// Nothing more of it starts; what runs is told to stop.
    pub(super) fn stop_items(&mut self, plan: &Plan, step: StepRef) {
        let Inner::Map(map) = &mut self.step_mut(step).inner else { return };
        map.halted = true;
        let gate = map.rollout.as_ref().and_then(|rollout| rollout.open_gate());
        let undoing = map.rollout.as_ref().is_some_and(|it| it.stage == Stage::Undoing);
        // What is being taken back is owed all the same.
        let idle = map.open == 0 && gate.is_none() && !undoing;
        let scopes = map.scopes.clone();
        self.stop_soaking(step);
        for scope in scopes.into_iter().chain(gate) {
            self.stop_scope(plan, scope);
        }
        // Nothing runs whose end could end it.
        if idle {
            self.close_container(plan, step);
        }
    }

    /// How a container that goes through a list ends, once nothing of it runs.
    pub(super) fn items_phase(&self, step: StepRef, map: &MapState) -> Phase {
        let has = |result| map.scopes.iter().any(|scope| self.scope_result(*scope) == result);
        if let Some(rollout) = &map.rollout {
            return rollout.phase();
        }
        let failed = match map.budget {
            Some(_) => map.is_over_budget(),
            None => has(RunStatus::Failed),
        };
        let stopped = map.budget.is_none() || self.is_stopped(TaskRef::main(step));
        if failed {
            Phase::Failed
        } else if map.is_cut() || (stopped && has(RunStatus::Cancelled)) {
            Phase::Cancelled
        } else {
            Phase::Completed
        }
    }
}

impl Pass<'_, '_> {
    pub(super) fn open_items(&mut self, task: TaskRef, map: &MapPlan) -> Applied {
        let event = match self.over(task, map) {
            Ok(items) => Event::Opened { step: task.step, opening: Opening::Map(items) },
            Err(error) => failed_for_good(task, error),
        };
        self.emit(event)
    }

    /// The items of a container that goes through a list.
    pub(super) fn over(&self, task: TaskRef, map: &MapPlan) -> Result<Arc<Vec<Value>>, StepError> {
        match map.over.eval(&self.view(task)) {
            Ok(Value::Array(items)) => Ok(Arc::new(items)),
            Ok(other) => Err(not_a_list(&other)),
            Err(error) => Err(error.into()),
        }
    }

    /// Starts as many of the items as may run now, or the next iteration of a repeat.
    pub(super) fn items(&mut self, step: StepRef) -> Applied {
        if let KindPlan::Repeat(repeat) = &self.state.plan_of(self.plan, step).kind {
            return self.iterate(step, repeat);
        }
        let state = self.state.step(step);
        let Inner::Map(map) = &state.inner else { return Ok(()) };
        if state.main.phase != Phase::Running {
            return Ok(());
        }
        if map.halted {
            return self.take_back(step);
        }
        let room = match &self.state.plan_of(self.plan, step).kind {
            KindPlan::Rollout(rollout) => return self.roll(step, rollout),
            #[cfg(feature = "testing")]
            KindPlan::Map(_)
                if planted::is_planted(planted::Defect::Map) && self.state.epoch > 1 =>
            {
                return Ok(());
            }
            KindPlan::Map(plan) => plan.max_concurrency.saturating_sub(map.open) as usize,
            KindPlan::Task(_)
            | KindPlan::Child(_)
            | KindPlan::Parallel(_)
            | KindPlan::Decision(_)
            | KindPlan::Set(_)
            | KindPlan::Repeat(_)
            | KindPlan::Wait(_)
            | KindPlan::Signal(_)
            | KindPlan::Approval(_)
            | KindPlan::Group(_) => return Ok(()),
        };
        let upto = count((map.scopes.len().saturating_add(room)).min(map.items.len()));
        self.start_items(step, upto)
    }

    /// Starts the items below this number that have not started.
    pub(super) fn start_items(&mut self, step: StepRef, upto: u32) -> Applied {
        let started = match &self.state.step(step).inner {
            Inner::Map(map) => count(map.scopes.len()),
            Inner::None
            | Inner::Child(_)
            | Inner::Scopes { .. }
            | Inner::Repeat(_)
            | Inner::Wait(_)
            | Inner::Signal
            | Inner::Approval(_) => return Ok(()),
        };
        if upto <= started {
            return Ok(());
        }
        self.emit(Event::ItemsStarted { step, upto })
    }
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
