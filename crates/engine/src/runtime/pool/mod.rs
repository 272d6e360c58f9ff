//! Steps that are left to the workers of a pool: what goes into the queue with an append, and the
//! workers that take it out.

mod host;
mod lease;
mod task;
mod worker;

use super::{active::ActiveRun, attempt::Purpose};
use crate::{
    machine::{Command, TaskRef},
    store::TaskChange,
};

pub(crate) use task::name as task_name;
pub use worker::{Worker, WorkerBuilder};

impl ActiveRun {
    /// What an append changes about the calls that are left to pools.
    pub(super) fn task_changes(&self, commands: &[Command]) -> Vec<TaskChange> {
        let plan = &self.deployed.plan;
        if !plan.has_pools() {
            return Vec::new();
        }
        let mut changes = Vec::new();
        for command in commands {
            match command {
                Command::Run(call) => changes.extend(task::put(call, Purpose::Run)),
                Command::Observe(call) => changes.extend(task::put(call, Purpose::Observe)),
                Command::Revoke(call, held) => {
                    changes.extend(task::put(call, Purpose::Revoke(held.clone())));
                }
                Command::Stop { task } if self.state.is_pooled(plan, *task) => {
                    changes.push(TaskChange::Stop { task: task::name(*task) });
                }
                Command::Recall => {
                    let recall = |task: &TaskRef| TaskChange::Recall { task: task::name(*task) };
                    changes.extend(self.state.pooled_attempts(plan).iter().map(recall));
                }
                Command::Ended { .. } => changes.push(TaskChange::Clear),
                Command::Stop { .. }
                | Command::StartChild { .. }
                | Command::LookForChild { .. }
                | Command::StopChild { .. }
                | Command::TellChild { .. } => {}
            }
        }
        changes
    }
}
