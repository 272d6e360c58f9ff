//! Calls for pools of a wrapped store.

use std::time::Duration;

use async_trait::async_trait;

use super::{Around, Stored, Wrapped};
use crate::{
    model::RunId,
    store::{Outgoing, TaskLease, TaskRecord, TaskStore},
};

#[async_trait]
impl<A: Around> TaskStore for Wrapped<A> {
    async fn lease_tasks(
        &self,
        pools: &[String],
        worker: &str,
        limit: u32,
        ttl: Duration,
    ) -> Stored<Vec<TaskLease>> {
        let lease = self.inner.pools().lease_tasks(pools, worker, limit, ttl);
        self.call("lease_tasks", lease).await
    }

    async fn beat_task(
        &self,
        lease: &TaskLease,
        ttl: Duration,
        messages: &[Outgoing],
    ) -> Stored<Option<bool>> {
        self.call("beat_task", self.inner.pools().beat_task(lease, ttl, messages)).await
    }

    async fn finish_task(&self, lease: &TaskLease, messages: &[Outgoing]) -> Stored<bool> {
        self.call("finish_task", self.inner.pools().finish_task(lease, messages)).await
    }

    async fn reap_tasks(&self) -> Stored<Vec<RunId>> {
        self.call("reap_tasks", self.inner.pools().reap_tasks()).await
    }

    async fn tasks(&self, run: Option<RunId>, limit: u32) -> Stored<Vec<TaskRecord>> {
        self.call("tasks", self.inner.pools().tasks(run, limit)).await
    }
}
