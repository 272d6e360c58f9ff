//! The hot path: batches of appends, one statement each.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sqlx::{Executor, PgConnection, Row, postgres::PgConnectOptions, query};
use uuid::Uuid;

use super::{
    Statement,
    columns::{self, Created, Rides, Rows},
    connect::{PATIENCE, connect, within},
    locks,
    statement::{PLAIN, Shape},
    tasks,
};
use crate::{
    model::RunId,
    store::{
        Append, AppendOutcome, StoreError, Writer, append::in_order, lock::LockBatch, sql::failed,
        task::TaskBatch,
    },
};

type Batch<'a> = [(usize, &'a Append)];

const SETTLE: &str = include_str!("sql/settle.sql");

/// How long to wait before each further try of a batch. Trying again is harmless.
const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(400),
];

/// Commits over a connection of its own.
pub(super) struct PgWriter {
    options: PgConnectOptions,
    /// Absent while a batch is under way: a batch that is dropped halfway takes its connection,
    /// and the answer that nobody will read, with it.
    connection: Option<PgConnection>,
    granted: Vec<RunId>,
}

impl PgWriter {
    pub(super) const fn new(options: PgConnectOptions, connection: PgConnection) -> Self {
        Self { options, connection: Some(connection), granted: Vec::new() }
    }

    async fn attempt(&mut self, batch: &Batch<'_>) -> Result<Vec<AppendOutcome>, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.options).await?,
        };
        self.granted.clear();
        let outcomes = commit(&mut connection, batch, &mut self.granted).await?;
        self.connection = Some(connection);
        Ok(outcomes)
    }
}

#[async_trait]
impl Writer for PgWriter {
    async fn commit(&mut self, batch: &[Append]) -> Result<Vec<AppendOutcome>, StoreError> {
        let batch = in_order(batch)?;
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        for pause in PAUSES {
            match self.attempt(&batch).await {
                Err(error) if error.is_transient() && began.elapsed() < PATIENCE => {
                    tracing::warn!(%error, "a batch is committed again");
                    tokio::time::sleep(pause).await;
                }
                outcome => return outcome,
            }
        }
        self.attempt(&batch).await
    }

    fn take_granted(&mut self) -> Vec<RunId> {
        std::mem::take(&mut self.granted)
    }
}

async fn commit(
    connection: &mut PgConnection,
    batch: &Batch<'_>,
    granted: &mut Vec<RunId>,
) -> Result<Vec<AppendOutcome>, StoreError> {
    let rows = Rows::of(batch)?;
    let doing = "committing a batch";
    let committed = if batch.iter().all(|(_, append)| append.is_plain()) {
        let statement = rows.bind(query(PLAIN), batch);
        within(doing, connection.execute(statement)).await?.rows_affected()
    } else {
        let locks = LockBatch::has_any(batch.iter().map(|(_, append)| *append));
        let statement =
            rows.bind(query(Shape::of(batch.iter().map(|(_, append)| *append)).statement()), batch);
        let mut created = Created::of(batch)?;
        let requires = created.take_requires();
        let tasks = TaskBatch::has_any(batch.iter().map(|(_, append)| *append));
        let several = locks || tasks;
        let statement = Rides::of(batch).bind(created.bind(statement)).bind(several);
        let statement = columns::bind_blobs(statement, batch).bind(requires);
        let statement = columns::bind_versions(statement, batch);
        if several {
            in_several(connection, batch, statement, (locks, tasks), granted).await?
        } else {
            let row = within(doing, connection.fetch_one(statement)).await?;
            row.try_get::<i64, _>(0).map_err(failed(doing))?.unsigned_abs()
        }
    };
    if committed == batch.len() as u64 {
        return Ok(vec![AppendOutcome::Committed; batch.len()]);
    }
    settle(connection, batch, &rows).await
}

/// Commits a batch that changes locks or calls for pools, and says how many of its rows went in.
async fn in_several(
    connection: &mut PgConnection,
    batch: &Batch<'_>,
    statement: Statement<'static>,
    (locks, tasks): (bool, bool),
    granted: &mut Vec<RunId>,
) -> Result<u64, StoreError> {
    let doing = "committing a batch that changes locks or calls";
    // Dropped halfway, the transaction goes with its connection.
    within(doing, connection.execute("BEGIN")).await?;
    if locks {
        locks::hold(connection).await?;
    }
    let row = within(doing, connection.fetch_one(statement)).await?;
    let put: Option<Vec<Uuid>> = row.try_get(1).map_err(failed(doing))?;
    let put: HashSet<_> = put.unwrap_or_default().into_iter().collect();
    let went_in = || batch.iter().map(|(_, append)| *append).filter(|it| put.contains(&it.run.0));
    let mut told = Vec::new();
    if locks {
        told = locks::change(connection, went_in()).await?;
    }
    if tasks {
        told.extend(tasks::change(connection, went_in()).await?);
    }
    within(doing, connection.execute("COMMIT")).await?;
    granted.extend(told);
    Ok(put.len() as u64)
}

/// Finds out which appends went in, now or in an earlier try, and why the others did not.
async fn settle(
    connection: &mut PgConnection,
    batch: &Batch<'_>,
    rows: &Rows,
) -> Result<Vec<AppendOutcome>, StoreError> {
    let doing = "looking up what a batch did";
    let statement = rows.bind_settle(query(SETTLE), batch);
    let found = within(doing, connection.fetch_all(statement)).await?;
    let mut outcomes = vec![AppendOutcome::Conflict; batch.len()];
    for ((place, append), row) in batch.iter().zip(&found) {
        let same: bool = row.try_get("same").map_err(failed(doing))?;
        let taken: Option<Uuid> = row.try_get("taken").map_err(failed(doing))?;
        outcomes[*place] = match taken {
            _ if same => AppendOutcome::Committed,
            Some(other) if other != append.run.0 => AppendOutcome::Duplicate(RunId(other)),
            Some(_) | None => AppendOutcome::Conflict,
        };
    }
    Ok(outcomes)
}
