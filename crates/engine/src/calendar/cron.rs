//! Cron expressions, by the crate croner: the crate `cron` has no run on the day on which the clocks
//! skip its time, two on the day on which they repeat it, and tells those out of order; it also
//! counts weekdays from Sunday as 1 and knows no five fields.

use std::{fmt, str::FromStr};

use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{InvalidCalendar, TimeZone, zone::timestamp};
use crate::model::Timestamp;

/// A cron expression of five fields: minute, hour, day of the month, month, day of the week (0 or 7
/// is Sunday). Names (`MON`, `JAN`), lists, ranges, steps, `L`, `W` and `#` are known, and the words
/// `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly`. Where both days are given, either will
/// do.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    parsed: Box<croner::Cron>,
}

impl Cron {
    /// The first occurrence after `time`; none if the calendar ends before.
    pub fn next_after(&self, time: Timestamp, zone: TimeZone) -> Option<Timestamp> {
        let from = zone.local(time)?;
        let next = self.parsed.find_next_occurrence(&from, false).ok()?;
        Some(timestamp(&next)).filter(|next| *next > time)
    }
}

fn parse(text: &str) -> Result<croner::Cron, InvalidCalendar> {
    let fields = text.split_whitespace().count();
    let help = "write five fields: minute hour day-of-month month day-of-week, such as \
                `0 22 * * SAT`";
    match fields {
        5 => {}
        1 if text.trim_start().starts_with('@') => {}
        6 | 7 => {
            return Err(InvalidCalendar(format!(
                "`{text}` has {fields} fields: seconds and years are not known here; {help}"
            )));
        }
        _ => {
            let count = if fields == 1 { "1 field".to_owned() } else { format!("{fields} fields") };
            return Err(InvalidCalendar(format!("`{text}` has {count}: {help}")));
        }
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(text.trim()).map_err(|error| {
        InvalidCalendar(format!("`{text}` is no cron expression: {error}; {help}"))
    })
}

impl FromStr for Cron {
    type Err = InvalidCalendar;

    fn from_str(text: &str) -> Result<Self, InvalidCalendar> {
        let parsed = parse(text)?;
        // The calendar's days come again after 28 years, and by 2000 every leap year is one.
        let start = Tz::UTC.from_utc_datetime(&chrono::NaiveDateTime::default());
        if parsed.find_next_occurrence(&start, true).is_err() {
            return Err(InvalidCalendar(format!(
                "`{text}` never comes: no such day is in the calendar"
            )));
        }
        Ok(Self { text: text.trim().to_owned(), parsed: Box::new(parsed) })
    }
}

use chrono::TimeZone as _;

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Cron {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Cron {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
