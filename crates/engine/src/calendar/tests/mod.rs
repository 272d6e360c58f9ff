//! Tables for the change of the clocks, and what holds for every calendar.

mod crons;
mod rules;
mod schedules;
mod windows;

use super::{Cron, TimeZone};
use crate::model::Timestamp;

/// A moment: `2026-03-29T01:30:00Z`, or with an offset.
pub(super) fn at(text: &str) -> Timestamp {
    let time = chrono::DateTime::parse_from_rfc3339(text).unwrap();
    Timestamp::from_micros(time.timestamp_micros())
}

pub(super) fn zone(name: &str) -> TimeZone {
    name.parse().unwrap()
}

pub(super) fn cron(text: &str) -> Cron {
    text.parse().unwrap()
}

/// A moment by the clocks of a zone.
pub(super) fn show(time: Timestamp, zone: TimeZone) -> String {
    zone.local(time).unwrap().format("%a %m-%d %H:%M %Z").to_string()
}
