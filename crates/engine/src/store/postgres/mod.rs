//! PostgreSQL, 14 or later: the store of several nodes.

mod archive;
mod calendar;
mod columns;
mod connect;
mod fleet;
mod locks;
mod rows;
mod statement;
mod tasks;
mod writer;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sqlx::{
    PgPool, Postgres,
    postgres::{PgArguments, PgConnectOptions, PgQueryResult, PgRow},
    query,
    query::Query,
};
use uuid::Uuid;

use super::{
    ArchiveStore, CalendarStore, Claim, ClaimScope, Definition, FleetStore, InboxRow, JournalRow,
    LockQuery, LockRecord, NodeRecord, NodeStatus, Outgoing, Renewal, RunFilter, RunRecord, Store,
    StoreError, TaskStore, Writer,
    append::check_key,
    claims::Claims,
    fleet::PROBATION,
    sql::{failed, labels_text, micros, signed},
};
use crate::model::{NodeId, RunId, Timestamp, Version};

use connect::{PATIENCE, within};

/// How often a query is tried when connections of the pool turn out to be dead.
const TRIES: u32 = 6;

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// A store in PostgreSQL. Clones share a pool of connections.
#[derive(Clone)]
pub struct PostgresStore {
    pool: PgPool,
    options: PgConnectOptions,
    claims: Arc<Claims>,
}

impl PostgresStore {
    /// Connects, and brings the tables up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let options = connect::options(url)?;
        let mut connection = connect::connect(&options).await?;
        connect::migrate(&mut connection).await?;
        Ok(Self { pool: connect::pool(options.clone()), options, claims: Arc::default() })
    }

    /// Runs a statement that may run twice without harm, on another connection if one is dead.
    async fn all<'q>(
        &self,
        doing: &'static str,
        statement: impl Fn() -> Statement<'q> + Sync,
    ) -> Result<Vec<PgRow>, StoreError> {
        let (mut tries, began) = (0, Instant::now());
        loop {
            tries += 1;
            match within(doing, statement().fetch_all(&self.pool)).await {
                Err(error)
                    if error.is_transient() && tries < TRIES && began.elapsed() < PATIENCE =>
                {
                    pause(tries).await;
                }
                result => return result,
            }
        }
    }

    async fn one<'q>(
        &self,
        doing: &'static str,
        statement: impl Fn() -> Statement<'q> + Sync,
    ) -> Result<Option<PgRow>, StoreError> {
        Ok(self.all(doing, statement).await?.pop())
    }

    async fn execute<'q>(
        &self,
        doing: &'static str,
        statement: impl Fn() -> Statement<'q> + Sync,
    ) -> Result<PgQueryResult, StoreError> {
        let (mut tries, began) = (0, Instant::now());
        loop {
            tries += 1;
            match within(doing, statement().execute(&self.pool)).await {
                Err(error)
                    if error.is_transient() && tries < TRIES && began.elapsed() < PATIENCE =>
                {
                    pause(tries).await;
                }
                result => return result,
            }
        }
    }
}

async fn pause(tries: u32) {
    tokio::time::sleep(Duration::from_millis(10) * (tries - 1) * tries).await;
}

fn ids(runs: &[RunId]) -> Vec<Uuid> {
    runs.iter().map(|run| run.0).collect()
}

fn root(scope: ClaimScope) -> Option<Uuid> {
    scope.root().map(|run| run.0)
}

fn time(row: &PgRow) -> Result<Timestamp, StoreError> {
    use sqlx::Row;
    row.try_get(0).map(Timestamp::from_micros).map_err(failed("reading the database's clock"))
}

#[async_trait]
impl Store for PostgresStore {
    fn writers(&self) -> usize {
        2
    }

    async fn writer(&self) -> Result<Box<dyn Writer>, StoreError> {
        let connection = connect::connect(&self.options).await?;
        Ok(Box::new(writer::PgWriter::new(self.options.clone(), connection)))
    }

    fn calendars(&self) -> &dyn CalendarStore {
        self
    }

    fn archive(&self) -> &dyn ArchiveStore {
        self
    }

    fn pools(&self) -> &dyn TaskStore {
        self
    }

    fn fleet(&self) -> &dyn FleetStore {
        self
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        let row = self.one("reading the clock", || query("SELECT rackwright_now()")).await?;
        row.as_ref().map_or_else(|| Err(no_row()), time)
    }

    async fn put_definition(
        &self,
        version: Version,
        name: &str,
        canonical: &[u8],
    ) -> Result<(), StoreError> {
        check_key("workflow name", name)?;
        let put = || {
            query(include_str!("sql/put_definition.sql"))
                .bind(version.0.to_vec())
                .bind(name)
                .bind(canonical)
        };
        self.execute("keeping a definition", put).await.map(drop)
    }

    async fn definition(&self, version: Version) -> Result<Option<Definition>, StoreError> {
        let find = || query(include_str!("sql/definition.sql")).bind(version.0.to_vec());
        let row = self.one("reading a definition", find).await?;
        row.as_ref().map(rows::definition).transpose()
    }

    async fn definitions(&self, name: Option<&str>) -> Result<Vec<Definition>, StoreError> {
        let find = || query(include_str!("sql/definitions.sql")).bind(name);
        self.all("listing definitions", find).await?.iter().map(rows::definition).collect()
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        let row = self.one("reading a run", || query(include_str!("sql/run.sql")).bind(run.0));
        row.await?.as_ref().map(rows::run_record).transpose()
    }

    async fn find_run(
        &self,
        workflow: &str,
        idempotency_key: &str,
    ) -> Result<Option<RunRecord>, StoreError> {
        let find = || query(include_str!("sql/find_run.sql")).bind(workflow).bind(idempotency_key);
        let row = self.one("looking for a run", find).await?;
        row.as_ref().map(rows::run_record).transpose()
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let labels = serde_json::to_string(&filter.labels)
            .map_err(|error| StoreError::Invalid(format!("labels: {error}")))?;
        let labels = Some(labels).filter(|_| !filter.labels.is_empty());
        let find = || {
            let status: Vec<_> = filter.status.iter().map(|status| status.as_str()).collect();
            query(include_str!("sql/runs.sql"))
                .bind(status)
                .bind(filter.workflow.as_deref())
                .bind(filter.root.map(|run| run.0))
                .bind(filter.parent.map(|run| run.0))
                .bind(filter.before.map(|run| run.0))
                .bind(i64::from(filter.limit))
                .bind(labels.as_deref())
        };
        self.all("listing runs", find).await?.iter().map(rows::run_record).collect()
    }

    async fn journal(
        &self,
        run: RunId,
        from_seq: u64,
        limit: u32,
    ) -> Result<Vec<JournalRow>, StoreError> {
        let from = signed(from_seq)?;
        let read =
            || query(include_str!("sql/journal.sql")).bind(run.0).bind(from).bind(i64::from(limit));
        self.all("reading a journal", read).await?.iter().map(rows::journal_row).collect()
    }

    async fn journals(&self, runs: &[RunId]) -> Result<Vec<(RunId, JournalRow)>, StoreError> {
        let read = || query(include_str!("sql/journals.sql")).bind(ids(runs));
        self.all("reading journals", read).await?.iter().map(rows::journal_row_of).collect()
    }

    async fn claim(
        &self,
        node: NodeId,
        scope: ClaimScope,
        limit: u32,
    ) -> Result<Vec<Claim>, StoreError> {
        let call = self.claims.begin();
        let mut claims = Vec::new();
        if !call.lost.is_empty() {
            let adopt = || {
                query(include_str!("sql/adopt.sql"))
                    .bind(node.0)
                    .bind(call.lost.clone())
                    .bind(call.number)
            };
            claims = self.all("finding runs that were claimed", adopt).await?;
        }
        let claim = query(include_str!("sql/claim.sql"))
            .bind(node.0)
            .bind(root(scope))
            .bind(i64::from(limit))
            .bind(call.number)
            .bind(micros(PROBATION));
        // Tried once: what a lost answer claimed is found by the next call.
        let fresh = within("claiming runs", claim.fetch_all(&self.pool)).await?;
        let claims = claims.iter().chain(&fresh).map(rows::claim).collect::<Result<_, _>>()?;
        call.answered();
        Ok(claims)
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<(), StoreError> {
        messages.iter().try_for_each(Outgoing::check)?;
        let send = || {
            let to: Vec<_> = messages.iter().map(|message| message.to.0).collect();
            let keys: Vec<_> = messages.iter().map(|message| message.dedup.as_str()).collect();
            let bodies: Vec<_> = messages.iter().map(|message| &message.body[..]).collect();
            query(include_str!("sql/send.sql")).bind(to).bind(keys).bind(bodies)
        };
        self.execute("sending a message", send).await.map(drop)
    }

    async fn inbox(&self, runs: &[RunId]) -> Result<Vec<InboxRow>, StoreError> {
        let read = || query(include_str!("sql/inbox.sql")).bind(ids(runs));
        self.all("reading inboxes", read).await?.iter().map(rows::inbox_row).collect()
    }

    async fn owned_with_inbox(&self, node: NodeId, limit: u32) -> Result<Vec<RunId>, StoreError> {
        use sqlx::Row;
        let find =
            || query(include_str!("sql/owned_with_inbox.sql")).bind(node.0).bind(i64::from(limit));
        let found = self.all("looking for mail", find).await?;
        let run = |row: &PgRow| row.try_get(0).map(RunId).map_err(failed("looking for mail"));
        found.iter().map(run).collect()
    }

    async fn locks(&self, about: &LockQuery) -> Result<Vec<LockRecord>, StoreError> {
        let find = || match about {
            LockQuery::All { limit } => {
                query(include_str!("sql/locks.sql")).bind(i64::from(*limit))
            }
            LockQuery::Run(run) => query(include_str!("sql/locks_of.sql")).bind(run.0),
            LockQuery::Touching(claims) => locks::neighbours(claims),
        };
        self.all("listing locks", find).await?.iter().map(rows::lock_record).collect()
    }

    async fn next_wake(
        &self,
        node: NodeId,
        scope: ClaimScope,
    ) -> Result<Option<Timestamp>, StoreError> {
        use sqlx::Row;
        let doing = "looking for the next alarm";
        let find = || query(include_str!("sql/next_wake.sql")).bind(root(scope)).bind(node.0);
        let row = self.one(doing, find).await?.ok_or_else(no_row)?;
        let at: Option<i64> = row.try_get(0).map_err(failed(doing))?;
        Ok(at.map(Timestamp::from_micros))
    }

    async fn join(&self, node: &NodeRecord, ttl: Duration) -> Result<Timestamp, StoreError> {
        let started = signed(node.started)?;
        let labels = labels_text(&node.labels)?;
        let forget = || query(include_str!("sql/forget_nodes.sql")).bind(node.id.0);
        self.execute("forgetting nodes that are gone", forget).await?;
        let join = || {
            query(include_str!("sql/join.sql"))
                .bind(node.id.0)
                .bind(&node.name)
                .bind(&node.host)
                .bind(i64::from(node.pid))
                .bind(started)
                .bind(micros(ttl))
                .bind(node.quarantine_after.map(i64::from))
                .bind(&labels)
                .bind(i64::from(node.capacity))
        };
        let row = self.one("entering a node", join).await?;
        row.as_ref().map_or_else(|| Err(StoreError::joined_before(node.id)), time)
    }

    async fn renew(&self, node: NodeId, ttl: Duration) -> Result<Renewal, StoreError> {
        use sqlx::Row;
        let renew = || query(include_str!("sql/renew.sql")).bind(node.0).bind(micros(ttl));
        match self.one("renewing a lease", renew).await? {
            Some(row) => {
                let draining = row.try_get(1).map_err(failed("renewing a lease"))?;
                Ok(Renewal::Renewed { now: time(&row)?, draining })
            }
            None => Ok(Renewal::Lost),
        }
    }

    async fn leave(&self, node: NodeId) -> Result<(), StoreError> {
        let leave = || query(include_str!("sql/leave.sql")).bind(node.0);
        self.execute("ending a node", leave).await.map(drop)
    }

    async fn nodes(&self) -> Result<Vec<NodeStatus>, StoreError> {
        let nodes = || query(include_str!("sql/nodes.sql"));
        self.all("listing nodes", nodes).await?.iter().map(rows::node_status).collect()
    }

    async fn expire(&self, node: NodeId) -> Result<(), StoreError> {
        let expire = || query(include_str!("sql/expire.sql")).bind(node.0);
        self.execute("ending a lease", expire).await.map(drop)
    }
}

fn no_row() -> StoreError {
    StoreError::Corrupt("a query that always has a row had none".to_owned())
}
