//! A store inside something else: every call goes through one place.

mod archive;
mod calendar;
mod fleet;
mod tasks;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::{
    model::{NodeId, RunId, Timestamp, Version},
    store::{
        Append, AppendOutcome, ArchiveStore, CalendarStore, Claim, ClaimScope, Definition,
        FleetStore, InboxRow, JournalRow, LockQuery, LockRecord, NodeRecord, NodeStatus, Outgoing,
        Renewal, RunFilter, RunRecord, Store, StoreError, TaskStore, Writer,
    },
};

/// A call of a store, as far as what goes wrong depends on it.
#[derive(Clone, Copy, Debug)]
pub enum Op<'a> {
    /// A commit of these appends.
    Commit(&'a [Append]),
    /// Messages are sent.
    Send(&'a [Outgoing]),
    /// Runs are claimed.
    Claim,
    /// Mail is read.
    Inbox,
    /// Any other, by its name.
    Other(&'static str),
}

impl Op<'_> {
    /// The name of the call.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Commit(_) => "commit",
            Self::Send(_) => "send",
            Self::Claim => "claim",
            Self::Inbox => "inbox",
            Self::Other(name) => name,
        }
    }
}

type Stored<T> = Result<T, StoreError>;

/// What is done around the calls of a store.
pub trait Around: Clone + Send + Sync + 'static {
    /// Makes the call, or not.
    fn around<'a, T: Send + 'a>(
        &'a self,
        op: Op<'a>,
        call: BoxFuture<'a, Stored<T>>,
    ) -> BoxFuture<'a, Stored<T>>;

    /// How many writers the nodes use, of so many that the store asks for.
    fn writers(&self, of: usize) -> usize {
        of
    }

    /// The record that a node joins with.
    fn joining(&self, node: &NodeRecord) -> NodeRecord {
        node.clone()
    }

    /// Whether mail can be seen now.
    fn shows_mail(&self) -> bool {
        true
    }
}

/// A store with something around its calls.
#[derive(Clone)]
pub struct Wrapped<A> {
    inner: Arc<dyn Store>,
    around: A,
}

impl<A: Around> Wrapped<A> {
    /// Puts `around` around the calls of a store and of its writers.
    pub fn new(inner: Arc<dyn Store>, around: A) -> Self {
        Self { inner, around }
    }
}

struct WrappedWriter<A> {
    inner: Box<dyn Writer>,
    around: A,
}

#[async_trait]
impl<A: Around> Writer for WrappedWriter<A> {
    async fn commit(&mut self, batch: &[Append]) -> Stored<Vec<AppendOutcome>> {
        let Self { inner, around } = self;
        around.around(Op::Commit(batch), inner.commit(batch)).await
    }

    fn take_granted(&mut self) -> Vec<RunId> {
        self.inner.take_granted()
    }
}

impl<A: Around> Wrapped<A> {
    async fn call<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        call: BoxFuture<'a, Stored<T>>,
    ) -> Stored<T> {
        self.around.around(Op::Other(name), call).await
    }
}

#[async_trait]
impl<A: Around> Store for Wrapped<A> {
    fn writers(&self) -> usize {
        self.around.writers(self.inner.writers())
    }

    async fn writer(&self) -> Stored<Box<dyn Writer>> {
        let inner = self.call("writer", self.inner.writer()).await?;
        Ok(Box::new(WrappedWriter { inner, around: self.around.clone() }))
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

    async fn now(&self) -> Stored<Timestamp> {
        self.call("now", self.inner.now()).await
    }

    async fn put_definition(&self, version: Version, name: &str, canonical: &[u8]) -> Stored<()> {
        self.call("put_definition", self.inner.put_definition(version, name, canonical)).await
    }

    async fn definition(&self, version: Version) -> Stored<Option<Definition>> {
        self.call("definition", self.inner.definition(version)).await
    }

    async fn definitions(&self, name: Option<&str>) -> Stored<Vec<Definition>> {
        self.call("definitions", self.inner.definitions(name)).await
    }

    async fn run(&self, run: RunId) -> Stored<Option<RunRecord>> {
        self.call("run", self.inner.run(run)).await
    }

    async fn find_run(&self, workflow: &str, key: &str) -> Stored<Option<RunRecord>> {
        self.call("find_run", self.inner.find_run(workflow, key)).await
    }

    async fn runs(&self, filter: &RunFilter) -> Stored<Vec<RunRecord>> {
        self.call("runs", self.inner.runs(filter)).await
    }

    async fn journal(&self, run: RunId, from: u64, limit: u32) -> Stored<Vec<JournalRow>> {
        self.call("journal", self.inner.journal(run, from, limit)).await
    }

    async fn journals(&self, runs: &[RunId]) -> Stored<Vec<(RunId, JournalRow)>> {
        self.call("journals", self.inner.journals(runs)).await
    }

    async fn claim(&self, node: NodeId, scope: ClaimScope, limit: u32) -> Stored<Vec<Claim>> {
        self.around.around(Op::Claim, self.inner.claim(node, scope, limit)).await
    }

    async fn send(&self, messages: &[Outgoing]) -> Stored<()> {
        self.around.around(Op::Send(messages), self.inner.send(messages)).await
    }

    async fn inbox(&self, runs: &[RunId]) -> Stored<Vec<InboxRow>> {
        let rows = self.around.around(Op::Inbox, self.inner.inbox(runs)).await?;
        Ok(if self.around.shows_mail() { rows } else { Vec::new() })
    }

    async fn owned_with_inbox(&self, node: NodeId, limit: u32) -> Stored<Vec<RunId>> {
        self.call("owned_with_inbox", self.inner.owned_with_inbox(node, limit)).await
    }

    async fn locks(&self, query: &LockQuery) -> Stored<Vec<LockRecord>> {
        self.call("locks", self.inner.locks(query)).await
    }

    async fn next_wake(&self, node: NodeId, scope: ClaimScope) -> Stored<Option<Timestamp>> {
        self.call("next_wake", self.inner.next_wake(node, scope)).await
    }

    async fn join(&self, node: &NodeRecord, ttl: Duration) -> Stored<Timestamp> {
        let node = self.around.joining(node);
        self.call("join", self.inner.join(&node, ttl)).await
    }

    async fn renew(&self, node: NodeId, ttl: Duration) -> Stored<Renewal> {
        self.call("renew", self.inner.renew(node, ttl)).await
    }

    async fn leave(&self, node: NodeId) -> Stored<()> {
        self.call("leave", self.inner.leave(node)).await
    }

    async fn nodes(&self) -> Stored<Vec<NodeStatus>> {
        self.call("nodes", self.inner.nodes()).await
    }

    async fn expire(&self, node: NodeId) -> Stored<()> {
        self.call("expire", self.inner.expire(node)).await
    }
}
