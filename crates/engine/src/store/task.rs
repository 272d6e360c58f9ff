//! Calls that are not made by the node that owns a run but by a worker of a pool.
//!
//! A call is put into the queue with the append that records its start, and taken out with the
//! message that tells how it ended: so neither is there without the other. Whoever has a call holds
//! a lease on it. When that runs out the call is gone, and its run is told that its worker was lost;
//! what the worker says later is refused.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;

use super::{Append, Outgoing, StoreError, append::check_key};
use crate::model::{RunId, Timestamp};

/// What a turn changes about the calls of its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskChange {
    /// A call is to be made; it replaces another one of the same task.
    Put(Box<NewTask>),
    /// A call is to stop. One that nobody has is taken out, and the run is told
    /// [`NewTask::refused`]; a worker that has it learns of it with its next beat.
    Stop {
        /// Of which task.
        task: String,
    },
    /// A call that nobody has is taken out, and the run is told [`NewTask::lost`]; one that a
    /// worker has goes on.
    Recall {
        /// Of which task.
        task: String,
    },
    /// All calls of the run are taken out.
    Clear,
}

/// A call for the workers of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Names it in its run.
    pub task: String,
    /// Who makes it.
    pub pool: String,
    /// The call; opaque to the store.
    pub call: Bytes,
    /// What the run is sent if its worker is lost.
    pub lost: Bytes,
    /// What the run is sent if it is told to stop before a worker has taken it.
    pub refused: Bytes,
}

/// A call that a worker has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskLease {
    /// Its place in the queue.
    pub id: i64,
    /// How often it was taken: another taker has another number.
    pub grip: i64,
    /// Its run.
    pub run: RunId,
    /// The call.
    pub call: Bytes,
}

/// A call in the queue, or that a worker has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskRecord {
    /// Its place in the queue.
    pub id: i64,
    /// Its run.
    pub run: RunId,
    /// Its name in its run.
    pub task: String,
    /// Who makes it.
    pub pool: String,
    /// The worker that has it; none: nobody yet.
    pub worker: Option<String>,
    /// When the worker's lease runs out.
    pub lease_until: Option<Timestamp>,
    /// Whether the worker is to stop.
    pub stop: bool,
    /// When it was put there.
    pub put_at: Timestamp,
}

/// The part of a store that is about pools.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Gives up to `limit` calls of these pools to a worker, the oldest first, each for `ttl`. No
    /// two workers get the same.
    async fn lease_tasks(
        &self,
        pools: &[String],
        worker: &str,
        limit: u32,
        ttl: Duration,
    ) -> Result<Vec<TaskLease>, StoreError>;

    /// A worker lives: its lease holds for `ttl` from now, and `messages` are sent to its run, all
    /// or nothing. Whether it is to stop; `None`: the lease is lost, and nothing was sent.
    async fn beat_task(
        &self,
        lease: &TaskLease,
        ttl: Duration,
        messages: &[Outgoing],
    ) -> Result<Option<bool>, StoreError>;

    /// A call has ended: it is taken out and `messages` are sent to its run, all or nothing. False:
    /// the lease is lost, and nothing was sent.
    async fn finish_task(
        &self,
        lease: &TaskLease,
        messages: &[Outgoing],
    ) -> Result<bool, StoreError>;

    /// Takes out the calls whose lease has run out, and tells their runs. Returns these.
    async fn reap_tasks(&self) -> Result<Vec<RunId>, StoreError>;

    /// The calls of a run, or of all, the oldest first.
    async fn tasks(&self, run: Option<RunId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError>;
}

impl TaskChange {
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Put(task) => {
                check_key("pool", &task.pool)?;
                check_key("task", &task.task)
            }
            Self::Stop { task } | Self::Recall { task } => check_key("task", task),
            Self::Clear => Ok(()),
        }
    }
}

/// The changes of some appends, sorted by run and task. Of a task that changes twice, the last
/// change counts; a stop of what is put counts all the same.
#[derive(Debug, Default)]
pub(super) struct TaskBatch<'a> {
    pub(super) cleared: Vec<RunId>,
    pub(super) put: Vec<(RunId, &'a NewTask)>,
    /// Each with whether it is only taken back.
    pub(super) stopped: Vec<(RunId, &'a str, bool)>,
}

impl<'a> TaskBatch<'a> {
    pub(super) fn of(appends: impl IntoIterator<Item = &'a Append>) -> Self {
        let mut batch = Self::default();
        for append in appends {
            let run = append.run;
            for change in &append.tasks {
                match change {
                    TaskChange::Clear => {
                        batch.put.retain(|(of, _)| *of != run);
                        batch.stopped.retain(|(of, ..)| *of != run);
                        batch.cleared.push(run);
                    }
                    TaskChange::Put(new) => {
                        batch.put.retain(|(of, it)| (*of, &it.task) != (run, &new.task));
                        batch.stopped.retain(|(of, it, _)| (*of, *it) != (run, new.task.as_str()));
                        batch.put.push((run, new));
                    }
                    TaskChange::Stop { task } => batch.stopped.push((run, task, false)),
                    TaskChange::Recall { task } => batch.stopped.push((run, task, true)),
                }
            }
        }
        batch.put.sort_by_key(|(run, new)| (*run, &new.task));
        batch.stopped.sort_unstable();
        batch
    }

    pub(super) fn has_any<'b>(mut appends: impl Iterator<Item = &'b Append>) -> bool {
        appends.any(|append| !append.tasks.is_empty())
    }
}

/// Why a call was taken out; part of the key of the message that tells it.
pub(super) fn message_key(id: i64, what: &str) -> String {
    format!("task {id} {what}")
}
