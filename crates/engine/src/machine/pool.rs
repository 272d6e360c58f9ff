//! Calls that are left to the workers of a pool.
//!
//! They outlive the owner of their run: a new owner does not take them up, it waits for what the
//! worker says, or for the word that the worker was lost.

use super::{
    decide::task_plan,
    event::{StepRef, TaskRef},
    state::{Phase, RunState},
};
use crate::graph::{KindPlan, Plan};

impl RunState {
    /// Whether the calls of a task are made by workers of a pool.
    pub fn is_pooled(&self, plan: &Plan, task: TaskRef) -> bool {
        task_plan(plan, self, task).is_some_and(|called| called.pool.is_some())
    }

    /// The attempts that are left to a pool and have not ended.
    pub fn pooled_attempts(&self, plan: &Plan) -> Vec<TaskRef> {
        let steps = (0..).map(StepRef).take(self.steps.len());
        let runs = |task: &TaskRef| {
            let running = self.execution(*task).is_some_and(|it| it.phase == Phase::Running);
            running && self.is_pooled(plan, *task)
        };
        steps.flat_map(TaskRef::all_of).filter(runs).collect()
    }
}

impl Plan {
    /// Whether any call of its runs is left to a pool.
    pub fn has_pools(&self) -> bool {
        self.steps.iter().any(|step| match &step.kind {
            KindPlan::Task(task) => task.pool.is_some(),
            KindPlan::Child(_)
            | KindPlan::Parallel(_)
            | KindPlan::Map(_)
            | KindPlan::Rollout(_)
            | KindPlan::Decision(_)
            | KindPlan::Set(_)
            | KindPlan::Repeat(_)
            | KindPlan::Wait(_)
            | KindPlan::Signal(_)
            | KindPlan::Approval(_)
            | KindPlan::Group(_) => false,
        })
    }
}
