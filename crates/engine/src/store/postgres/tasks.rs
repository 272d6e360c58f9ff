//! Calls for pools in PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Executor, PgConnection, Row, postgres::PgRow, query};
use uuid::Uuid;

use super::{PostgresStore, connect::within, rows};
use crate::{
    model::RunId,
    store::{
        Append, Outgoing, StoreError, TaskLease, TaskRecord, TaskStore,
        sql::{failed, micros},
        task::TaskBatch,
    },
};

const DOING: &str = "changing calls for pools";

/// Carries out the changes of those appends of a batch that went in. Returns the runs that have
/// mail of it.
pub(super) async fn change(
    connection: &mut PgConnection,
    appends: impl Iterator<Item = &Append>,
) -> Result<Vec<RunId>, StoreError> {
    let batch = TaskBatch::of(appends);
    if !batch.cleared.is_empty() {
        let runs: Vec<_> = batch.cleared.iter().map(|run| run.0).collect();
        let clear = query("DELETE FROM tasks WHERE run_id = ANY($1)").bind(runs);
        within(DOING, connection.execute(clear)).await?;
    }
    if !batch.put.is_empty() {
        let new = || batch.put.iter().map(|(_, new)| new);
        let put = query(include_str!("sql/task_put.sql"))
            .bind(batch.put.iter().map(|(run, _)| run.0).collect::<Vec<_>>())
            .bind(new().map(|it| it.task.clone()).collect::<Vec<_>>())
            .bind(new().map(|it| it.pool.clone()).collect::<Vec<_>>())
            .bind(new().map(|it| it.call.to_vec()).collect::<Vec<_>>())
            .bind(new().map(|it| it.lost.to_vec()).collect::<Vec<_>>())
            .bind(new().map(|it| it.refused.to_vec()).collect::<Vec<_>>());
        within(DOING, connection.execute(put)).await?;
    }
    if batch.stopped.is_empty() {
        return Ok(Vec::new());
    }
    let runs: Vec<_> = batch.stopped.iter().map(|(run, ..)| run.0).collect();
    let tasks: Vec<_> = batch.stopped.iter().map(|(_, task, _)| (*task).to_owned()).collect();
    let recalls: Vec<_> = batch.stopped.iter().map(|(.., recall)| *recall).collect();
    let stop = query(include_str!("sql/task_stop.sql")).bind(runs).bind(tasks).bind(recalls);
    let told = within(DOING, connection.fetch_all(stop)).await?;
    told.iter().map(run_of).collect()
}

fn run_of(row: &PgRow) -> Result<RunId, StoreError> {
    row.try_get::<Uuid, _>("run_id").map(RunId).map_err(failed(DOING))
}

fn keys(messages: &[Outgoing]) -> Vec<&str> {
    messages.iter().map(|message| message.dedup.as_str()).collect()
}

fn bodies(messages: &[Outgoing]) -> Vec<&[u8]> {
    messages.iter().map(|message| &message.body[..]).collect()
}

#[async_trait]
impl TaskStore for PostgresStore {
    async fn lease_tasks(
        &self,
        pools: &[String],
        worker: &str,
        limit: u32,
        ttl: Duration,
    ) -> Result<Vec<TaskLease>, StoreError> {
        let lease = query(include_str!("sql/task_lease.sql"))
            .bind(pools)
            .bind(worker)
            .bind(i64::from(limit))
            .bind(micros(ttl));
        // Tried once: what a lost answer took counts as lost with its worker.
        let rows = within("taking calls", lease.fetch_all(&self.pool)).await?;
        let mut leases = rows.iter().map(rows::task_lease).collect::<Result<Vec<_>, _>>()?;
        leases.sort_by_key(|lease| lease.id);
        Ok(leases)
    }

    async fn beat_task(
        &self,
        lease: &TaskLease,
        ttl: Duration,
        messages: &[Outgoing],
    ) -> Result<Option<bool>, StoreError> {
        messages.iter().try_for_each(Outgoing::check)?;
        let beat = || {
            query(include_str!("sql/task_beat.sql"))
                .bind(lease.id)
                .bind(lease.grip)
                .bind(micros(ttl))
                .bind(keys(messages))
                .bind(bodies(messages))
        };
        let row = self.one("extending the lease on a call", beat).await?;
        row.map(|row| row.try_get(0).map_err(failed(DOING))).transpose()
    }

    async fn finish_task(
        &self,
        lease: &TaskLease,
        messages: &[Outgoing],
    ) -> Result<bool, StoreError> {
        messages.iter().try_for_each(Outgoing::check)?;
        let finish = || {
            query(include_str!("sql/task_finish.sql"))
                .bind(lease.id)
                .bind(lease.grip)
                .bind(keys(messages))
                .bind(bodies(messages))
        };
        Ok(self.one("ending a call", finish).await?.is_some())
    }

    async fn reap_tasks(&self) -> Result<Vec<RunId>, StoreError> {
        let rows =
            self.all("looking for lost workers", || query(include_str!("sql/task_reap.sql")));
        rows.await?.iter().map(run_of).collect()
    }

    async fn tasks(&self, run: Option<RunId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        let find = || {
            let run = run.map(|run| run.0);
            query(include_str!("sql/tasks.sql")).bind(run).bind(i64::from(limit))
        };
        self.all("listing calls", find).await?.iter().map(rows::task_record).collect()
    }
}
