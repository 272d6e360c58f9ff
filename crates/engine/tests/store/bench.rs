//! A store to test, and short words for what the tests do with it.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use rackwright_engine::{
    model::{NodeId, RunId, Timestamp, Version},
    store::{
        Append, AppendOutcome, MemoryStore, NewRun, NodeRecord, Outgoing, PostgresStore, RunStatus,
        RunUpdate, SqliteStore, Store,
    },
};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) use crate::databases::{drop_database, new_database, next, server};

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// The stores under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Memory,
    Sqlite,
    Postgres,
}

/// A new, empty store.
pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) url: String,
    _dir: Option<TempDir>,
}

/// Writes a module with one test for each backend.
macro_rules! each_backend {
    ($($test:ident),* $(,)?) => {$(
        mod $test {
            use crate::bench::{Backend, run};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn memory() {
                run(Backend::Memory, super::$test).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run(Backend::Sqlite, super::$test).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                run(Backend::Postgres, super::$test).await;
            }
        }
    )*};
}
pub(crate) use each_backend;

/// Runs a test on a new store of this kind.
pub(crate) async fn run<F: Future<Output = ()>>(
    backend: Backend,
    test: impl FnOnce(Arc<Bench>) -> F,
) {
    match backend {
        Backend::Memory => {
            let store = Arc::new(MemoryStore::new());
            test(Arc::new(Bench { store, url: "memory:".to_owned(), _dir: None })).await;
        }
        Backend::Sqlite => {
            let dir = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}", dir.path().join("test.db").display());
            let store = Arc::new(SqliteStore::open(&url).await.unwrap());
            test(Arc::new(Bench { store, url, _dir: Some(dir) })).await;
        }
        Backend::Postgres => {
            let Some(server) = server() else { return };
            let url = new_database(&server).await;
            let store = Arc::new(PostgresStore::open(&url).await.unwrap());
            test(Arc::new(Bench { store, url: url.clone(), _dir: None })).await;
            drop_database(&server, &url).await;
        }
    }
}

/// A new run id; later ones are greater.
pub(crate) fn new_run() -> RunId {
    let n = next();
    RunId::from_parts(at(1_700_000_000_000_000 + i64::try_from(n).unwrap() * 1000), n.into())
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn node(n: u128) -> NodeRecord {
    NodeRecord {
        id: NodeId(Uuid::from_u128(0xabcd_0000 + n)),
        name: format!("node-{n}"),
        host: "boot".to_owned(),
        pid: 4711,
        started: 1 << 40,
        quarantine_after: None,
        labels: BTreeMap::new(),
        capacity: 10,
    }
}

/// A row without ride-alongs.
pub(crate) fn plain(run: RunId, seq: u64, epoch: u64) -> Append {
    Append {
        run,
        seq,
        epoch,
        at: at(1_000 + i64::try_from(seq).unwrap()),
        events: Bytes::from(format!("[{{\"seq\":{seq},\"epoch\":{epoch}}}]")),
        create: None,
        update: None,
        consumed: Vec::new(),
        send: Vec::new(),
        locks: Vec::new(),
        tasks: Vec::new(),
        blobs: Vec::new(),
    }
}

/// Row 0 of a run of `test`, pending and nobody's.
pub(crate) fn create(run: RunId) -> Append {
    let new = NewRun {
        workflow: "test".to_owned(),
        version: Version([7; 32]),
        idempotency_key: None,
        parent: None,
        root: run,
        labels: BTreeMap::new(),
        requires: BTreeMap::new(),
        status: RunStatus::Pending,
        owner: None,
    };
    Append { create: Some(Box::new(new)), ..plain(run, 0, 0) }
}

/// Row 0 of a run that `owner` runs at epoch 1.
pub(crate) fn create_owned(run: RunId, owner: &NodeRecord) -> Append {
    let mut append = Append { epoch: 1, ..create(run) };
    if let Some(new) = &mut append.create {
        new.status = RunStatus::Running;
        new.owner = Some(owner.id);
    }
    append
}

pub(crate) fn update(status: RunStatus, wake_at: Option<Timestamp>, release: bool) -> RunUpdate {
    RunUpdate { status, wake_at, release, version: None }
}

pub(crate) fn message(to: RunId, dedup: &str) -> Outgoing {
    Outgoing { to, dedup: dedup.to_owned(), body: Bytes::from(format!("body of {dedup}")) }
}

impl Bench {
    pub(crate) async fn commit(&self, batch: &[Append]) -> Vec<AppendOutcome> {
        self.store.writer().await.unwrap().commit(batch).await.unwrap()
    }

    /// Commits appends that must go in.
    pub(crate) async fn put(&self, batch: &[Append]) {
        let outcomes = self.commit(batch).await;
        assert!(outcomes.iter().all(|o| *o == AppendOutcome::Committed), "{outcomes:?}");
    }

    /// Joins a node for an hour.
    pub(crate) async fn join(&self, n: u128) -> NodeRecord {
        let node = node(n);
        self.store.join(&node, HOUR).await.unwrap();
        node
    }

    /// The sequence numbers in the journal.
    pub(crate) async fn seqs(&self, run: RunId) -> Vec<u64> {
        let rows = self.store.journal(run, 0, 100_000).await.unwrap();
        rows.iter().map(|row| row.seq).collect()
    }

    /// The keys of the waiting messages.
    pub(crate) async fn mail(&self, run: RunId) -> Vec<String> {
        self.store.inbox(&[run]).await.unwrap().into_iter().map(|row| row.dedup).collect()
    }
}
