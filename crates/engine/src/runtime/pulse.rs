//! Signs of life of an attempt.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// When an attempt gave its last sign of life, and how long it may be silent.
#[derive(Debug)]
pub(super) struct Pulse {
    /// How long after a sign the next one is due; none: never.
    every: Option<Duration>,
    state: Mutex<State>,
    /// The next sign may be due earlier than it was.
    sooner: Notify,
}

#[derive(Debug)]
struct State {
    due: Instant,
    /// Waits for commits of its own: what it says then is late for the store's sake.
    committing: u32,
}

impl Pulse {
    pub(super) fn new(every: Option<Duration>) -> Self {
        let due = Instant::now() + every.unwrap_or_default();
        Self { every, state: Mutex::new(State { due, committing: 0 }), sooner: Notify::new() }
    }

    fn change(&self, change: impl FnOnce(&mut State, Instant)) {
        if let Some(every) = self.every {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut state, Instant::now() + every);
        }
    }

    /// A sign of life; a silence that was announced goes on all the same.
    pub(super) fn beat(&self) {
        self.change(|state, due| state.due = state.due.max(due));
    }

    /// No sign is to be expected for so long.
    pub(super) fn silence(&self, duration: Duration) {
        self.change(|state, due| state.due = due + duration);
        self.sooner.notify_one();
    }

    /// A sign of life that lasts until it is dropped.
    pub(super) fn commit(&self) -> Committing<'_> {
        self.change(|state, _| state.committing += 1);
        Committing(self)
    }

    /// Waits until the attempt was silent for too long; for ever if it may be. Gives how long it
    /// may be silent.
    pub(super) async fn stopped(&self) -> Duration {
        let Some(every) = self.every else { return std::future::pending().await };
        loop {
            let due = {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                match state.committing {
                    0 if state.due <= now => return every,
                    0 => state.due,
                    _ => now + every,
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = self.sooner.notified() => {}
            }
        }
    }
}

/// A commit that an attempt waits for.
#[must_use]
pub(super) struct Committing<'a>(&'a Pulse);

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        self.0.change(|state, due| {
            state.committing -= 1;
            state.due = state.due.max(due);
        });
    }
}
