//! The right to act, by this process's own monotonic clock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

#[cfg(feature = "testing")]
use crate::model::planted;

/// How long this node may act on devices. Read before every mutating request, so it is two atomics.
#[derive(Debug)]
pub(crate) struct Lease {
    base: Instant,
    ttl: Duration,
    /// Microseconds after `base`; 0: no right at all.
    until: AtomicU64,
    /// Counts the node's lives: what belongs to an earlier one has no right.
    life: AtomicU64,
}

impl Lease {
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { base: Instant::now(), ttl, until: AtomicU64::new(0), life: AtomicU64::new(0) }
    }

    /// The store granted the whole time after `asked`, the moment before the question. The holder
    /// uses two thirds of it, so that it has stopped before another may start.
    pub(crate) fn granted(&self, asked: Instant) {
        let until = asked.saturating_duration_since(self.base) + self.ttl * 2 / 3;
        self.until.store(u64::try_from(until.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// The lease is lost: a new life begins, without any right until it is granted one.
    pub(crate) fn lost(&self) {
        self.until.store(0, Ordering::SeqCst);
        self.life.fetch_add(1, Ordering::SeqCst);
    }

    /// Which life this is.
    pub(crate) fn life(&self) -> u64 {
        self.life.load(Ordering::SeqCst)
    }

    /// Whether a run that was taken in this life may be acted for now.
    pub(crate) fn allows(&self, life: u64) -> bool {
        #[cfg(feature = "testing")]
        if planted::is_planted(planted::Defect::Fence) {
            return self.life() == life;
        }
        let now = u64::try_from(self.base.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.life() == life && now < self.until.load(Ordering::SeqCst)
    }

    /// How often to renew.
    pub(crate) fn period(&self) -> Duration {
        self.ttl / 4
    }

    /// The time that is asked for.
    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }
}
