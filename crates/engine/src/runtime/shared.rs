//! What the parts of a node share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, Semaphore, broadcast, mpsc};

use super::{
    clock::DatabaseClock, config::Config, lease::Lease, message::Message, plans::Plans,
    random::Random, recovery::Claimed, windows::KnownWindows,
};
use crate::{
    machine::Created,
    model::{NodeId, RunId, Timestamp},
    step::{CredentialSource, Registry, SubtaskReport},
    store::{ClaimScope, Store},
};

/// Something that watchers of a run want to know at once.
#[derive(Clone, Debug)]
pub(crate) enum Live {
    /// A row was committed.
    Committed(RunId),
    /// A sub-task was reported; the journal follows.
    Report { run: RunId, path: String, attempt: u32, at: Timestamp, report: SubtaskReport },
}

/// Who a node is. A node that lost its lease goes on as another: what it took as the former one,
/// it may neither write nor act for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(super) node: NodeId,
    pub(super) life: u64,
}

/// A run's place in the memory of its node, given back when it is dropped.
pub(super) struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Registry,
    pub(crate) credentials: Arc<dyn CredentialSource>,
    pub(crate) config: Config,
    pub(super) random: Random,
    pub(crate) clock: DatabaseClock,
    pub(crate) lease: Lease,
    /// Who this node is, and in which life of its lease it became that.
    pub(super) identity: RwLock<Identity>,
    /// How many runs the node has in memory.
    pub(super) active: Arc<AtomicUsize>,
    /// A run was parked that is due before the node would look around again.
    pub(super) parked: Notify,
    /// Who wants the node empty, if anybody does.
    pub(super) draining: Mutex<Option<String>>,
    /// Runs were started here beyond the node's room: until they have been taken, those that are
    /// started after them stand in line behind them.
    pub(super) left: AtomicBool,
    /// Claimed, and not handed to a shard yet.
    pub(super) claimed: Mutex<Vec<Claimed>>,
    pub(crate) plans: Plans,
    /// One for each attempt whose end is not durable yet.
    pub(super) permits: Arc<Semaphore>,
    pub(crate) live: broadcast::Sender<Live>,
    pub(crate) shards: Vec<mpsc::UnboundedSender<Message>>,
    /// The maintenance windows, as they were read last.
    pub(super) known_windows: KnownWindows,
    /// Which runs the node takes over.
    pub(crate) claims: Mutex<Vec<ClaimScope>>,
    /// Runs that this node owns but can't carry on, and why.
    pub(super) stuck: Mutex<BTreeMap<RunId, String>>,
}

impl Shared {
    /// The node's present identity.
    pub(crate) fn node(&self) -> NodeId {
        self.identity().node
    }

    /// The node's present identity, with its life.
    pub(super) fn identity(&self) -> Identity {
        *self.identity.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what was taken in this life is still this node's to write and to act for.
    pub(super) fn is_current(&self, identity: Identity) -> bool {
        self.lease.life() == identity.life
    }

    /// Whether the shard of a run works no more.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.shards.iter().all(mpsc::UnboundedSender::is_closed)
    }

    /// A place for a run.
    pub(super) fn seat(&self) -> Seat {
        self.active.fetch_add(1, Ordering::Relaxed);
        Seat(Arc::clone(&self.active))
    }

    /// How many more runs the node may take over.
    pub(super) fn room(&self) -> usize {
        if self.draining().is_some() {
            return 0;
        }
        let claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner).len();
        let taken = self.active.load(Ordering::Relaxed) + claimed;
        self.config.max_active.saturating_sub(taken)
    }

    /// Whether a new run is begun here. Beyond its room a node leaves what it starts to whoever has
    /// room next, if that may be itself; a child is begun all the same, since its parent stays in
    /// memory for it.
    pub(super) fn begins(&self, created: &Created) -> bool {
        if !self.takes(&created.requires) {
            return false;
        }
        let must = || created.parent.is_some() || !self.claims().contains(&ClaimScope::All);
        let full = self.left.load(Ordering::SeqCst) || self.room() == 0;
        if full && !must() {
            self.left.store(true, Ordering::SeqCst);
            return false;
        }
        true
    }

    /// Which runs the node takes over.
    pub(crate) fn claims(&self) -> Vec<ClaimScope> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands a message to the shard of a run. Lost if the node has shut down: whoever waits for an
    /// answer sees its channel close.
    pub(crate) fn tell(&self, run: RunId, message: Message) {
        // The last bytes of a UUIDv7 are random.
        let [.., last] = *run.0.as_bytes();
        let _ = self.shards[usize::from(last) % self.shards.len()].send(message);
    }

    /// Hands a message to every shard.
    pub(crate) fn tell_all(&self, message: impl Fn() -> Message) {
        for shard in &self.shards {
            let _ = shard.send(message());
        }
    }

    /// Tells watchers, if there are any.
    pub(crate) fn publish(&self, live: impl FnOnce() -> Live) {
        if self.live.receiver_count() > 0 {
            let _ = self.live.send(live());
        }
    }

    /// Notes that this node owns a run and can't carry it on.
    pub(crate) fn set_stuck(&self, run: RunId, reason: String) {
        tracing::error!(%run, reason, "the run can't be carried on here");
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).insert(run, reason);
    }

    /// Runs that this node owns but can't carry on, and why.
    pub(crate) fn stuck(&self) -> Vec<(RunId, String)> {
        let stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.iter().map(|(run, reason)| (*run, reason.clone())).collect()
    }

    /// The run is carried on after all.
    pub(super) fn clear_stuck(&self, run: RunId) {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    /// A fresh run id.
    pub(crate) fn new_run_id(&self) -> RunId {
        RunId::from_parts(self.clock.now(), self.random.many_bits())
    }
}
