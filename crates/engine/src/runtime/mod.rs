//! The runtime: what makes runs go. Shards fold inputs into turns and commit them in groups;
//! attempts run beside them; the keeper holds the lease and looks for what others left to do.

mod active;
mod arrive;
mod attempt;
mod clock;
mod config;
mod drain;
mod group;
mod host;
mod identity;
mod journal;
mod keeper;
mod lease;
mod limits;
mod message;
mod moving;
mod payload;
mod perform;
mod plans;
mod pool;
mod pulse;
mod random;
mod recovery;
mod retention;
mod schedules;
mod shard;
mod shared;
pub mod telemetry;
mod windows;

use std::sync::{Arc, Mutex, RwLock, atomic::AtomicBool};

use tokio::{
    sync::{Notify, Semaphore, broadcast, mpsc},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    step::{CredentialSource, Registry},
    store::{ClaimScope, Store, StoreError},
};

pub(crate) use active::outgoing;
pub use config::Config;
pub(crate) use journal::{
    Unreadable, encode as encode_journal, large_values, read as read_journal,
};
pub use message::Outcome;
pub(crate) use message::{Message, Start, Started};
pub(crate) use moving::MOVE_MAIL;
pub(crate) use plans::Deployed;
pub use plans::PlanUnavailable;
pub(crate) use pool::task_name;
pub use pool::{Worker, WorkerBuilder};
pub(crate) use schedules::{encode as encode_schedule, first_state};
pub(crate) use shared::{Live, Shared};
pub(crate) use windows::{WINDOW_MAIL, decode_windows};

/// How many live events a slow watcher may fall behind before it has to read the journal.
const LIVE_EVENTS: usize = 4096;

/// A running node.
pub(crate) struct Node {
    pub(crate) shared: Arc<Shared>,
    stop: CancellationToken,
    shards: Mutex<Vec<JoinHandle<()>>>,
    keepers: Mutex<Vec<JoinHandle<()>>>,
}

impl Node {
    /// Joins the store and starts to work.
    pub(crate) async fn start(
        store: Arc<dyn Store>,
        registry: Registry,
        credentials: Arc<dyn CredentialSource>,
        config: Config,
    ) -> Result<Self, StoreError> {
        let asked = Instant::now();
        let clock = clock::DatabaseClock::new(asked, store.now().await?);
        let mut receivers = Vec::new();
        let mut senders = Vec::new();
        for _ in 0..store.writers().max(1) {
            let (sender, receiver) = mpsc::unbounded_channel();
            senders.push(sender);
            receivers.push((store.writer().await?, receiver));
        }
        let shared = Arc::new(Shared {
            identity: RwLock::new(shared::Identity {
                node: crate::model::NodeId(uuid::Uuid::nil()),
                life: 0,
            }),
            active: Arc::default(),
            parked: Notify::new(),
            draining: Mutex::default(),
            left: AtomicBool::new(false),
            claimed: Mutex::default(),
            lease: lease::Lease::new(config.lease),
            plans: plans::Plans::new(config.executor_limits.clone(), config.pool_limits.clone()),
            permits: Arc::new(Semaphore::new(config.max_in_flight)),
            live: broadcast::channel(LIVE_EVENTS).0,
            shards: senders,
            known_windows: windows::KnownWindows::default(),
            claims: Mutex::new(config.claims.into_iter().collect()),
            stuck: Mutex::default(),
            random: random::Random::new(config.seed),
            store,
            registry,
            credentials,
            clock,
            config,
        });
        shared.read_windows().await?;
        keeper::join(&shared).await?;
        let shards = receivers
            .into_iter()
            .map(|(writer, receiver)| {
                tokio::spawn(shard::Shard::new(Arc::clone(&shared), writer, receiver).work())
            })
            .collect();
        let stop = CancellationToken::new();
        let keepers = vec![
            tokio::spawn(keeper::keep_lease(Arc::clone(&shared), stop.clone())),
            tokio::spawn(keeper::poll(Arc::clone(&shared), stop.clone())),
            tokio::spawn(retention::keep_small(Arc::clone(&shared), stop.clone())),
        ];
        Ok(Self { shared, stop, shards: Mutex::new(shards), keepers: Mutex::new(keepers) })
    }

    /// Takes over what is due now. Returns how many runs.
    pub(crate) async fn recover(&self, scope: ClaimScope) -> Result<usize, StoreError> {
        recovery::claim_all(&self.shared, scope).await
    }

    /// Finishes or checkpoints what runs, then leaves the store.
    pub(crate) async fn shutdown(&self) -> Result<(), StoreError> {
        let take = |handles: &Mutex<Vec<JoinHandle<()>>>| {
            std::mem::take(&mut *handles.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
        };
        let shards = take(&self.shards);
        if shards.is_empty() {
            return Ok(());
        }
        self.shared.tell_all(|| Message::Drain);
        let drained = futures::future::join_all(shards);
        tokio::pin!(drained);
        // Attempts get their grace twice: to stop by themselves, and to be broken off. What must
        // not be interrupted is waited for, however long it takes.
        let grace = self.shared.config.stop_grace;
        if tokio::time::timeout(grace * 2, &mut drained).await.is_err() {
            self.shared.tell_all(|| Message::Abort);
            drained.await;
        }
        self.stop.cancel();
        futures::future::join_all(take(&self.keepers)).await;
        // First the fence, then the runs: another node may have them from then on.
        self.shared.lease.lost();
        self.shared.store.leave(self.shared.node()).await
    }
}

impl Drop for Node {
    /// A node that is dropped without [`Node::shutdown`] stops like a killed process: at once, and
    /// without losing anything that was recorded.
    fn drop(&mut self) {
        self.stop.cancel();
        self.shared.lease.lost();
        for handles in [&self.shards, &self.keepers] {
            let handles = handles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            handles.iter().for_each(JoinHandle::abort);
        }
    }
}
