//! SQLite: the store of one node, in one file.

mod archive;
mod batch;
mod calendar;
mod connect;
mod fleet;
mod lock;
mod locks;
mod rows;
mod tasks;
mod writer;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use hex::encode;
use sqlx::{SqlitePool, query, sqlite::SqliteRow};

use super::{
    ArchiveStore, CalendarStore, Claim, ClaimScope, Clock, Definition, FleetStore, InboxRow,
    JournalRow, LockQuery, LockRecord, NodeRecord, NodeStatus, Outgoing, Renewal, RunFilter,
    RunRecord, Store, StoreError, SystemClock, TaskStore, Writer,
    append::check_key,
    claims::Claims,
    fleet::PROBATION,
    sql::{failed, labels_text, micros, signed},
};
use crate::model::{NodeId, RunId, Timestamp, Version};

use batch::to_json;
use lock::Lock;
use writer::{Pen, Statement};

/// A store in a SQLite file. Clones share its connections and its lock.
#[derive(Clone)]
pub struct SqliteStore {
    pen: Pen,
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
    path: PathBuf,
    seat: Arc<Mutex<Seat>>,
    claims: Arc<Claims>,
}

/// This process's place in the database: its lock, and the nodes that joined under it.
#[derive(Debug, Default)]
struct Seat {
    lock: Option<Lock>,
    nodes: BTreeSet<NodeId>,
}

impl SqliteStore {
    /// Opens the file of `sqlite:PATH`, and brings its tables up to date. Needs no lock: several
    /// processes may look at one database.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::with_clock(url, Arc::new(SystemClock)).await
    }

    /// The same, on another clock.
    pub async fn with_clock(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let path = connect::path(url)?;
        let options = connect::options(&path);
        let connection = connect::open(&options).await?;
        Ok(Self {
            pen: Pen::new(options.clone(), connection),
            readers: connect::readers(options),
            clock,
            path,
            seat: Arc::default(),
            claims: Arc::default(),
        })
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn all(
        &self,
        doing: &'static str,
        statement: Statement<'_>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        statement.fetch_all(&self.readers).await.map_err(failed(doing))
    }

    async fn one(
        &self,
        doing: &'static str,
        statement: Statement<'_>,
    ) -> Result<Option<SqliteRow>, StoreError> {
        statement.fetch_optional(&self.readers).await.map_err(failed(doing))
    }

    async fn write(
        &self,
        doing: &'static str,
        statement: Statement<'_>,
    ) -> Result<u64, StoreError> {
        let mut held = self.pen.take().await?;
        let changed = held.execute(doing, statement).await?;
        held.put_back();
        Ok(changed)
    }

    /// Takes the lock, if no node of this process has it yet; says which nodes have joined under it.
    fn sit_down(&self, node: &NodeRecord) -> Result<Vec<NodeId>, StoreError> {
        let mut seat = self.seat();
        if seat.lock.is_none() {
            seat.lock = Some(Lock::take(&self.path, node)?);
            seat.nodes.clear();
        }
        seat.nodes.insert(node.id);
        Ok(seat.nodes.iter().copied().collect())
    }

    fn stand_up(&self, node: NodeId) {
        let mut seat = self.seat();
        seat.nodes.remove(&node);
        if seat.nodes.is_empty() {
            seat.lock = None;
        }
    }

    async fn enter(
        &self,
        node: &NodeRecord,
        beside: &[NodeId],
        ttl: Duration,
    ) -> Result<Timestamp, StoreError> {
        let doing = "entering a node";
        let now = self.clock.now();
        let beside: Vec<_> = beside.iter().map(|node| encode(node.0.as_bytes())).collect();
        let mut held = self.pen.take().await?;
        held.begin(doing).await?;
        let expire = query(include_str!("sql/expire_others.sql"));
        held.execute(doing, expire.bind(to_json(&beside)?).bind(now.micros())).await?;
        let forget = query(include_str!("sql/forget_nodes.sql"));
        held.execute(doing, forget.bind(node.id.0).bind(now.micros())).await?;
        let join = query(include_str!("sql/join.sql"))
            .bind(node.id.0)
            .bind(&node.name)
            .bind(&node.host)
            .bind(i64::from(node.pid))
            .bind(signed(node.started)?)
            .bind(now.micros())
            .bind(micros(ttl))
            .bind(node.quarantine_after.map(i64::from))
            .bind(labels_text(&node.labels)?)
            .bind(i64::from(node.capacity));
        let joined = held.execute(doing, join).await?;
        held.commit(doing).await?;
        held.put_back();
        if joined == 0 { Err(StoreError::joined_before(node.id)) } else { Ok(now) }
    }
}

fn ids(runs: &[RunId]) -> Result<String, StoreError> {
    to_json(&runs.iter().map(|run| encode(run.0.as_bytes())).collect::<Vec<_>>())
}

fn root(scope: ClaimScope) -> Option<uuid::Uuid> {
    scope.root().map(|run| run.0)
}

#[async_trait]
impl Store for SqliteStore {
    fn writers(&self) -> usize {
        1
    }

    async fn writer(&self) -> Result<Box<dyn Writer>, StoreError> {
        Ok(Box::new(writer::SqliteWriter::new(self.pen.clone())))
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
        Ok(self.clock.now())
    }

    async fn put_definition(
        &self,
        version: Version,
        name: &str,
        canonical: &[u8],
    ) -> Result<(), StoreError> {
        check_key("workflow name", name)?;
        let put = query(include_str!("sql/put_definition.sql"))
            .bind(&version.0[..])
            .bind(name)
            .bind(canonical)
            .bind(self.clock.now().micros());
        self.write("keeping a definition", put).await.map(drop)
    }

    async fn definition(&self, version: Version) -> Result<Option<Definition>, StoreError> {
        let find = query(include_str!("sql/definition.sql")).bind(&version.0[..]);
        let row = self.one("reading a definition", find).await?;
        row.as_ref().map(rows::definition).transpose()
    }

    async fn definitions(&self, name: Option<&str>) -> Result<Vec<Definition>, StoreError> {
        let find = query(include_str!("sql/definitions.sql")).bind(name);
        self.all("listing definitions", find).await?.iter().map(rows::definition).collect()
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        let find = query(include_str!("sql/run.sql")).bind(run.0);
        self.one("reading a run", find).await?.as_ref().map(rows::run_record).transpose()
    }

    async fn find_run(
        &self,
        workflow: &str,
        idempotency_key: &str,
    ) -> Result<Option<RunRecord>, StoreError> {
        let find = query(include_str!("sql/find_run.sql")).bind(workflow).bind(idempotency_key);
        self.one("looking for a run", find).await?.as_ref().map(rows::run_record).transpose()
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let find = query(include_str!("sql/runs.sql"))
            .bind(to_json(&filter.status)?)
            .bind(filter.workflow.as_deref())
            .bind(filter.root.map(|run| run.0))
            .bind(filter.parent.map(|run| run.0))
            .bind(filter.before.map(|run| run.0))
            .bind(i64::from(filter.limit))
            .bind(to_json(&filter.labels)?);
        self.all("listing runs", find).await?.iter().map(rows::run_record).collect()
    }

    async fn journal(
        &self,
        run: RunId,
        from_seq: u64,
        limit: u32,
    ) -> Result<Vec<JournalRow>, StoreError> {
        let read = query(include_str!("sql/journal.sql"))
            .bind(run.0)
            .bind(signed(from_seq)?)
            .bind(i64::from(limit));
        self.all("reading a journal", read).await?.iter().map(rows::journal_row).collect()
    }

    async fn journals(&self, runs: &[RunId]) -> Result<Vec<(RunId, JournalRow)>, StoreError> {
        let read = query(include_str!("sql/journals.sql")).bind(ids(runs)?);
        self.all("reading journals", read).await?.iter().map(rows::journal_row_of).collect()
    }

    async fn claim(
        &self,
        node: NodeId,
        scope: ClaimScope,
        limit: u32,
    ) -> Result<Vec<Claim>, StoreError> {
        let doing = "claiming runs";
        let call = self.claims.begin();
        let now = self.clock.now().micros();
        let mut held = self.pen.take().await?;
        held.begin(doing).await?;
        let mut found = Vec::new();
        if !call.lost.is_empty() {
            let adopt = query(include_str!("sql/adopt.sql"))
                .bind(node.0)
                .bind(to_json(&call.lost)?)
                .bind(call.number);
            found = held.all(doing, adopt).await?;
        }
        let expire = query(include_str!("sql/expire_nodes.sql")).bind(node.0).bind(now);
        held.execute(doing, expire).await?;
        let quarantine = query(include_str!("sql/quarantine.sql")).bind(node.0).bind(root(scope));
        held.execute(doing, quarantine.bind(now)).await?;
        let claimable = query(include_str!("sql/claimable.sql"))
            .bind(node.0)
            .bind(root(scope))
            .bind(i64::from(limit))
            .bind(now);
        let fresh = held.all(doing, claimable).await?;
        let fresh = fresh.iter().map(rows::claim).collect::<Result<Vec<_>, _>>()?;
        if !fresh.is_empty() {
            let runs = ids(&fresh.iter().map(|claim| claim.run).collect::<Vec<_>>())?;
            let claim = query(include_str!("sql/claim.sql"));
            let suspect = query(include_str!("sql/suspect.sql"));
            let until = now + micros(PROBATION);
            held.execute(doing, suspect.bind(node.0).bind(runs.clone()).bind(until)).await?;
            held.execute(doing, claim.bind(node.0).bind(runs).bind(call.number)).await?;
        }
        held.commit(doing).await?;
        held.put_back();
        let mut claims = found.iter().map(rows::claim).collect::<Result<Vec<_>, _>>()?;
        claims.extend(fresh);
        call.answered();
        Ok(claims)
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<(), StoreError> {
        messages.iter().try_for_each(Outgoing::check)?;
        let messages = batch::messages(messages.iter())?;
        let send = query(include_str!("sql/send.sql")).bind(messages.meta).bind(messages.bytes);
        self.write("sending a message", send).await.map(drop)
    }

    async fn inbox(&self, runs: &[RunId]) -> Result<Vec<InboxRow>, StoreError> {
        let read = query(include_str!("sql/inbox.sql")).bind(ids(runs)?);
        self.all("reading inboxes", read).await?.iter().map(rows::inbox_row).collect()
    }

    async fn owned_with_inbox(&self, node: NodeId, limit: u32) -> Result<Vec<RunId>, StoreError> {
        use sqlx::Row;
        let find = query(include_str!("sql/owned_with_inbox.sql"));
        let found = self.all("looking for mail", find.bind(node.0).bind(i64::from(limit))).await?;
        let run = |row: &SqliteRow| row.try_get(0).map(RunId).map_err(failed("looking for mail"));
        found.iter().map(run).collect()
    }

    async fn locks(&self, about: &LockQuery) -> Result<Vec<LockRecord>, StoreError> {
        let find = match about {
            LockQuery::All { limit } => {
                query(include_str!("sql/locks.sql")).bind(i64::from(*limit))
            }
            LockQuery::Run(run) => query(include_str!("sql/locks_of.sql")).bind(run.0),
            LockQuery::Touching(claims) => locks::neighbours(claims)?,
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
        let row = self
            .one(doing, query(include_str!("sql/next_wake.sql")).bind(root(scope)).bind(node.0));
        let Some(row) = row.await? else { return Ok(None) };
        let at: Option<i64> = row.try_get(0).map_err(failed(doing))?;
        Ok(at.map(Timestamp::from_micros))
    }

    async fn join(&self, node: &NodeRecord, ttl: Duration) -> Result<Timestamp, StoreError> {
        let beside = self.sit_down(node)?;
        let entered = self.enter(node, &beside, ttl).await;
        if entered.is_err() {
            self.stand_up(node.id);
        }
        entered
    }

    async fn renew(&self, node: NodeId, ttl: Duration) -> Result<Renewal, StoreError> {
        use sqlx::Row;
        let now = self.clock.now();
        let renew =
            query(include_str!("sql/renew.sql")).bind(node.0).bind(now.micros()).bind(micros(ttl));
        let doing = "renewing a lease";
        let mut held = self.pen.take().await?;
        let rows = held.all(doing, renew).await?;
        held.put_back();
        match rows.first() {
            None => Ok(Renewal::Lost),
            Some(row) => {
                let draining = row.try_get(0).map_err(failed(doing))?;
                Ok(Renewal::Renewed { now, draining })
            }
        }
    }

    async fn leave(&self, node: NodeId) -> Result<(), StoreError> {
        let doing = "ending a node";
        let now = self.clock.now().micros();
        let mut held = self.pen.take().await?;
        held.begin(doing).await?;
        held.execute(doing, query(include_str!("sql/release.sql")).bind(node.0).bind(now)).await?;
        held.execute(doing, query("DELETE FROM nodes WHERE id = ?1").bind(node.0)).await?;
        held.commit(doing).await?;
        held.put_back();
        self.stand_up(node);
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeStatus>, StoreError> {
        let nodes = query(include_str!("sql/nodes.sql")).bind(self.clock.now().micros());
        self.all("listing nodes", nodes).await?.iter().map(rows::node_status).collect()
    }

    async fn expire(&self, node: NodeId) -> Result<(), StoreError> {
        let now = self.clock.now().micros();
        let expire = query(include_str!("sql/expire.sql")).bind(node.0).bind(now);
        self.write("ending a lease", expire).await.map(drop)
    }
}
