//! What can be read off a state: paths, outputs, and the data that expressions see.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    event::{ScopeRef, StepRef, TaskRef},
    items::MapState,
    rollout::RolloutState,
    state::{Inner, Phase, RunState},
};
use crate::{
    expr::{Scope, StepView},
    graph::{KindPlan, Plan, WAVE, WAVE_ITEMS},
    model::{Repeat, RunStatus},
};

impl RunState {
    /// What the paths of the steps of `finally` begin with.
    pub const FINALLY: &str = "finally/";

    /// A step's address: `machines[3]/bios/push`.
    pub fn path(&self, plan: &Plan, step: StepRef) -> String {
        let state = self.step(step);
        let mut path = self.scope_path(plan, state.scope);
        path.push_str(&self.plan_of(plan, step).id);
        path
    }

    /// The address of a step, or of an obligation that it left.
    pub fn task_path(&self, plan: &Plan, task: TaskRef) -> String {
        let mut path = self.path(plan, task.step);
        if let Some(name) = task.role.name() {
            path.push('/');
            path.push_str(name);
        }
        path
    }

    /// What the paths of a scope's steps begin with, the last slash included.
    pub fn scope_path(&self, plan: &Plan, scope: ScopeRef) -> String {
        let state = self.scope(scope);
        let Some(owner) = state.owner else {
            let finally = if self.in_finally(scope) { Self::FINALLY } else { "" };
            return finally.to_owned();
        };
        let mut path = self.path(plan, owner);
        if let Some(item) = state.item {
            path.extend(["[", &item.to_string(), "]"]);
        }
        if let Some(wave) = state.wave {
            path.extend(["/gate[", &wave.to_string(), "]"]);
        }
        path.push('/');
        if let Some(label) = &plan.scope(state.plan).label {
            path.push_str(label);
            path.push('/');
        }
        path
    }

    /// A scope's output: the declared one, else that of its last step that was not skipped.
    pub(super) fn scope_output(&self, plan: &Plan, scope: ScopeRef) -> Arc<Value> {
        let state = self.scope(scope);
        if let Some(output) = &state.output {
            return Arc::clone(output);
        }
        let last = self
            .steps_of(plan, scope)
            .rev()
            .map(|step| &self.step(step).main)
            .find(|main| !matches!(main.phase, Phase::Skipped(_)));
        last.and_then(|main| main.output.clone()).unwrap_or_default()
    }

    /// A container's output, once its scopes have closed.
    pub(super) fn container_output(
        &self,
        plan: &Plan,
        step: StepRef,
        scopes: &[ScopeRef],
    ) -> Arc<Value> {
        match &self.plan_of(plan, step).kind {
            KindPlan::Map(_) | KindPlan::Rollout(_) => {
                let outputs = scopes.iter().map(|scope| self.output_if_completed(plan, *scope));
                Arc::new(outputs.collect())
            }
            KindPlan::Parallel(parallel) => {
                let outputs = parallel.branches.iter().zip(scopes).map(|(branch, scope)| {
                    let label = plan.scope(*branch).label.clone().unwrap_or_default();
                    (label, self.output_if_completed(plan, *scope))
                });
                Arc::new(Value::Object(outputs.collect()))
            }
            KindPlan::Group(_) | KindPlan::Decision(_) | KindPlan::Repeat(_) => {
                scopes.first().map(|scope| self.scope_output(plan, *scope)).unwrap_or_default()
            }
            KindPlan::Task(_)
            | KindPlan::Child(_)
            | KindPlan::Set(_)
            | KindPlan::Wait(_)
            | KindPlan::Signal(_)
            | KindPlan::Approval(_) => Arc::default(),
        }
    }

    fn output_if_completed(&self, plan: &Plan, scope: ScopeRef) -> Value {
        match self.scope_result(scope) {
            RunStatus::Completed => (*self.scope_output(plan, scope)).clone(),
            RunStatus::Failed
            | RunStatus::Cancelled
            | RunStatus::Pending
            | RunStatus::Running
            | RunStatus::Waiting
            | RunStatus::Paused
            | RunStatus::Attention => Value::Null,
        }
    }

    /// The items of a map with their status, as `steps.ID.items` shows them. A gate reads those of
    /// its roll-out before the end, as far as they have started.
    fn map_report(&self, plan: &Plan, map: &MapState, ended: bool) -> Arc<Value> {
        let make = || {
            let items = map.scopes.iter().map(|scope| {
                let error = self.scope(*scope).error.as_deref();
                json!({
                    "status": self.scope_result(*scope).as_str(),
                    "output": &*self.scope_output(plan, *scope),
                    "error": error,
                })
            });
            Arc::new(items.collect::<Value>())
        };
        if ended { Arc::clone(map.report.get_or_init(make)) } else { make() }
    }
}

/// The run's data as seen from one scope.
pub(super) struct View<'a> {
    pub(super) plan: &'a Plan,
    pub(super) state: &'a RunState,
    pub(super) scope: ScopeRef,
}

impl<'a> View<'a> {
    /// What a step sees, and its obligations.
    pub(super) fn of(plan: &'a Plan, state: &'a RunState, task: TaskRef) -> Self {
        Self { plan, state, scope: state.step(task.step).scope }
    }
}

impl View<'_> {
    /// The scope and those around it, the innermost first.
    fn chain(&self) -> impl Iterator<Item = ScopeRef> {
        std::iter::successors(Some(self.scope), |scope| {
            match self.state.scope(*scope).owner {
                Some(owner) => Some(self.state.step(owner).scope),
                // `finally` sees what the workflow's own list did.
                None => self.state.in_finally(*scope).then_some(RunState::ROOT),
            }
        })
    }

    fn binding(&self, name: &str) -> Option<Arc<Value>> {
        self.chain().find_map(|scope| {
            let scope = self.state.scope(scope);
            let owner = scope.owner?;
            if let (Inner::Repeat(_), Some(number)) = (&self.state.step(owner).inner, scope.item) {
                return (name == Repeat::BINDING).then(|| Arc::new(Value::from(number)));
            }
            let Inner::Map(state) = &self.state.step(owner).inner else { return None };
            if let (Some(wave), Some(rollout)) = (scope.wave, &state.rollout) {
                return gate_binding(name, wave, rollout, &state.items);
            }
            let (map, item) = (self.state.plan_of(self.plan, owner).kind.items()?, scope.item?);
            if map.binding == name {
                return state.items.get(item as usize).map(|value| Arc::new(value.clone()));
            }
            (map.index_binding == name).then(|| Arc::new(Value::from(item)))
        })
    }
}

impl Scope for View<'_> {
    fn root(&self, name: &str) -> Option<Arc<Value>> {
        let created = &self.state.created;
        match name {
            "input" => Some(Arc::clone(&created.input)),
            "run" => {
                let mut run = json!({
                    "id": created.run,
                    "workflow": created.workflow,
                    "version": created.version,
                    "labels": created.labels,
                });
                if let Some(ending) = self.state.ending {
                    run["status"] = json!(ending.status);
                    run["errors"] = json!(self.state.errors);
                }
                Some(Arc::new(run))
            }
            _ => self.binding(name),
        }
    }

    fn step(&self, id: &str) -> Option<StepView> {
        let found = self.chain().find_map(|scope| {
            let state = self.state.scope(scope);
            let place = self.plan.scope(state.plan).by_id.get(id)?;
            Some(self.state.step_at(scope, *place))
        })?;
        let step = self.state.step(found);
        let items = match &step.inner {
            Inner::Map(map) if step.main.phase.is_final() || map.rollout.is_some() => {
                Some(self.state.map_report(self.plan, map, step.main.phase.is_final()))
            }
            Inner::Map(_)
            | Inner::None
            | Inner::Child(_)
            | Inner::Scopes { .. }
            | Inner::Repeat(_)
            | Inner::Wait(_)
            | Inner::Signal
            | Inner::Approval(_) => None,
        };
        let error = step.main.error.as_ref();
        Some(StepView {
            status: step.main.phase.as_str(),
            output: step.main.output.clone().unwrap_or_default(),
            error: error.and_then(|error| serde_json::to_value(&**error).ok()).map(Arc::new),
            items,
        })
    }
}

/// What the steps of a gate see beside the others: the number of the wave, from 1, and its items.
fn gate_binding(
    name: &str,
    wave: u32,
    rollout: &RolloutState,
    items: &[Value],
) -> Option<Arc<Value>> {
    match name {
        WAVE => Some(Arc::new(Value::from(wave + 1))),
        WAVE_ITEMS => {
            let end = rollout.ends.get(wave as usize).copied()?;
            let wave = items.get(rollout.wave_start(wave) as usize..end as usize)?;
            Some(Arc::new(Value::from(wave.to_vec())))
        }
        _ => None,
    }
}
