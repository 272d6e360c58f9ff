//! Schedules: what starts a workflow again and again, and what becomes of each of its times.
//!
//! Everything that is decided here follows from the schedule, its state and the time, so that it
//! does not matter which node decides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Calendar, Cron, InvalidCalendar, Recurrence, TimeZone};
use crate::model::{HumanDuration, RunId, Timestamp, Version};

/// A time that is later than this was missed: no node was there.
const LATE: std::time::Duration = std::time::Duration::from_mins(1);
/// How often a schedule that waits for its previous run looks whether it has ended.
const LOOK: std::time::Duration = std::time::Duration::from_secs(2);
/// How many times wait at most; what comes on top is skipped.
const LINE: usize = 100;

/// What starts a workflow at certain times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The workflow's name.
    pub workflow: String,
    /// A version of it; none: the newest that was deployed when the time comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The input of its runs.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
    /// Labels of its runs; `schedule` is added.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Labels that the nodes of its runs have to have, beside those that the workflow asks for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<String, String>,
    /// When.
    pub cron: Cron,
    /// By whose clocks.
    pub time_zone: TimeZone,
    /// What happens while the previous run has not ended.
    #[serde(default)]
    pub overlap: Overlap,
    /// What becomes of times at which no node was there.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// Spreads the starts: each is late by a part of this, which follows from its name and time.
    #[serde(default)]
    pub jitter: Jitter,
}

/// The longest delay of a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Jitter(pub HumanDuration);

/// What happens if the previous run has not ended when the next time comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// That time is skipped.
    #[default]
    Skip,
    /// It waits until the previous run has ended.
    Queue,
    /// The previous run is cancelled; when it has ended, the new one starts.
    CancelPrevious,
}

/// What becomes of times that were missed by more than a minute. Those that are caught up run one
/// after the other, whatever [`Overlap`] says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are dropped.
    None,
    /// All of them together are caught up once, for the last of them.
    #[default]
    Last,
    /// Each is caught up, but no more than the last so many.
    All(u32),
}

/// One time that is to start a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// The schedule's time, or when a person asked.
    pub at: Timestamp,
    /// Why it starts.
    #[serde(default)]
    pub due: Due,
}

/// Why a run starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// Its time came.
    #[default]
    OnTime,
    /// Its time came while no node was there.
    Missed,
    /// A person asked.
    ByHand,
}

/// Where a schedule stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// The next time that has not been looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Nothing starts by itself.
    #[serde(default)]
    pub paused: bool,
    /// Times that came and have not started yet, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Firing>,
    /// The run that was started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RunId>,
    /// The time for which it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// Why the last start failed, if it did; it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many runs were started.
    #[serde(default)]
    pub started: u64,
    /// How many times were skipped because of the previous run.
    #[serde(default)]
    pub skipped: u64,
}

/// How the run that was started last stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Previous {
    /// There is none, or it has ended.
    Ended,
    /// It goes on.
    Lives(RunId),
}

/// What is to be done for a schedule now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Rests,
    /// Start a run for this time, then say [`ScheduleState::started`].
    Start(Firing),
    /// Ask this run to stop, and look again.
    Cancel(RunId),
    /// Look again when the previous run may have ended.
    Waits,
}

impl Schedule {
    /// Refuses a schedule that can't be kept.
    ///
    /// # Errors
    /// What is wrong, and how to mend it.
    pub fn check(&self) -> Result<(), InvalidCalendar> {
        if self.catch_up == CatchUp::All(0) {
            return Err(InvalidCalendar(
                "to catch up all times, but at most 0 of them, means none: say so".to_owned(),
            ));
        }
        // Jitter must not change the order of the times.
        let times = self.between(Timestamp::from_micros(0), Timestamp::from_micros(i64::MAX), 60);
        let shortest = times.windows(2).map(|pair| pair[1].since(pair[0])).min();
        if shortest.is_some_and(|shortest| self.jitter.0.0 > shortest) {
            return Err(InvalidCalendar(format!(
                "the jitter of {} is longer than the time from one start to the next: make it \
                 shorter",
                self.jitter.0
            )));
        }
        Ok(())
    }

    /// The first time after a moment.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        self.cron.next_after(time, self.time_zone)
    }

    /// The times after `from`, up to `to`.
    pub fn between(&self, from: Timestamp, to: Timestamp, most: usize) -> Vec<Timestamp> {
        let recurrence = Recurrence::Cron { cron: self.cron.clone() };
        Calendar { recurrence: &recurrence, zone: self.time_zone }.between(from, to, most)
    }

    /// When the run of a time is started: the time and its jitter.
    pub fn starts_at(&self, name: &str, time: Timestamp) -> Timestamp {
        let most = u64::try_from(self.jitter.0.0.as_micros()).unwrap_or(u64::MAX);
        if most == 0 {
            return time;
        }
        let digest = Sha256::new()
            .chain_update(name.as_bytes())
            .chain_update(time.micros().to_be_bytes())
            .finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        let by = u64::from_be_bytes(first) % most.saturating_add(1).max(1);
        time.after(std::time::Duration::from_micros(by))
    }

    /// The last times from `since` on that are due at `now`, at most `most`, the oldest first.
    fn due(&self, name: &str, since: Timestamp, now: Timestamp, most: usize) -> Vec<Timestamp> {
        let before = |time: Timestamp, micros: i64| {
            Timestamp::from_micros(time.micros().saturating_sub(micros))
        };
        let first = before(since, 1);
        // Going back in growing steps finds the last ones without counting all since a long time.
        let mut span = 3_600_000_000_i64;
        loop {
            let from = before(now, span).max(first);
            let mut times = self.between(from, now, usize::MAX);
            let due = times.partition_point(|time| self.starts_at(name, *time) <= now);
            times.truncate(due);
            if from == first || times.len() >= most {
                return times.split_off(times.len().saturating_sub(most));
            }
            span = span.saturating_mul(4);
        }
    }
}

impl ScheduleState {
    /// A schedule that begins at `now`.
    pub fn new(schedule: &Schedule, now: Timestamp) -> Self {
        Self { next: schedule.next_after(now), ..Self::default() }
    }

    /// Nothing starts by itself any more; what waits goes on waiting.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Goes on with the first time after `now`: those that came during the pause are not caught up.
    pub fn resume(&mut self, schedule: &Schedule, now: Timestamp) {
        self.paused = false;
        self.next = schedule.next_after(now);
    }

    /// A person asks for a run now. It waits for the previous one as [`Overlap::Queue`] does, or
    /// has it cancelled.
    pub fn trigger(&mut self, now: Timestamp) {
        self.waiting.push(Firing { at: now, due: Due::ByHand });
    }

    /// Takes in the times that have come.
    pub fn take_due(&mut self, schedule: &Schedule, name: &str, now: Timestamp) {
        let Some(next) = self.next.filter(|_| !self.paused) else { return };
        if schedule.starts_at(name, next) > now {
            return;
        }
        let most = match schedule.catch_up {
            CatchUp::None | CatchUp::Last => 1,
            CatchUp::All(most) => most.max(1) as usize,
        };
        // One more: the present time is not one that is caught up.
        let times = schedule.due(name, next, now, most.saturating_add(1));
        let Some(last) = times.last().copied() else { return };
        self.next = schedule.next_after(last);
        let is_late = |time: &Timestamp| now.since(schedule.starts_at(name, *time)) > LATE;
        let (missed, on_time): (Vec<_>, Vec<_>) = times.into_iter().partition(is_late);
        let caught_up: &[Timestamp] = match schedule.catch_up {
            CatchUp::Last if on_time.is_empty() => &missed[missed.len().saturating_sub(1)..],
            CatchUp::None | CatchUp::Last => &[],
            CatchUp::All(_) => &missed[missed.len().saturating_sub(most)..],
        };
        let firing = |due| move |at: &Timestamp| Firing { at: *at, due };
        let new = caught_up.iter().map(firing(Due::Missed));
        for firing in new.chain(on_time.iter().map(firing(Due::OnTime))) {
            if self.waiting.len() >= LINE.max(most) {
                self.skipped += 1;
            } else {
                self.waiting.push(firing);
            }
        }
    }

    /// What is to be done next, given how the run that was started last stands. Skips what is to be
    /// skipped.
    pub fn stand(&mut self, schedule: &Schedule, previous: Previous) -> Standing {
        if let (Previous::Lives(_), Overlap::Skip) = (previous, schedule.overlap) {
            let before = self.waiting.len();
            self.waiting.retain(|firing| firing.due != Due::OnTime);
            self.skipped += (before - self.waiting.len()) as u64;
        }
        if let (Previous::Lives(_), Overlap::CancelPrevious) = (previous, schedule.overlap) {
            self.skip_all_but_the_last_on_time();
        }
        let mut startable = self.waiting.iter().copied();
        // A pause does not hold up what a person asked for.
        let Some(first) = startable.find(|it| !self.paused || it.due == Due::ByHand) else {
            return Standing::Rests;
        };
        match (previous, schedule.overlap, first.due) {
            (Previous::Ended, _, _) => Standing::Start(first),
            (Previous::Lives(run), Overlap::CancelPrevious, Due::OnTime | Due::ByHand) => {
                Standing::Cancel(run)
            }
            (Previous::Lives(_), _, _) => Standing::Waits,
        }
    }

    /// Each would only cancel the one before it.
    fn skip_all_but_the_last_on_time(&mut self) {
        let last = self.waiting.iter().rposition(|firing| firing.due == Due::OnTime);
        let before = self.waiting.len();
        let mut place = 0;
        self.waiting.retain(|firing| {
            let keep = firing.due != Due::OnTime || Some(place) == last;
            place += 1;
            keep
        });
        self.skipped += (before - self.waiting.len()) as u64;
    }

    /// A run was started for a time.
    pub fn started(&mut self, firing: Firing, run: RunId) {
        self.waiting.retain(|it| *it != firing);
        self.last_run = Some(run);
        self.last_at = Some(firing.at);
        self.error = None;
        self.started += 1;
    }

    /// This state, which a node made of `base`, together with what a person made of it meanwhile.
    #[must_use]
    pub fn merged(&self, base: &Self, theirs: &Self) -> Self {
        let mut merged = self.clone();
        if theirs.paused != base.paused {
            (merged.paused, merged.next) = (theirs.paused, theirs.next);
        }
        let new = theirs.waiting.iter().filter(|firing| !base.waiting.contains(firing));
        merged.waiting.extend(new);
        merged
    }

    /// When a node has to look at the schedule again.
    pub fn due_at(&self, schedule: &Schedule, name: &str, now: Timestamp) -> Option<Timestamp> {
        let waits = self.waiting.iter().any(|it| !self.paused || it.due == Due::ByHand);
        let line = waits.then(|| now.after(LOOK));
        let next = self.next.filter(|_| !self.paused).map(|next| schedule.starts_at(name, next));
        line.into_iter().chain(next).min()
    }
}
