//! Times that come again: cron expressions and RFC 5545 rules in time zones, maintenance windows,
//! schedules. Pure: the time comes in as an argument.
//!
//! **The change of the clocks.** A cron expression with one fixed time (`30 2 * * *`) comes once a
//! day: where the clocks skip it, at the first moment after the gap; where they repeat it, the first
//! time only. One that goes through the hours (`*/30 * * * *`) comes by the time that passes. A rule
//! of RFC 5545 that falls into the gap comes as much after it as it lies in it (§3.3.5), and the
//! first time where the clocks repeat it. A window is open for its duration as time passes, whatever
//! the clocks do meanwhile.

mod cron;
mod date_time;
mod rule;
mod schedule;
mod window;
mod windows;
mod zone;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::Timestamp;

pub use cron::Cron;
pub use date_time::LocalTime;
pub use rule::Rule;
pub use schedule::{
    CatchUp, Due, Firing, Jitter, Overlap, Previous, Schedule, ScheduleState, Standing,
};
pub use window::{Opening, Window};
pub use windows::{NoFit, Windows};
pub use zone::TimeZone;

/// A text that means no time; the message says how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidCalendar(pub(super) String);

/// When something comes again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Recurrence {
    /// By a cron expression.
    Cron {
        /// The expression.
        cron: Cron,
    },
    /// By a recurrence rule of RFC 5545.
    Rule(Rule),
}

/// A recurrence in a time zone.
#[derive(Clone, Copy, Debug)]
pub struct Calendar<'a> {
    /// When.
    pub recurrence: &'a Recurrence,
    /// By whose clocks.
    pub zone: TimeZone,
}

impl Calendar<'_> {
    /// The first occurrence after `time`; none if there is no more.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        match self.recurrence {
            Recurrence::Cron { cron } => cron.next_after(time, self.zone),
            Recurrence::Rule(rule) => rule.next_after(time, self.zone),
        }
    }

    /// The occurrences after `from` up to `to`, both as moments, at most `most` of them.
    pub fn between(&self, from: Timestamp, to: Timestamp, most: usize) -> Vec<Timestamp> {
        let all = std::iter::successors(self.next_after(from), |last| self.next_after(*last));
        all.take_while(|at| *at <= to).take(most).collect()
    }
}

impl Recurrence {
    /// Refuses what never comes, in this zone, after `start`.
    ///
    /// # Errors
    /// It never comes.
    fn check(&self, zone: TimeZone) -> Result<(), InvalidCalendar> {
        match self {
            // Refused when it was read.
            Self::Cron { .. } => Ok(()),
            Self::Rule(rule) => rule.check(zone),
        }
    }
}
