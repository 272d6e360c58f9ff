//! The end of containers: what the ends of their scopes make of them.

use std::sync::Arc;

use super::{
    event::{ScopeRef, StepRef, TaskRef},
    state::{Inner, Phase, RunState},
};
use crate::{
    graph::{KindPlan, Plan},
    model::{RunStatus, StepError},
};

impl RunState {
    /// A scope of a container has closed. Of a `parallel` that does not wait for all its branches
    /// the others are stopped, once enough have completed or can't any more. Whether the container
    /// has ended.
    pub(super) fn branch_closed(&mut self, plan: &Plan, owner: StepRef) -> bool {
        let enough = self.enough(plan, owner);
        let Inner::Scopes { scopes, open } = &mut self.step_mut(owner).inner else { return false };
        *open -= 1;
        if *open == 0 {
            return true;
        }
        let (Some(enough), open) = (enough, *open) else { return false };
        let scopes = scopes.clone();
        let completed = self.completed_of(&scopes);
        if completed < enough && completed + open >= enough {
            return false;
        }
        for scope in scopes {
            // Told once: what is on its way out is not told again.
            if !self.scope(scope).stopped {
                self.stop_scope(plan, scope);
            }
        }
        false
    }

    /// How many branches are enough, for a `parallel` that does not wait for all.
    fn enough(&self, plan: &Plan, step: StepRef) -> Option<u32> {
        match &self.plan_of(plan, step).kind {
            KindPlan::Parallel(parallel) => parallel.enough,
            KindPlan::Task(_)
            | KindPlan::Child(_)
            | KindPlan::Map(_)
            | KindPlan::Rollout(_)
            | KindPlan::Decision(_)
            | KindPlan::Set(_)
            | KindPlan::Repeat(_)
            | KindPlan::Wait(_)
            | KindPlan::Signal(_)
            | KindPlan::Approval(_)
            | KindPlan::Group(_) => None,
        }
    }

    fn completed_of(&self, scopes: &[ScopeRef]) -> u32 {
        let completed = scopes.iter().filter(|scope| {
            self.scope(**scope).closed && self.scope_result(**scope) == RunStatus::Completed
        });
        u32::try_from(completed.count()).unwrap_or(u32::MAX)
    }

    /// All scopes of a container have closed: it is final.
    pub(super) fn close_container(&mut self, plan: &Plan, step: StepRef) {
        let scopes: Vec<ScopeRef> = match &self.step(step).inner {
            Inner::None | Inner::Child(_) | Inner::Wait(_) | Inner::Signal | Inner::Approval(_) => {
                Vec::new()
            }
            Inner::Repeat(repeat) => vec![repeat.scope],
            Inner::Scopes { scopes, .. } => scopes.clone(),
            Inner::Map(map) => map.scopes.clone(),
        };
        let phase = self.container_phase(plan, step, &scopes);
        let output = self.container_output(plan, step, &scopes);
        let error = (phase == Phase::Failed).then(|| self.container_error(step, &scopes));
        // Why nothing more happens to the others stands with the errors of those that failed.
        if let (Inner::Map(map), Some(Some(error))) = (&self.step(step).inner, &error)
            && map.rollout.is_some()
        {
            self.record(plan, TaskRef::main(step), error);
        }
        let timed_out = self.step(step).main.timed_out && phase != Phase::Completed;
        let main = &mut self.step_mut(step).main;
        main.output = Some(output);
        main.error = error.flatten();
        self.set_phase(TaskRef::main(step), phase);
        if timed_out {
            self.fail_for_time(plan, step);
        }
        self.settle(plan, step, true, None);
    }

    fn container_phase(&self, plan: &Plan, step: StepRef, scopes: &[ScopeRef]) -> Phase {
        if self.enough(plan, step).is_some_and(|enough| self.completed_of(scopes) >= enough) {
            return Phase::Completed;
        }
        if let Inner::Map(map) = &self.step(step).inner {
            return self.items_phase(step, map);
        }
        let has = |result| scopes.iter().any(|scope| self.scope_result(*scope) == result);
        if has(RunStatus::Failed) {
            Phase::Failed
        } else if has(RunStatus::Cancelled) {
            Phase::Cancelled
        } else {
            Phase::Completed
        }
    }

    fn container_error(&self, step: StepRef, scopes: &[ScopeRef]) -> Option<Arc<StepError>> {
        if let Inner::Map(map) = &self.step(step).inner {
            let halted = map.halt_error();
            let failed = || StepError::permanent("engine.items_failed", map.failures());
            return Some(Arc::new(halted.unwrap_or_else(failed)));
        }
        scopes.iter().find_map(|scope| self.scope(*scope).error.clone())
    }
}
