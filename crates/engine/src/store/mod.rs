//! Where runs are kept: journals, runs, inboxes, leases and definitions.
//!
//! The store knows nothing of workflows. It keeps six promises, the same on every backend, and the
//! conformance suite (`tests/store`) holds each backend to them:
//!
//! * **An append happens whole or not at all.** The journal row, the change of the `runs` row, the
//!   deleted and the written inbox rows of one [`Append`] are one atomic thing.
//! * **The journal is dense and fenced.** A row goes in at the sequence number after the last one
//!   and only at the run's present epoch. What arrives late, twice or out of order is
//!   [`AppendOutcome::Conflict`] and leaves no trace.
//! * **Committing again is harmless.** An append that is already in the journal, byte for byte and
//!   at the same epoch, is [`AppendOutcome::Committed`]. So a batch whose outcome was lost with the
//!   connection is simply committed again.
//! * **Locks change with appends.** What an append asks for and gives up is done with it or not at
//!   all, and whoever that lets through is granted and told in the same transaction. Two requests
//!   that stand in each other's way are never granted at the same time.
//! * **Calls for pools change with appends, too**, and end with the message that says how: a call
//!   is never there without its start, nor its result with it still there.
//! * **One owner.** A run has one owner at one epoch. A lease that has run out is never renewed.

mod append;
mod archive;
mod blob;
mod calendar;
mod claims;
mod clock;
mod error;
mod fleet;
mod grant;
mod lock;
mod memory;
mod migrate;
mod node;
mod postgres;
mod record;
mod sql;
mod sqlite;
mod task;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

pub use crate::model::RunStatus;
use crate::model::{NodeId, RunId, Timestamp, Version};

pub use append::{Append, AppendOutcome, InboxId, NewRun, Outgoing, RunUpdate};
pub use archive::{ArchiveStore, Expired};
pub use blob::{Blob, BlobHash};
pub use calendar::{CalendarStore, NewSchedule, ScheduleRow, WindowRow};
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::StoreError;
pub use fleet::FleetStore;
pub use lock::{LockChange, LockQuery, LockRecord, LockRequest};
pub use memory::MemoryStore;
pub(crate) use node::has_labels;
pub use node::{NodeRecord, NodeStatus, Renewal};
pub use postgres::PostgresStore;
pub(crate) use record::Archived;
pub use record::{Claim, ClaimScope, Definition, InboxRow, JournalRow, RunFilter, RunRecord};
pub use sqlite::SqliteStore;
pub use task::{NewTask, TaskChange, TaskLease, TaskRecord, TaskStore};

/// Commits appends. Owns its place in the store (a connection), and finds a new one when it breaks.
#[async_trait]
pub trait Writer: Send {
    /// Commits a batch in one transaction and answers for each append, in the batch's order.
    ///
    /// A batch holds at most one append per run. When it fails, nothing is known: commit the same
    /// batch again, appends that went in are recognised.
    async fn commit(&mut self, batch: &[Append]) -> Result<Vec<AppendOutcome>, StoreError>;

    /// The runs that the last commit granted locks: they have mail. Taken; only a hint, since the
    /// answer of a commit may be lost.
    fn take_granted(&mut self) -> Vec<RunId>;
}

/// A place where runs are kept, shared by every part of an engine and, with PostgreSQL, by several
/// engines.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// How many writers raise the throughput: spread the runs over them by id.
    fn writers(&self) -> usize;

    /// Makes a writer.
    async fn writer(&self) -> Result<Box<dyn Writer>, StoreError>;

    /// Windows and schedules.
    fn calendars(&self) -> &dyn CalendarStore;

    /// Large values, and runs that are over.
    fn archive(&self) -> &dyn ArchiveStore;

    /// Calls that workers of pools make.
    fn pools(&self) -> &dyn TaskStore;

    /// What people do about nodes, and about runs that kill them.
    fn fleet(&self) -> &dyn FleetStore;

    /// The database's clock.
    async fn now(&self) -> Result<Timestamp, StoreError>;

    /// Keeps a definition; one that is already there stays as it is.
    async fn put_definition(
        &self,
        version: Version,
        name: &str,
        canonical: &[u8],
    ) -> Result<(), StoreError>;

    /// The definition of this version.
    async fn definition(&self, version: Version) -> Result<Option<Definition>, StoreError>;

    /// All definitions, or those of one name, by name and then the newest first.
    async fn definitions(&self, name: Option<&str>) -> Result<Vec<Definition>, StoreError>;

    /// One run.
    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError>;

    /// The run that an idempotency key started.
    async fn find_run(
        &self,
        workflow: &str,
        idempotency_key: &str,
    ) -> Result<Option<RunRecord>, StoreError>;

    /// Runs that match, the newest first.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError>;

    /// Up to `limit` rows of a run's journal from `from_seq` on, in order.
    async fn journal(
        &self,
        run: RunId,
        from_seq: u64,
        limit: u32,
    ) -> Result<Vec<JournalRow>, StoreError>;

    /// The whole journals of many runs in one query, ordered by run and sequence number.
    async fn journals(&self, runs: &[RunId]) -> Result<Vec<(RunId, JournalRow)>, StoreError>;

    /// Takes up to `limit` runs for `node`, and raises their epochs.
    ///
    /// Takes runs that nobody owns and that are due (`wake_at` has come) or have mail, and runs
    /// whose owner's lease has run out. A run in [`RunStatus::Attention`] or
    /// [`RunStatus::Paused`] is taken only if it has mail. A node without a valid lease is given
    /// nothing.
    ///
    /// What was taken from dead owners as often as the node's record allows, without its owner
    /// changing its row in between, is not taken any more but put in quarantine: attention, with
    /// [`RunRecord::quarantined_at`]. What was taken from one once before is taken alone: no other
    /// such run for some seconds, and if the node dies in these, only that run is counted.
    ///
    /// A node is given only what asks for no label that it lacks, and nothing while it is drained.
    async fn claim(
        &self,
        node: NodeId,
        scope: ClaimScope,
        limit: u32,
    ) -> Result<Vec<Claim>, StoreError>;

    /// Writes messages to inboxes. A message whose `(to, dedup)` is waiting already, or whose run
    /// has ended, is dropped.
    async fn send(&self, messages: &[Outgoing]) -> Result<(), StoreError>;

    /// The waiting messages of these runs, ordered by run and arrival.
    async fn inbox(&self, runs: &[RunId]) -> Result<Vec<InboxRow>, StoreError>;

    /// The runs of `node` that have mail.
    async fn owned_with_inbox(&self, node: NodeId, limit: u32) -> Result<Vec<RunId>, StoreError>;

    /// The requests for locks and slots that are alive, by ticket.
    async fn locks(&self, query: &LockQuery) -> Result<Vec<LockRecord>, StoreError>;

    /// When the next run that nobody owns is due that `node` may take.
    async fn next_wake(
        &self,
        node: NodeId,
        scope: ClaimScope,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// Enters a node with a lease of `ttl` and returns the database's time. On SQLite this takes
    /// the lock on the database's file: [`StoreError::Held`] if another process has it. A node
    /// joins once: one whose lease has run out comes back under a new id.
    async fn join(&self, node: &NodeRecord, ttl: Duration) -> Result<Timestamp, StoreError>;

    /// Extends a lease to `ttl` from now. A lease that has run out is lost.
    async fn renew(&self, node: NodeId, ttl: Duration) -> Result<Renewal, StoreError>;

    /// Ends a node: its runs are nobody's and due at once.
    async fn leave(&self, node: NodeId) -> Result<(), StoreError>;

    /// The nodes that are known, also those whose lease has run out but which still own runs.
    async fn nodes(&self) -> Result<Vec<NodeStatus>, StoreError>;

    /// Ends a lease at once, because the caller knows that the process is dead. The runs of the
    /// node may be claimed.
    async fn expire(&self, node: NodeId) -> Result<(), StoreError>;
}

/// Opens the store that a URL names: `sqlite:PATH`, `postgres://…` or `memory:`.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("memory") => Ok(Arc::new(MemoryStore::new())),
        Some("sqlite") => Ok(Arc::new(SqliteStore::open(url).await?)),
        Some("postgres" | "postgresql") => Ok(Arc::new(PostgresStore::open(url).await?)),
        Some(_) | None => Err(StoreError::UnknownUrl { url: error::without_password(url) }),
    }
}
