//! Workers: they take calls of their pools out of the queue and make them.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    host::WorkerHost,
    lease::Grip,
    task::{PoolCall, lost},
};
use crate::{
    machine::{Call, Input},
    model::{ErrorClass, MAX_PAYLOAD, RunId, StepError},
    runtime::{
        attempt::{Purpose, make},
        clock::DatabaseClock,
        limits::Limits,
        message::Message,
        pulse::Pulse,
        shared::Shared,
    },
    step::{
        AttemptInfo, CredentialSource, DynExecutor, NoCredentials, Registry, StepContext, StepHost,
    },
    store::{Store, StoreError, TaskLease},
};

/// Makes the calls of steps that are left to a pool (`pool:`), beside an engine or in a process of
/// its own that needs no node. Dropped without [`Worker::shutdown`] it stops like a killed process:
/// its calls count as lost once their leases have run out.
pub struct Worker {
    stop: CancellationToken,
    work: Option<JoinHandle<()>>,
}

/// Puts a [`Worker`] together.
#[derive(Clone)]
pub struct WorkerBuilder {
    store: Arc<dyn Store>,
    registry: Registry,
    credentials: Arc<dyn CredentialSource>,
    node: Option<Arc<Shared>>,
    name: String,
    pools: Vec<String>,
    slots: usize,
    lease: Duration,
    poll: Duration,
    stop_grace: Duration,
    max_payload: usize,
}

/// What a worker's calls share.
pub(super) struct Shop {
    pub(super) store: Arc<dyn Store>,
    pub(super) credentials: Arc<dyn CredentialSource>,
    pub(super) clock: DatabaseClock,
    pub(super) ttl: Duration,
    pub(super) max_payload: usize,
    registry: Registry,
    /// The node in this process, if there is one: it is told of mail.
    node: Option<Arc<Shared>>,
    name: String,
    pools: Vec<String>,
    slots: usize,
    poll: Duration,
    stop_grace: Duration,
    /// The worker stops: calls are told, and given back.
    closing: CancellationToken,
}

impl Worker {
    /// A worker on this store, without pools yet.
    pub fn builder(store: Arc<dyn Store>) -> WorkerBuilder {
        WorkerBuilder {
            store,
            registry: Registry::new(),
            credentials: Arc::new(NoCredentials),
            node: None,
            name: "worker".to_owned(),
            pools: Vec::new(),
            slots: 4,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            stop_grace: Duration::from_secs(10),
            max_payload: MAX_PAYLOAD,
        }
    }

    /// Stops: attempts are told to stop, what they finish is recorded, and what they leave is given
    /// back. What must not be interrupted is waited for.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(work) = self.work.take() {
            let _ = work.await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            work.abort();
        }
    }
}

impl WorkerBuilder {
    pub(crate) fn beside(mut self, node: &Arc<Shared>) -> Self {
        self.registry = node.registry.clone();
        self.credentials = Arc::clone(&node.credentials);
        self.max_payload = node.config.max_payload;
        self.stop_grace = node.config.stop_grace;
        self.poll = node.config.poll;
        self.node = Some(Arc::clone(node));
        self
    }

    /// A pool that it works for; may be said more than once.
    #[must_use]
    pub fn pool(mut self, name: impl Into<String>) -> Self {
        self.pools.push(name.into());
        self
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The executors that it has.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Where credentials come from; none by default.
    #[must_use]
    pub fn credentials(mut self, source: impl CredentialSource) -> Self {
        self.credentials = Arc::new(source);
        self
    }

    /// How many calls it makes at once.
    #[must_use]
    pub fn slots(mut self, slots: usize) -> Self {
        self.slots = slots.max(1);
        self
    }

    /// How long its right to a call holds without being renewed. It stops acting after two thirds;
    /// after the whole the call counts as lost.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How often it looks for calls.
    #[must_use]
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// How long an attempt that was told to stop may take to do so.
    #[must_use]
    pub fn stop_grace(mut self, grace: Duration) -> Self {
        self.stop_grace = grace;
        self
    }

    /// The largest output, in bytes of JSON.
    #[must_use]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Begins to work.
    ///
    /// # Errors
    /// What the store says.
    pub async fn start(self) -> Result<Worker, StoreError> {
        let stop = CancellationToken::new();
        let asked = Instant::now();
        let shared = Shop {
            clock: DatabaseClock::new(asked, self.store.now().await?),
            store: self.store,
            credentials: self.credentials,
            ttl: self.lease,
            max_payload: self.max_payload,
            registry: self.registry,
            node: self.node,
            name: self.name,
            pools: self.pools,
            slots: self.slots,
            poll: self.poll,
            stop_grace: self.stop_grace,
            closing: stop.clone(),
        };
        let work = tokio::spawn(Arc::new(shared).work(stop.clone()));
        Ok(Worker { stop, work: Some(work) })
    }
}

impl Shop {
    /// Mail for a run: its node may be in this process.
    pub(super) fn look(&self, run: RunId) {
        if let Some(node) = &self.node {
            node.tell(run, Message::Look(run));
        }
    }

    async fn work(self: Arc<Self>, stop: CancellationToken) {
        // Dropped with this task, so that a worker that is dropped makes no calls any more.
        let mut calls = JoinSet::new();
        loop {
            let free = self.slots.saturating_sub(calls.len());
            let taken = self.take(free, &mut calls).await;
            // As long as there is more, and room for it, there is no rest.
            if taken == 0 || calls.len() >= self.slots {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    Some(_) = calls.join_next() => {}
                    () = tokio::time::sleep(self.poll) => {}
                }
            }
            if stop.is_cancelled() {
                break;
            }
        }
        while calls.join_next().await.is_some() {}
    }

    /// Takes calls, and says how many.
    async fn take(self: &Arc<Self>, free: usize, calls: &mut JoinSet<()>) -> usize {
        if free == 0 {
            return 0;
        }
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        let asked = Instant::now();
        let pools = self.store.pools();
        let leases = match pools.reap_tasks().await {
            Ok(told) => {
                for run in told {
                    self.look(run);
                }
                pools.lease_tasks(&self.pools, &self.name, limit, self.ttl).await
            }
            Err(error) => Err(error),
        };
        match leases {
            Ok(leases) => {
                let taken = leases.len();
                for lease in leases {
                    let grip = Grip::new(asked, self.ttl);
                    calls.spawn(Arc::clone(self).perform(lease, grip));
                }
                taken
            }
            Err(error) => {
                tracing::warn!(%error, "could not look for calls");
                0
            }
        }
    }

    async fn perform(self: Arc<Self>, lease: TaskLease, grip: Grip) {
        let PoolCall { call, purpose } = match serde_json::from_slice(&lease.call) {
            Ok(call) => call,
            Err(error) => {
                // Written by another release: one that can read it takes it when the lease is over.
                tracing::error!(run = %lease.run, %error, "a call can't be read here");
                return;
            }
        };
        let executor = self.registry.get(&call.uses).cloned();
        let about = executor.as_ref().map(|it| it.describe());
        let runs = purpose == Purpose::Run;
        let may_hold = about.filter(|_| runs).map(|about| about.revocable);
        let uninterruptible = about.is_some_and(|about| about.uninterruptible);
        let pulse = Pulse::new(call.heartbeat.filter(|_| runs));
        let host = WorkerHost::new(Arc::clone(&self), lease, grip, call.task, may_hold, pulse);
        let host = Arc::new(host);
        let Some(executor) = executor else {
            let message = format!("worker `{}` has no executor `{}`", self.name, call.uses);
            let error = StepError::permanent("engine.unknown_executor", message);
            return host.finish(&purpose.refused(call.task, call.attempt, error)).await;
        };
        let stop = CancellationToken::new();
        let said = tokio::select! {
            biased;
            said = self.make(&*executor, &host, &call, &purpose, &stop) => said,
            () = self.beats(&host, &stop, uninterruptible) => {
                tracing::warn!(run = %host.lease.run, path = call.path, "the lease on a call is lost");
                return;
            }
        };
        let given_up = self.closing.is_cancelled() && is_stopped(&said);
        let said = if given_up { lost(&call, &purpose) } else { said };
        host.finish(&said).await;
    }

    async fn make(
        &self,
        executor: &dyn DynExecutor,
        host: &Arc<WorkerHost>,
        call: &Call,
        purpose: &Purpose,
        stop: &CancellationToken,
    ) -> Input {
        let deadline = call.timeout.map(|timeout| Instant::now() + timeout);
        let info = Arc::new(AttemptInfo {
            run: host.lease.run,
            path: call.path.clone(),
            attempt: call.attempt,
            deadline,
            saved: call.saved.as_deref().cloned(),
        });
        let context = StepContext::new(info, Arc::clone(host) as Arc<dyn StepHost>, stop.clone());
        let (stop, grace) = (stop.clone(), self.stop_grace);
        let limits = Limits { deadline, stop, pulse: &host.pulse, call, grace };
        let late = |report| host.tell_report(report);
        let named = |error| host.name_subtask(error);
        make(executor, &context, purpose, &limits, self.max_payload, (late, named)).await
    }

    /// Renews the lease until it is lost, and passes on that the call is to stop.
    async fn beats(&self, host: &WorkerHost, stop: &CancellationToken, uninterruptible: bool) {
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep(self.ttl / 4) => {}
                () = self.closing.cancelled(), if !uninterruptible && !stop.is_cancelled() => {
                    stop.cancel();
                    continue;
                }
            }
            match host.beat(None).await {
                Ok(told) if told && !uninterruptible => stop.cancel(),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

/// Whether this is the failure of an attempt that was told to stop.
fn is_stopped(said: &Input) -> bool {
    matches!(
        said,
        Input::AttemptEnded { result: Err(error), .. } if error.class == ErrorClass::Cancelled
    )
}
