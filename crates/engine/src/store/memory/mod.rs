//! A store in memory: for tests, simulations and dry runs. Its clock can be a simulation's.

mod archive;
mod calendar;
mod fleet;
mod locks;
mod state;
mod tasks;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Mutex, MutexGuard};

use super::{
    Append, AppendOutcome, ArchiveStore, Archived, CalendarStore, Claim, ClaimScope, Clock,
    Definition, FleetStore, InboxRow, JournalRow, LockQuery, LockRecord, NodeRecord, NodeStatus,
    Outgoing, Renewal, RunFilter, RunRecord, Store, StoreError, SystemClock, TaskStore, Writer,
    append::{check_key, in_order},
};
use crate::model::{NodeId, RunId, Timestamp, Version};

use state::State;

/// A store in memory. Clones share what they hold.
#[derive(Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    /// An empty store on the machine's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store on another clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { state: Arc::default(), clock }
    }

    /// A store of runs that were read from somewhere else.
    pub(crate) fn of_archive(archived: Archived) -> Self {
        let store = Self::new();
        Self { state: Arc::new(Mutex::new(State::of_archive(archived))), ..store }
    }

    async fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().await
    }
}

struct MemoryWriter {
    store: MemoryStore,
    granted: Vec<RunId>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Writer for MemoryWriter {
    async fn commit(&mut self, batch: &[Append]) -> Result<Vec<AppendOutcome>, StoreError> {
        in_order(batch)?;
        let now = self.store.clock.now();
        let mut state = self.store.state().await;
        let outcomes = batch.iter().map(|append| state.append(append, now)).collect();
        self.granted = state.take_granted();
        Ok(outcomes)
    }

    fn take_granted(&mut self) -> Vec<RunId> {
        std::mem::take(&mut self.granted)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn writers(&self) -> usize {
        1
    }

    async fn writer(&self) -> Result<Box<dyn Writer>, StoreError> {
        Ok(Box::new(MemoryWriter { store: self.clone(), granted: Vec::new() }))
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
        let at = self.clock.now();
        let canonical = Bytes::copy_from_slice(canonical);
        self.state().await.put_definition(Definition {
            version,
            name: name.to_owned(),
            canonical,
            at,
        });
        Ok(())
    }

    async fn definition(&self, version: Version) -> Result<Option<Definition>, StoreError> {
        Ok(self.state().await.definition(version))
    }

    async fn definitions(&self, name: Option<&str>) -> Result<Vec<Definition>, StoreError> {
        Ok(self.state().await.definitions(name))
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        Ok(self.state().await.run(run))
    }

    async fn find_run(
        &self,
        workflow: &str,
        idempotency_key: &str,
    ) -> Result<Option<RunRecord>, StoreError> {
        Ok(self.state().await.find_run(workflow, idempotency_key))
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        Ok(self.state().await.runs(filter))
    }

    async fn journal(
        &self,
        run: RunId,
        from_seq: u64,
        limit: u32,
    ) -> Result<Vec<JournalRow>, StoreError> {
        Ok(self.state().await.journal(run, from_seq, limit))
    }

    async fn journals(&self, runs: &[RunId]) -> Result<Vec<(RunId, JournalRow)>, StoreError> {
        Ok(self.state().await.journals(runs))
    }

    async fn claim(
        &self,
        node: NodeId,
        scope: ClaimScope,
        limit: u32,
    ) -> Result<Vec<Claim>, StoreError> {
        let now = self.clock.now();
        Ok(self.state().await.claim(node, scope, limit, now))
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<(), StoreError> {
        messages.iter().try_for_each(Outgoing::check)?;
        self.state().await.send(messages);
        Ok(())
    }

    async fn inbox(&self, runs: &[RunId]) -> Result<Vec<InboxRow>, StoreError> {
        Ok(self.state().await.inbox(runs))
    }

    async fn owned_with_inbox(&self, node: NodeId, limit: u32) -> Result<Vec<RunId>, StoreError> {
        Ok(self.state().await.owned_with_inbox(node, limit))
    }

    async fn locks(&self, query: &LockQuery) -> Result<Vec<LockRecord>, StoreError> {
        Ok(self.state().await.locks(query))
    }

    async fn next_wake(
        &self,
        node: NodeId,
        scope: ClaimScope,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.state().await.next_wake(node, scope))
    }

    async fn join(&self, node: &NodeRecord, ttl: Duration) -> Result<Timestamp, StoreError> {
        let now = self.clock.now();
        if self.state().await.join(node, now.after(ttl), now) {
            Ok(now)
        } else {
            Err(StoreError::joined_before(node.id))
        }
    }

    async fn renew(&self, node: NodeId, ttl: Duration) -> Result<Renewal, StoreError> {
        let now = self.clock.now();
        Ok(self.state().await.renew(node, now.after(ttl), now))
    }

    async fn leave(&self, node: NodeId) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.state().await.leave(node, now);
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeStatus>, StoreError> {
        let now = self.clock.now();
        Ok(self.state().await.nodes(now))
    }

    async fn expire(&self, node: NodeId) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.state().await.expire(node, now);
        Ok(())
    }
}
