//! A worker's right to act for one call, by its own monotonic clock.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Holds for two thirds of the time that the store granted: the worker has stopped before anybody
/// else may begin.
#[derive(Debug)]
pub(super) struct Grip {
    ttl: Duration,
    until: Mutex<Option<Instant>>,
}

impl Grip {
    /// The store granted the whole time after `asked`, the moment before the question.
    pub(super) fn new(asked: Instant, ttl: Duration) -> Self {
        Self { ttl, until: Mutex::new(Some(asked + ttl * 2 / 3)) }
    }

    fn until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Granted again, unless it was lost.
    pub(super) fn granted(&self, asked: Instant) {
        let mut until = self.until();
        *until = until.map(|until| until.max(asked + self.ttl * 2 / 3));
    }

    /// Lost for good.
    pub(super) fn lost(&self) {
        *self.until() = None;
    }

    /// Whether the worker may act now.
    pub(super) fn allows(&self) -> bool {
        self.until().is_some_and(|until| Instant::now() < until)
    }

    /// Whether the store may still take the worker's word.
    pub(super) fn lives(&self) -> bool {
        self.until().is_some_and(|until| Instant::now() < until + self.ttl / 3)
    }
}
