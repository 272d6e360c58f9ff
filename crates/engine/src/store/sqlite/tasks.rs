//! Calls for pools in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row, query};
use uuid::Uuid;

use super::{SqliteStore, batch, batch::to_json, rows, writer::Held};
use crate::{
    model::RunId,
    store::{
        Append, Outgoing, StoreError, TaskLease, TaskRecord, TaskStore,
        sql::{failed, micros},
        task::TaskBatch,
    },
};

const DOING: &str = "changing calls for pools";

impl Held<'_> {
    /// Carries out the changes of a batch. Returns the runs that have mail of it.
    pub(super) async fn change_tasks(
        &mut self,
        appends: impl Iterator<Item = &Append>,
        now: i64,
    ) -> Result<Vec<RunId>, StoreError> {
        let batch = TaskBatch::of(appends);
        for run in &batch.cleared {
            self.execute(DOING, query("DELETE FROM tasks WHERE run_id = ?1").bind(run.0)).await?;
        }
        for (run, new) in &batch.put {
            let put = query(include_str!("sql/task_put.sql"))
                .bind(run.0)
                .bind(&new.task)
                .bind(&new.pool)
                .bind(&new.call[..])
                .bind(&new.lost[..])
                .bind(&new.refused[..])
                .bind(now);
            self.execute(DOING, put).await?;
        }
        let mut told = Vec::new();
        for (run, task, recall) in &batch.stopped {
            let refuse = query(include_str!("sql/task_refuse.sql"));
            let refuse = refuse.bind(run.0).bind(*task).bind(*recall);
            if self.execute(DOING, refuse).await? > 0 {
                let withdraw = query("DELETE FROM tasks WHERE run_id = ?1 AND task = ?2");
                self.execute(DOING, withdraw.bind(run.0).bind(*task)).await?;
                told.push(*run);
            } else if !recall {
                let stop = query("UPDATE tasks SET stop = 1 WHERE run_id = ?1 AND task = ?2");
                self.execute(DOING, stop.bind(run.0).bind(*task)).await?;
            }
        }
        Ok(told)
    }

    /// Sends what goes with a change of a call.
    async fn tell(&mut self, messages: &[Outgoing]) -> Result<(), StoreError> {
        let messages = batch::messages(messages.iter())?;
        let send = query(include_str!("sql/send.sql"));
        self.execute(DOING, send.bind(messages.meta).bind(messages.bytes)).await.map(drop)
    }
}

#[async_trait]
impl TaskStore for SqliteStore {
    async fn lease_tasks(
        &self,
        pools: &[String],
        worker: &str,
        limit: u32,
        ttl: Duration,
    ) -> Result<Vec<TaskLease>, StoreError> {
        let until = self.clock.now().after(ttl).micros();
        let lease = query(include_str!("sql/task_lease.sql"))
            .bind(to_json(&pools)?)
            .bind(worker)
            .bind(i64::from(limit))
            .bind(until);
        let mut held = self.pen.take().await?;
        let rows = held.all("taking calls", lease).await?;
        held.put_back();
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
        let doing = "extending the lease on a call";
        messages.iter().try_for_each(Outgoing::check)?;
        let now = self.clock.now().micros();
        let beat = query(
            "UPDATE tasks SET lease_until = ?3 + ?4 WHERE id = ?1 AND grip = ?2 AND lease_until > ?3 \
             RETURNING stop",
        );
        let beat = beat.bind(lease.id).bind(lease.grip).bind(now).bind(micros(ttl));
        let mut held = self.pen.take().await?;
        held.begin(doing).await?;
        let rows = held.all(doing, beat).await?;
        if !rows.is_empty() && !messages.is_empty() {
            held.tell(messages).await?;
        }
        held.commit(doing).await?;
        held.put_back();
        rows.first().map(|row| row.try_get(0).map_err(failed(doing))).transpose()
    }

    async fn finish_task(
        &self,
        lease: &TaskLease,
        messages: &[Outgoing],
    ) -> Result<bool, StoreError> {
        let doing = "ending a call";
        messages.iter().try_for_each(Outgoing::check)?;
        let now = self.clock.now().micros();
        let end = query("DELETE FROM tasks WHERE id = ?1 AND grip = ?2 AND lease_until > ?3");
        let mut held = self.pen.take().await?;
        held.begin(doing).await?;
        let ended = held.execute(doing, end.bind(lease.id).bind(lease.grip).bind(now)).await? > 0;
        if ended {
            held.tell(messages).await?;
        }
        held.commit(doing).await?;
        held.put_back();
        Ok(ended)
    }

    async fn reap_tasks(&self) -> Result<Vec<RunId>, StoreError> {
        let doing = "looking for lost workers";
        let now = self.clock.now().micros();
        let over = query("SELECT 1 FROM tasks WHERE lease_until <= ?1 LIMIT 1").bind(now);
        if self.one(doing, over).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut held = self.pen.take().await?;
        held.begin(doing).await?;
        held.execute(doing, query(include_str!("sql/task_lost.sql")).bind(now)).await?;
        let gone = query("DELETE FROM tasks WHERE lease_until <= ?1 RETURNING run_id").bind(now);
        let gone = held.all(doing, gone).await?;
        held.commit(doing).await?;
        held.put_back();
        let run = |row| sqlx::sqlite::SqliteRow::try_get::<Uuid, _>(row, 0);
        gone.iter().map(|row| run(row).map(RunId).map_err(failed(doing))).collect()
    }

    async fn tasks(&self, run: Option<RunId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        let find = query(include_str!("sql/tasks.sql"));
        let find = find.bind(run.map(|run| run.0)).bind(i64::from(limit));
        self.all("listing calls", find).await?.iter().map(rows::task_record).collect()
    }
}
