//! A store whose writers break off: before a commit, or after it and before its acknowledgement.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rackwright_engine::{
    RunId,
    model::{NodeId, Timestamp, Version},
    store::{
        Append, AppendOutcome, ArchiveStore, CalendarStore, Claim, ClaimScope, Definition,
        FleetStore, InboxRow, JournalRow, LockQuery, LockRecord, NodeRecord, NodeStatus, Outgoing,
        Renewal, RunFilter, RunRecord, Store, StoreError, TaskStore, Writer,
    },
};
use tokio::sync::Notify;

/// Counts commits and stops the world at one of them.
#[derive(Clone)]
pub(crate) struct Cut {
    /// Commits that are still let through.
    left: Arc<AtomicI64>,
    /// Commits that are let through once the world goes on.
    more: Arc<AtomicI64>,
    /// Whether the commit at the cut is made.
    after: bool,
    pub(crate) reached: Arc<Notify>,
    /// The world goes on when this is notified, if ever.
    pub(crate) go: Arc<Notify>,
}

impl Cut {
    pub(crate) fn new(commits: i64, after: bool) -> Self {
        Self {
            left: Arc::new(AtomicI64::new(commits)),
            more: Arc::new(AtomicI64::new(i64::MAX)),
            after,
            reached: Arc::default(),
            go: Arc::default(),
        }
    }

    /// The world stops again after so many more commits.
    pub(crate) fn again_after(&self, commits: i64) {
        self.more.store(commits, Ordering::SeqCst);
    }

    /// Does not return once the cut is reached, because the process is gone; unless it was told to
    /// go on.
    async fn commit(
        &self,
        writer: &mut Box<dyn Writer>,
        batch: &[Append],
    ) -> Result<Vec<AppendOutcome>, StoreError> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left > 0 {
            return writer.commit(batch).await;
        }
        if left < 0 {
            return std::future::pending().await;
        }
        if self.after {
            let outcome = writer.commit(batch).await?;
            self.reached.notify_one();
            self.go.notified().await;
            self.left.store(self.more.swap(i64::MAX, Ordering::SeqCst), Ordering::SeqCst);
            return Ok(outcome);
        }
        self.reached.notify_one();
        self.go.notified().await;
        self.left.store(self.more.swap(i64::MAX, Ordering::SeqCst), Ordering::SeqCst);
        writer.commit(batch).await
    }
}

struct CutWriter(Box<dyn Writer>, Cut);

#[async_trait]
impl Writer for CutWriter {
    async fn commit(&mut self, batch: &[Append]) -> Result<Vec<AppendOutcome>, StoreError> {
        let Self(writer, cut) = self;
        cut.commit(writer, batch).await
    }

    fn take_granted(&mut self) -> Vec<RunId> {
        self.0.take_granted()
    }
}

/// The store behind a cut; everything but commits goes through.
pub(crate) struct CutStore(pub(crate) Arc<dyn Store>, pub(crate) Cut);

type Stored<T> = Result<T, StoreError>;

#[async_trait]
impl Store for CutStore {
    fn writers(&self) -> usize {
        1
    }
    async fn writer(&self) -> Stored<Box<dyn Writer>> {
        Ok(Box::new(CutWriter(self.0.writer().await?, self.1.clone())))
    }
    fn calendars(&self) -> &dyn CalendarStore {
        self.0.calendars()
    }
    fn archive(&self) -> &dyn ArchiveStore {
        self.0.archive()
    }
    fn pools(&self) -> &dyn TaskStore {
        self.0.pools()
    }
    fn fleet(&self) -> &dyn FleetStore {
        self.0.fleet()
    }
    async fn now(&self) -> Stored<Timestamp> {
        self.0.now().await
    }
    async fn put_definition(&self, version: Version, name: &str, text: &[u8]) -> Stored<()> {
        self.0.put_definition(version, name, text).await
    }
    async fn definition(&self, version: Version) -> Stored<Option<Definition>> {
        self.0.definition(version).await
    }
    async fn definitions(&self, name: Option<&str>) -> Stored<Vec<Definition>> {
        self.0.definitions(name).await
    }
    async fn run(&self, run: RunId) -> Stored<Option<RunRecord>> {
        self.0.run(run).await
    }
    async fn find_run(&self, workflow: &str, key: &str) -> Stored<Option<RunRecord>> {
        self.0.find_run(workflow, key).await
    }
    async fn runs(&self, filter: &RunFilter) -> Stored<Vec<RunRecord>> {
        self.0.runs(filter).await
    }
    async fn journal(&self, run: RunId, from: u64, limit: u32) -> Stored<Vec<JournalRow>> {
        self.0.journal(run, from, limit).await
    }
    async fn journals(&self, runs: &[RunId]) -> Stored<Vec<(RunId, JournalRow)>> {
        self.0.journals(runs).await
    }
    async fn claim(&self, node: NodeId, scope: ClaimScope, limit: u32) -> Stored<Vec<Claim>> {
        self.0.claim(node, scope, limit).await
    }
    async fn send(&self, messages: &[Outgoing]) -> Stored<()> {
        self.0.send(messages).await
    }
    async fn inbox(&self, runs: &[RunId]) -> Stored<Vec<InboxRow>> {
        self.0.inbox(runs).await
    }
    async fn owned_with_inbox(&self, node: NodeId, limit: u32) -> Stored<Vec<RunId>> {
        self.0.owned_with_inbox(node, limit).await
    }
    async fn locks(&self, query: &LockQuery) -> Stored<Vec<LockRecord>> {
        self.0.locks(query).await
    }
    async fn next_wake(&self, node: NodeId, scope: ClaimScope) -> Stored<Option<Timestamp>> {
        self.0.next_wake(node, scope).await
    }
    async fn join(&self, node: &NodeRecord, ttl: Duration) -> Stored<Timestamp> {
        self.0.join(node, ttl).await
    }
    async fn renew(&self, node: NodeId, ttl: Duration) -> Stored<Renewal> {
        self.0.renew(node, ttl).await
    }
    async fn leave(&self, node: NodeId) -> Stored<()> {
        self.0.leave(node).await
    }
    async fn nodes(&self) -> Stored<Vec<NodeStatus>> {
        self.0.nodes().await
    }
    async fn expire(&self, node: NodeId) -> Stored<()> {
        self.0.expire(node).await
    }
}
