//! The hot path, and the one connection through which everything is written.

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use sqlx::{
    ConnectOptions, Either, Executor, Row, Sqlite, SqliteConnection, query,
    query::Query,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow},
};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use super::batch::{self, Rides, to_json};
use crate::{
    model::RunId,
    store::{
        Append, AppendOutcome, StoreError, Writer,
        append::in_order,
        lock::LockBatch,
        sql::{failed, signed},
        task::TaskBatch,
    },
};

pub(super) type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;
type Batch<'a> = [(usize, &'a Append)];

const DOING: &str = "committing a batch";

/// The connection that writes: SQLite has one writer, so a second would only wait in its busy loop.
#[derive(Clone)]
pub(super) struct Pen {
    options: SqliteConnectOptions,
    /// Absent while it is in use: what is dropped halfway takes its connection, and the open
    /// transaction on it, with it.
    connection: Arc<Mutex<Option<SqliteConnection>>>,
}

/// The connection in somebody's hand.
pub(super) struct Held<'a> {
    place: MutexGuard<'a, Option<SqliteConnection>>,
    connection: SqliteConnection,
}

impl Pen {
    pub(super) fn new(options: SqliteConnectOptions, connection: SqliteConnection) -> Self {
        Self { options, connection: Arc::new(Mutex::new(Some(connection))) }
    }

    /// Waits for the connection; opens it anew if it was dropped.
    pub(super) async fn take(&self) -> Result<Held<'_>, StoreError> {
        let mut place = self.connection.lock().await;
        let connection = match place.take() {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(failed("opening the SQLite file"))?,
        };
        Ok(Held { place, connection })
    }
}

impl Held<'_> {
    /// Runs a statement and says how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        doing: &'static str,
        statement: Statement<'_>,
    ) -> Result<u64, StoreError> {
        let done = self.connection.execute(statement).await.map_err(failed(doing))?;
        Ok(done.rows_affected())
    }

    /// Runs a statement and reads its rows.
    pub(super) async fn all(
        &mut self,
        doing: &'static str,
        statement: Statement<'_>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        self.connection.fetch_all(statement).await.map_err(failed(doing))
    }

    /// Begins a transaction that will write.
    pub(super) async fn begin(&mut self, doing: &'static str) -> Result<(), StoreError> {
        self.execute(doing, query("BEGIN IMMEDIATE")).await.map(drop)
    }

    /// Ends the transaction.
    pub(super) async fn commit(&mut self, doing: &'static str) -> Result<(), StoreError> {
        self.execute(doing, query("COMMIT")).await.map(drop)
    }

    /// Puts the connection back. Without this it is closed, and what was not committed is undone.
    pub(super) fn put_back(mut self) {
        *self.place = Some(self.connection);
    }
}

/// Commits with the pen.
pub(super) struct SqliteWriter {
    pen: Pen,
    granted: Vec<RunId>,
}

impl SqliteWriter {
    pub(super) const fn new(pen: Pen) -> Self {
        Self { pen, granted: Vec::new() }
    }
}

#[async_trait]
impl Writer for SqliteWriter {
    async fn commit(&mut self, batch: &[Append]) -> Result<Vec<AppendOutcome>, StoreError> {
        let batch = in_order(batch)?;
        self.granted.clear();
        let mut held = self.pen.take().await?;
        let outcomes = held.append(&batch, &mut self.granted).await?;
        held.put_back();
        Ok(outcomes)
    }

    fn take_granted(&mut self) -> Vec<RunId> {
        std::mem::take(&mut self.granted)
    }
}

impl Held<'_> {
    async fn append(
        &mut self,
        batch: &Batch<'_>,
        granted: &mut Vec<RunId>,
    ) -> Result<Vec<AppendOutcome>, StoreError> {
        let mut outcomes = vec![AppendOutcome::Committed; batch.len()];
        if batch.iter().all(|(_, append)| append.is_plain()) {
            if self.rows(batch).await? != batch.len() as u64 {
                self.settle(batch, &mut outcomes).await?;
            }
            return Ok(outcomes);
        }
        // Almost always all go in. If not, halves are tried, until those that don't stand alone.
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            if self.try_whole(part, granted).await? {
                continue;
            }
            if let [_] = part {
                self.settle(part, &mut outcomes).await?;
            } else {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([right, left]);
            }
        }
        Ok(outcomes)
    }

    /// Writes the journal rows that may go in.
    async fn rows(&mut self, batch: &Batch<'_>) -> Result<u64, StoreError> {
        if let [(_, append)] = batch {
            let statement = query(include_str!("sql/append/row.sql"))
                .bind(append.run.0)
                .bind(signed(append.seq)?)
                .bind(signed(append.epoch)?)
                .bind(append.at.micros())
                .bind(&append.events[..]);
            return self.execute(DOING, statement).await;
        }
        let rows = batch::rows(batch)?;
        let statement = query(include_str!("sql/append/rows.sql")).bind(rows.meta).bind(rows.bytes);
        self.execute(DOING, statement).await
    }

    /// Commits appends with all that rides along; false, and nothing done, if one can't go in.
    async fn try_whole(
        &mut self,
        batch: &Batch<'_>,
        granted: &mut Vec<RunId>,
    ) -> Result<bool, StoreError> {
        if !self.put_whole(batch).await? {
            self.execute(DOING, query("ROLLBACK")).await?;
            return Ok(false);
        }
        for (_, append) in batch {
            for blob in &append.blobs {
                let put = query(include_str!("sql/put_blob.sql"));
                let put = put.bind(append.run.0).bind(&blob.hash.0[..]).bind(&blob.bytes[..]);
                self.execute(DOING, put).await?;
            }
        }
        if batch.iter().any(|(_, append)| !append.send.is_empty()) {
            let messages = batch::messages(batch.iter().flat_map(|(_, append)| &append.send))?;
            let statement = query(include_str!("sql/send.sql"));
            self.execute(DOING, statement.bind(messages.meta).bind(messages.bytes)).await?;
        }
        let appends = || batch.iter().map(|(_, append)| *append);
        // When they were put there is for people: any append's time will do.
        let at = batch.first().map_or(0, |(_, append)| append.at.micros());
        let mut told = Vec::new();
        if LockBatch::has_any(appends()) {
            told = self.change_locks(appends()).await?;
        }
        if TaskBatch::has_any(appends()) {
            told.extend(self.change_tasks(appends(), at).await?);
        }
        self.commit(DOING).await?;
        granted.extend(told);
        Ok(true)
    }

    /// Begins a transaction, and does in it what most batches need; false if a row did not go in.
    async fn put_whole(&mut self, batch: &Batch<'_>) -> Result<bool, StoreError> {
        let (rides, rows) = (Rides::of(batch), batch::rows(batch)?);
        let statement = query(rides.statement()).bind(rows.meta).bind(rows.bytes);
        let statement = statement.bind(to_json(&rides.created)?).bind(to_json(&rides.changed)?);
        let statement = statement.bind(to_json(&rides.ended)?).bind(to_json(&rides.consumed)?);
        let created = Some(rides.created.len() as u64).filter(|made| *made > 0);
        let expected = created.into_iter().chain([batch.len() as u64]);
        // What each part changed, in their order; none if the transaction could not begin.
        let parts: Vec<_> =
            self.connection.fetch_many(statement).try_collect().await.map_err(failed(DOING))?;
        let changed = parts.into_iter().filter_map(Either::left).map(|part| part.rows_affected());
        // First what began the transaction, then the runs, then the rows.
        Ok(changed.skip(1).zip(expected).all(|(changed, expected)| changed == expected))
    }

    /// Finds out which appends are there, now or from an earlier try, and why the others are not.
    async fn settle(
        &mut self,
        batch: &Batch<'_>,
        outcomes: &mut [AppendOutcome],
    ) -> Result<(), StoreError> {
        let doing = "looking up what a batch did";
        let questions = batch::questions(batch)?;
        let statement = query(include_str!("sql/settle.sql"));
        let statement = statement.bind(questions.meta).bind(questions.bytes);
        let rows = self.all(doing, statement).await?;
        for ((place, append), row) in batch.iter().zip(&rows) {
            let same: bool = row.try_get("same").map_err(failed(doing))?;
            let taken: Option<Uuid> = row.try_get("taken").map_err(failed(doing))?;
            outcomes[*place] = match taken {
                _ if same => AppendOutcome::Committed,
                Some(other) if other != append.run.0 => AppendOutcome::Duplicate(RunId(other)),
                Some(_) | None => AppendOutcome::Conflict,
            };
        }
        Ok(())
    }
}
