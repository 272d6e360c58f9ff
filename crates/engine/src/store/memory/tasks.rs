//! Calls for pools in memory.

use std::time::Duration;

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    model::{RunId, Timestamp},
    store::{
        NewTask, Outgoing, StoreError, TaskLease, TaskRecord, TaskStore,
        task::{TaskBatch, message_key},
    },
};

/// The queue, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    live: Vec<Task>,
    last: i64,
}

#[derive(Debug)]
struct Task {
    record: TaskRecord,
    grip: i64,
    new: NewTask,
}

impl Task {
    fn holds(&self, lease: &TaskLease, now: Timestamp) -> bool {
        self.record.id == lease.id
            && self.grip == lease.grip
            && self.record.lease_until.is_some_and(|until| until > now)
    }

    fn is(&self, run: RunId, task: &str) -> bool {
        self.record.run == run && self.record.task == task
    }
}

impl Tasks {
    /// Carries out the changes of an append. Returns what runs are told.
    pub(super) fn change(&mut self, batch: &TaskBatch<'_>, now: Timestamp) -> Vec<Outgoing> {
        self.live.retain(|it| !batch.cleared.contains(&it.record.run));
        for (run, new) in &batch.put {
            let grip = self.live.iter().find(|it| it.is(*run, &new.task)).map(|it| it.grip);
            self.live.retain(|it| !it.is(*run, &new.task));
            self.last += 1;
            let record = TaskRecord {
                id: self.last,
                run: *run,
                task: new.task.clone(),
                pool: new.pool.clone(),
                worker: None,
                lease_until: None,
                stop: false,
                put_at: now,
            };
            let grip = grip.map_or(0, |grip| grip + 1);
            self.live.push(Task { record, grip, new: (*new).clone() });
        }
        let mut told = Vec::new();
        for (run, task, recall) in &batch.stopped {
            let Some(place) = self.live.iter().position(|it| it.is(*run, task)) else { continue };
            if self.live[place].record.lease_until.is_some() {
                self.live[place].record.stop |= !recall;
            } else {
                let Task { record, new, .. } = self.live.remove(place);
                let dedup = message_key(record.id, "taken back");
                let body = if *recall { new.lost } else { new.refused };
                told.push(Outgoing { to: *run, dedup, body });
            }
        }
        told
    }

    fn reap(&mut self, now: Timestamp) -> Vec<Outgoing> {
        let over = |it: &mut Task| it.record.lease_until.is_some_and(|until| until <= now);
        let gone = self.live.extract_if(.., over);
        gone.map(|Task { record, new, .. }| Outgoing {
            to: record.run,
            dedup: message_key(record.id, "lost"),
            body: new.lost,
        })
        .collect()
    }
}

#[async_trait]
impl TaskStore for MemoryStore {
    async fn lease_tasks(
        &self,
        pools: &[String],
        worker: &str,
        limit: u32,
        ttl: Duration,
    ) -> Result<Vec<TaskLease>, StoreError> {
        let until = self.clock.now().after(ttl);
        let mut state = self.state().await;
        let free = state
            .tasks
            .live
            .iter_mut()
            .filter(|it| it.record.lease_until.is_none() && pools.contains(&it.record.pool));
        let take = |it: &mut Task| {
            it.grip += 1;
            it.record.worker = Some(worker.to_owned());
            it.record.lease_until = Some(until);
            let call = it.new.call.clone();
            TaskLease { id: it.record.id, grip: it.grip, run: it.record.run, call }
        };
        Ok(free.take(limit as usize).map(take).collect())
    }

    async fn beat_task(
        &self,
        lease: &TaskLease,
        ttl: Duration,
        messages: &[Outgoing],
    ) -> Result<Option<bool>, StoreError> {
        messages.iter().try_for_each(Outgoing::check)?;
        let now = self.clock.now();
        let mut state = self.state().await;
        let Some(task) = state.tasks.live.iter_mut().find(|it| it.holds(lease, now)) else {
            return Ok(None);
        };
        task.record.lease_until = Some(now.after(ttl));
        let stop = task.record.stop;
        state.send(messages);
        Ok(Some(stop))
    }

    async fn finish_task(
        &self,
        lease: &TaskLease,
        messages: &[Outgoing],
    ) -> Result<bool, StoreError> {
        messages.iter().try_for_each(Outgoing::check)?;
        let now = self.clock.now();
        let mut state = self.state().await;
        let place = state.tasks.live.iter().position(|it| it.holds(lease, now));
        if let Some(place) = place {
            state.tasks.live.remove(place);
            state.send(messages);
        }
        Ok(place.is_some())
    }

    async fn reap_tasks(&self) -> Result<Vec<RunId>, StoreError> {
        let now = self.clock.now();
        let mut state = self.state().await;
        let told = state.tasks.reap(now);
        state.send(&told);
        Ok(told.iter().map(|message| message.to).collect())
    }

    async fn tasks(&self, run: Option<RunId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        let state = self.state().await;
        let live = state.tasks.live.iter().map(|it| &it.record);
        let wanted = live.filter(|it| run.is_none_or(|run| run == it.run));
        Ok(wanted.take(limit as usize).cloned().collect())
    }
}
