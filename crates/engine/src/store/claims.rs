//! Keeps count of the calls that claim runs, so that an answer that is lost is not lost runs.
//!
//! A claim that commits while its caller gives up (a broken connection, a dropped future) leaves
//! runs with an owner that does not know of them. So each call has a number, which the database
//! keeps with the runs it took; a number without an answer is asked for again by later calls.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a lost call may still be under way in the database.
const LINGER: Duration = Duration::from_mins(2);

/// The calls of one store.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    last: i64,
    lost: BTreeMap<i64, Instant>,
}

/// A call under way. Dropped without [`Call::answered`], it counts as lost.
#[derive(Debug)]
pub(super) struct Call<'a> {
    claims: &'a Claims,
    /// The number that the database keeps with the runs.
    pub(super) number: i64,
    /// The calls whose answers were lost.
    pub(super) lost: Vec<i64>,
    answered: bool,
}

impl Claims {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call.
    pub(super) fn begin(&self) -> Call<'_> {
        let mut calls = self.calls();
        calls.last += 1;
        calls.lost.retain(|_, since| since.elapsed() < LINGER);
        let lost = calls.lost.keys().copied().collect();
        Call { claims: self, number: calls.last, lost, answered: false }
    }
}

impl Call<'_> {
    /// The caller has the runs.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.claims.calls().lost.insert(self.number, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Claims;

    #[test]
    fn a_call_without_an_answer_is_asked_for_again() {
        let claims = Claims::default();
        claims.begin().answered();
        let lost = claims.begin();
        let beside = claims.begin();
        assert!(beside.lost.is_empty(), "a call under way is not lost");
        let number = lost.number;
        drop(lost);
        beside.answered();
        assert_eq!(claims.begin().lost, [number]);
    }
}
