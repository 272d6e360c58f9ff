//! The database's clock, read without asking the database each time.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

use crate::model::Timestamp;

/// Tells the database's time from this process's monotonic clock and the last answer of the
/// database. Never goes back.
#[derive(Debug)]
pub(crate) struct DatabaseClock {
    base: Instant,
    /// Database time at `base`, in microseconds.
    offset: AtomicI64,
    last: AtomicI64,
}

impl DatabaseClock {
    /// `asked` is the moment before the question that `answer` came for.
    pub(crate) fn new(asked: Instant, answer: Timestamp) -> Self {
        let clock = Self { base: asked, offset: AtomicI64::new(0), last: AtomicI64::new(0) };
        clock.set(asked, answer);
        clock
    }

    /// Takes over a new answer. The database read its clock somewhere between question and answer:
    /// the middle is the best guess.
    pub(crate) fn set(&self, asked: Instant, answer: Timestamp) {
        let asked = micros(asked.saturating_duration_since(self.base));
        let middle = asked + (micros(self.base.elapsed()) - asked) / 2;
        self.offset.store(answer.micros() - middle, Ordering::Relaxed);
    }

    /// The database's time now.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.offset.load(Ordering::Relaxed) + micros(self.base.elapsed());
        Timestamp::from_micros(now.max(self.last.fetch_max(now, Ordering::Relaxed)))
    }

    /// The monotonic moment at which the database's clock will show `at`.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        Instant::now() + at.since(self.now())
    }
}

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
