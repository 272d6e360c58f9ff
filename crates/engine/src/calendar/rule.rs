//! Recurrence rules of RFC 5545, by the crate rrule.

use std::str::FromStr as _;

use rrule::{Frequency, RRule, RRuleSet, Unvalidated};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{InvalidCalendar, LocalTime, TimeZone, zone::timestamp};
use crate::model::Timestamp;

/// How many occurrences are looked at before the one that is asked for: a rule is counted from its
/// start.
const MOST: usize = 200_000;

/// A recurrence rule (`FREQ=MONTHLY;BYDAY=2SA`) and the local time of its first occurrence, which
/// also gives the time of day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    rrule: String,
    start: LocalTime,
}

#[derive(Deserialize)]
struct Text {
    rrule: String,
    start: LocalTime,
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text { rrule, start } = Text::deserialize(deserializer)?;
        Self::new(&rrule, start).map_err(de::Error::custom)
    }
}

impl Rule {
    /// A rule from its text, with or without `RRULE:` before it.
    ///
    /// # Errors
    /// It is no rule, or one that comes more than once a day.
    pub fn new(text: &str, start: LocalTime) -> Result<Self, InvalidCalendar> {
        let text = text.trim();
        let rule = Self { rrule: text.strip_prefix("RRULE:").unwrap_or(text).to_owned(), start };
        let parsed = rule.parse()?;
        match parsed.get_freq() {
            Frequency::Yearly | Frequency::Monthly | Frequency::Weekly | Frequency::Daily => {}
            Frequency::Hourly | Frequency::Minutely | Frequency::Secondly => {
                return Err(InvalidCalendar(format!(
                    "`{}` comes more than once a day: FREQ is DAILY, WEEKLY, MONTHLY or YEARLY",
                    rule.rrule
                )));
            }
        }
        rule.set(TimeZone::UTC)?;
        Ok(rule)
    }

    /// The rule's text.
    pub fn text(&self) -> &str {
        &self.rrule
    }

    /// The local time of its first occurrence.
    pub fn start(&self) -> LocalTime {
        self.start
    }

    fn invalid(&self, error: &dyn std::fmt::Display) -> InvalidCalendar {
        InvalidCalendar(format!(
            "`{}` is no recurrence rule of RFC 5545: {error}; write one such as \
             FREQ=MONTHLY;BYDAY=2SA",
            self.rrule
        ))
    }

    fn parse(&self) -> Result<RRule<Unvalidated>, InvalidCalendar> {
        RRule::from_str(&self.rrule).map_err(|error| self.invalid(&error))
    }

    fn set(&self, zone: TimeZone) -> Result<RRuleSet, InvalidCalendar> {
        let start = zone.moment(self.start.0).ok_or_else(|| {
            InvalidCalendar(format!("{} is beyond the calendar's end", self.start))
        })?;
        let mut rule = self.parse()?;
        if let Some(until) = rule.get_until().copied() {
            // RFC 5545 §3.3.10: UNTIL is in UTC where the start has a zone. Without `Z` it is
            // what the clocks of the zone show.
            let local = !self
                .rrule
                .to_uppercase()
                .split(';')
                .any(|part| part.starts_with("UNTIL=") && part.ends_with('Z'));
            let moment = if local { zone.moment(until.naive_local()) } else { None };
            let moment = moment.map_or_else(|| until.to_utc(), |it| it.to_utc());
            rule = rule.until(moment.with_timezone(&rrule::Tz::UTC));
        }
        rule.build(start.with_timezone(&rrule::Tz::Tz(zone.0)))
            .map_err(|error| self.invalid(&error))
    }

    /// The first occurrence after `time`; none if there is no more.
    pub fn next_after(&self, time: Timestamp, zone: TimeZone) -> Option<Timestamp> {
        let set = self.set(zone).ok()?.limit();
        let moments = set.into_iter().take(MOST).map(|at| timestamp(&at.with_timezone(&zone.0)));
        moments.into_iter().find(|at| *at > time)
    }

    /// Refuses a rule that never comes in a zone.
    pub(super) fn check(&self, zone: TimeZone) -> Result<(), InvalidCalendar> {
        let before = Timestamp::from_micros(i64::MIN);
        match self.next_after(before, zone) {
            Some(_) => Ok(()),
            None => Err(InvalidCalendar(format!("`{}` never comes", self.rrule))),
        }
    }
}
