//! Maintenance windows.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::{Calendar, InvalidCalendar, NoFit, Recurrence, TimeZone, zone::timestamp};
use crate::model::{HumanDuration, Timestamp};

/// A named span of time that comes again, in which work may be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// When it opens.
    #[serde(flatten)]
    pub opens: Recurrence,
    /// How long it stays open, as time passes.
    pub duration: HumanDuration,
    /// By whose clocks it opens.
    pub time_zone: TimeZone,
    /// Local dates on which it does not open.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub exclude: BTreeSet<NaiveDate>,
    /// Whether it opens at all.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_yes(value: &bool) -> bool {
    *value
}

/// One time that a window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// When it opens.
    pub from: Timestamp,
    /// When it closes: the first moment that is outside.
    pub until: Timestamp,
}

impl Opening {
    /// Whether it is open at this moment.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

impl Window {
    /// Refuses a window that can't be kept: of no duration, or one that never opens.
    ///
    /// # Errors
    /// What is wrong, and how to mend it.
    pub fn check(&self) -> Result<(), InvalidCalendar> {
        if self.duration.0.is_zero() {
            return Err(InvalidCalendar(
                "a window needs a duration of more than nothing, such as 6h".to_owned(),
            ));
        }
        self.opens.check(self.time_zone)
    }

    fn calendar(&self) -> Calendar<'_> {
        Calendar { recurrence: &self.opens, zone: self.time_zone }
    }

    /// The first opening that leaves `needs` after `now`: one that is open already (begin at once),
    /// or the next one. None if it does not open again, or is switched off. Openings that overlap
    /// or touch are not put together.
    ///
    /// # Errors
    /// [`NoFit::TooShort`]: no opening is ever long enough.
    pub fn next_fit(&self, now: Timestamp, needs: HumanDuration) -> Result<Option<Opening>, NoFit> {
        if needs > self.duration {
            return Err(NoFit::TooShort { duration: self.duration, needs });
        }
        if !self.enabled {
            return Ok(None);
        }
        // An opening that began at this moment or earlier leaves too little. It must leave
        // something, so nothing is needed as little as a microsecond.
        let needs = needs.0.max(std::time::Duration::from_micros(1));
        let spare = self.duration.0.saturating_sub(needs);
        let spare = i64::try_from(spare.as_micros()).unwrap_or(i64::MAX);
        let after = Timestamp::from_micros(now.micros().saturating_sub(spare).saturating_sub(1));
        Ok(self.opening_after(after))
    }

    /// The next openings, those that are open at `now` included.
    pub fn openings(&self, now: Timestamp, most: usize) -> Vec<Opening> {
        if !self.enabled {
            return Vec::new();
        }
        let long = i64::try_from(self.duration.0.as_micros()).unwrap_or(i64::MAX);
        let first = self.opening_after(Timestamp::from_micros(now.micros().saturating_sub(long)));
        let all = std::iter::successors(first, |last| self.opening_after(last.from));
        all.take(most).collect()
    }

    /// The first opening that begins after `time` and on no excluded date.
    fn opening_after(&self, time: Timestamp) -> Option<Opening> {
        let mut after = time;
        // Each turn leaves an excluded date behind.
        for _ in 0..=self.exclude.len() {
            let from = self.calendar().next_after(after)?;
            let date = self.time_zone.local(from)?.date_naive();
            if !self.exclude.contains(&date) {
                return Some(Opening { from, until: from.after(self.duration.0) });
            }
            after = self.end_of(date)?.max(from);
        }
        None
    }

    /// The last moment of a local date.
    fn end_of(&self, date: NaiveDate) -> Option<Timestamp> {
        let midnight = date.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN);
        let next = timestamp(&self.time_zone.moment(midnight)?);
        Some(Timestamp::from_micros(next.micros() - 1))
    }
}
