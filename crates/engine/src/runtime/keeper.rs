//! The node's housekeeping: the lease, and what other processes left for it to do.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    identity,
    message::Message,
    recovery, schedules,
    shared::{Identity, Shared},
    telemetry,
};
use crate::store::{Renewal, StoreError};

/// Renews the lease until told to stop.
pub(super) async fn keep_lease(shared: Arc<Shared>, stop: CancellationToken) {
    let mut ticks = interval(shared.lease.period());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let asked = Instant::now();
        match shared.store.renew(shared.node(), shared.lease.ttl()).await {
            Ok(Renewal::Renewed { now, draining }) => {
                shared.clock.set(asked, now);
                shared.lease.granted(asked);
                shared.set_draining(draining.as_deref());
            }
            Ok(Renewal::Lost) => start_over(&shared).await,
            // Until two thirds of the lease are over there is time to try again.
            Err(error) => {
                tracing::warn!(%error, "the lease could not be renewed");
                telemetry::renewal_failed();
            }
        }
    }
}

/// The lease ran out: nothing that this process did as that node counts any more. It goes on as a
/// new one.
async fn start_over(shared: &Arc<Shared>) {
    tracing::error!("the lease ran out: this node gives up its runs and joins anew");
    telemetry::lease_lost();
    shared.lease.lost();
    shared.tell_all(|| Message::Abandon);
    if let Err(error) = join(shared).await {
        tracing::warn!(%error, "could not join anew; trying again");
    }
}

/// Declares those nodes of this machine dead whose process is gone: nobody has to wait for their
/// leases to run out.
async fn bury(shared: &Shared) -> Result<(), StoreError> {
    for node in shared.store.nodes().await? {
        if node.alive && identity::is_certainly_dead(&node.node) {
            shared.store.expire(node.node.id).await?;
        }
    }
    Ok(())
}

/// Joins as a new node.
pub(super) async fn join(shared: &Shared) -> Result<(), StoreError> {
    bury(shared).await?;
    let asked = Instant::now();
    let record = identity::new_node(&shared.config, shared.clock.now(), shared.random.many_bits());
    let now = shared.store.join(&record, shared.lease.ttl()).await?;
    let identity = Identity { node: record.id, life: shared.lease.life() };
    *shared.identity.write().unwrap_or_else(PoisonError::into_inner) = identity;
    shared.clock.set(asked, now);
    shared.lease.granted(asked);
    shared.stay_draining().await
}

/// Looks for runs to take over and for mail, until told to stop.
pub(super) async fn poll(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = rest(&shared) => {}
        }
        if let Err(error) = look_around(&shared).await {
            tracing::warn!(%error, "could not look for work");
        }
    }
}

/// Waits for the next look: one polling interval, or less if a parked run is due before.
async fn rest(shared: &Shared) {
    let poll = shared.config.poll;
    let mut rest = poll;
    // A node that is full leaves what is due to others, and has nothing to hurry for.
    if shared.room() > 0 {
        for scope in shared.claims() {
            match shared.store.next_wake(shared.node(), scope).await {
                Ok(Some(due)) => rest = rest.min(due.since(shared.clock.now())),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "could not ask for the next due run"),
            }
        }
    }
    tokio::select! {
        biased;
        () = tokio::time::sleep(rest.max(SHORTEST_REST).min(poll)) => {}
        // This node has just parked a run that is due before the next look.
        () = shared.parked.notified() => {
            // It may park again at once (its mail can't be read, this node's clock lags behind
            // the database's): that is no reason to spin.
            tokio::time::sleep(SHORTEST_REST).await;
        }
    }
}

/// What is due and can't be had (another node is about to take it) must not keep this one busy.
const SHORTEST_REST: Duration = Duration::from_millis(20);

async fn look_around(shared: &Arc<Shared>) -> Result<(), StoreError> {
    telemetry::active(shared.active.load(Ordering::Relaxed));
    // Before mail is read and runs are taken, so that they see what it may be about.
    shared.read_windows().await?;
    for run in shared.store.owned_with_inbox(shared.node(), 1000).await? {
        shared.tell(run, Message::Look(run));
    }
    for run in shared.store.pools().reap_tasks().await? {
        tracing::warn!(%run, "a worker of a pool was lost");
        shared.tell(run, Message::Look(run));
    }
    recovery::adopt_claimed(shared).await?;
    let scopes = shared.claims();
    if !scopes.is_empty() {
        bury(shared).await?;
    }
    for scope in scopes {
        recovery::claim_all(shared, scope).await?;
    }
    if shared.draining().is_some() {
        return Ok(());
    }
    schedules::fire_due(shared).await
}
