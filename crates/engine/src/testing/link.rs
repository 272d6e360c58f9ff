//! What joins a node to its store, and its executors to their node: where faults take place.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    around::{Around, Op},
    faults::{Fault, Faults},
};
use crate::{
    model::{NodeId, RunId},
    store::{NodeRecord, Outgoing, Store, StoreError},
};

/// How long a node that is cut off waits for an answer.
const NO_ANSWER: Duration = Duration::from_millis(100);

/// One life of one node, from its start to its crash. Clones are the same life.
#[derive(Clone)]
pub struct Link(Arc<Life>);

struct Life {
    slot: usize,
    faults: Faults,
    /// The store, without faults.
    store: Arc<dyn Store>,
    dead: CancellationToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cut_until: Option<Instant>,
    no_mail_until: Option<Instant>,
    /// The name under which it joined last: a node that lost its lease joins anew.
    last_joined: Option<NodeId>,
}

impl Link {
    /// The life of the node in this place of a cluster.
    pub fn new(slot: usize, store: Arc<dyn Store>, faults: Faults) -> Self {
        let (dead, state) = (CancellationToken::new(), Mutex::default());
        Self(Arc::new(Life { slot, faults, store, dead, state }))
    }

    /// The node's place in the cluster, from 0.
    pub fn slot(&self) -> usize {
        self.0.slot
    }

    /// Whether the node has crashed.
    pub fn is_dead(&self) -> bool {
        self.0.dead.is_cancelled()
    }

    /// Ends when the node has crashed.
    pub async fn died(&self) {
        self.0.dead.cancelled().await;
    }

    /// The node is gone at once: none of its calls reaches the store any more, its executors are
    /// broken off where they stand.
    pub fn kill(&self) {
        self.0.dead.cancel();
    }

    /// The node can't reach the store for so long; it does not know why.
    pub fn cut_off(&self, time: Duration) {
        self.state().cut_until = Some(Instant::now() + time);
    }

    /// Whether the store would let this node act for a run now: it owns the run, and its lease
    /// holds. An executor that writes without is a zombie that was not stopped.
    ///
    /// # Errors
    /// Why not.
    pub async fn right(&self, run: RunId) -> Result<(), String> {
        let me = self.state().last_joined;
        let told = |error: StoreError| error.to_string();
        let record = self.0.store.run(run).await.map_err(told)?;
        let owner = record.and_then(|record| record.owner);
        if owner.is_none() || owner != me {
            return Err(format!("node {} acts for run {run} of {owner:?}", self.0.slot));
        }
        let nodes = self.0.store.nodes().await.map_err(told)?;
        if nodes.iter().any(|node| Some(node.node.id) == me && node.alive) {
            Ok(())
        } else {
            Err(format!("node {} acts for run {run} after its lease", self.0.slot))
        }
    }

    /// A place in an executor where something may go wrong.
    pub async fn point(&self, name: &'static str) {
        self.live().await;
        let fault = self.0.faults.next(self.0.slot, name);
        if let Some(fault) = fault {
            match fault {
                Fault::CrashBefore | Fault::CrashAfter => {
                    self.0.faults.note(fault);
                    self.die::<()>().await;
                }
                Fault::CutOff(time) => {
                    self.0.faults.note(fault);
                    self.cut_off(time);
                }
                Fault::Delay(time) | Fault::Late(time) => {
                    self.0.faults.note(fault);
                    tokio::time::sleep(time).await;
                    self.live().await;
                }
                // These befall calls of the store.
                Fault::Fail
                | Fault::LoseAnswer
                | Fault::Repeat(_)
                | Fault::HideMail(_)
                | Fault::Jump(_) => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never returns in a node that is dead.
    pub(super) async fn live(&self) {
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    async fn die<T>(&self) -> T {
        self.kill();
        std::future::pending().await
    }

    fn is_cut(&self) -> bool {
        self.state().cut_until.is_some_and(|until| until > Instant::now())
    }

    async fn call<T>(
        &self,
        op: Op<'_>,
        call: BoxFuture<'_, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.live().await;
        if self.is_cut() {
            tokio::time::sleep(NO_ANSWER).await;
            self.live().await;
            return Err(away("the node is cut off"));
        }
        let Some(fault) = self.0.faults.next(self.0.slot, op.name()) else { return call.await };
        // A claim whose answer is lost is known to the real stores only by its broken call.
        let fault = match (fault, op) {
            (Fault::LoseAnswer, Op::Claim) => Fault::Fail,
            (fault, _) => fault,
        };
        self.0.faults.note(fault);
        match fault {
            Fault::Fail => return Err(away("a fault")),
            Fault::LoseAnswer => {
                call.await?;
                return Err(away("the answer is lost"));
            }
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::Late(time) => {
                let answer = call.await;
                tokio::time::sleep(time).await;
                self.live().await;
                return answer;
            }
            Fault::CutOff(time) => {
                self.cut_off(time);
                return Err(away("the node is cut off"));
            }
            Fault::CrashBefore => return self.die().await,
            Fault::CrashAfter => {
                let _ = call.await;
                return self.die().await;
            }
            Fault::Repeat(time) => {
                let answer = call.await;
                self.repeat(op, time);
                return answer;
            }
            Fault::HideMail(time) => {
                self.state().no_mail_until = Some(Instant::now() + time);
            }
            Fault::Jump(time) => self.0.faults.jump(time),
        }
        self.live().await;
        call.await
    }

    /// The network delivers once more what it has delivered already.
    fn repeat(&self, op: Op<'_>, time: Duration) {
        let messages: Vec<Outgoing> = match op {
            Op::Commit(batch) => batch.iter().flat_map(|append| append.send.clone()).collect(),
            Op::Send(messages) => messages.to_vec(),
            Op::Claim | Op::Inbox | Op::Other(_) => return,
        };
        let store = Arc::clone(&self.0.store);
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            // Repeated or not: nobody waits for it.
            let _ = store.send(&messages).await;
        });
    }
}

fn away(message: &str) -> StoreError {
    StoreError::Unavailable { message: message.to_owned(), source: None }
}

impl Around for Link {
    fn around<'a, T: Send + 'a>(
        &'a self,
        op: Op<'a>,
        call: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(self.call(op, call))
    }

    /// Nodes of one process live and die apart here: none may be taken for dead because of the
    /// process.
    fn joining(&self, node: &NodeRecord) -> NodeRecord {
        let mut state = self.state();
        state.last_joined = Some(node.id);
        let pid = u32::try_from(self.0.slot).unwrap_or(u32::MAX);
        NodeRecord { host: String::new(), pid, started: 0, ..node.clone() }
    }

    fn shows_mail(&self) -> bool {
        self.state().no_mail_until.is_none_or(|until| until <= Instant::now())
    }
}
