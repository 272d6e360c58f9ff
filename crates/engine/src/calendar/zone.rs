//! Time zones by their names in the IANA database.

use std::{fmt, str::FromStr};

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::InvalidCalendar;
use crate::model::Timestamp;

/// A time zone: `Europe/Berlin`, `America/New_York`, `UTC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeZone(pub(super) Tz);

impl TimeZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Tz::UTC);

    /// What the clocks show at a moment; none beyond the calendar's end.
    pub fn local(self, time: Timestamp) -> Option<DateTime<Tz>> {
        time.to_utc().map(|utc| utc.with_timezone(&self.0))
    }

    /// The moment at which the clocks show this; of two the first. In a gap, as much after it as
    /// the time lies in it, as RFC 5545 §3.3.5 has it.
    pub(super) fn moment(self, local: NaiveDateTime) -> Option<DateTime<Tz>> {
        match self.0.from_local_datetime(&local) {
            LocalResult::Single(one) | LocalResult::Ambiguous(one, _) => Some(one),
            LocalResult::None => {
                // By the offset before the gap. No zone skips more than a day.
                let before = local.checked_sub_signed(chrono::TimeDelta::days(1))?;
                let before = self.0.from_local_datetime(&before).earliest()?;
                before.checked_add_signed(chrono::TimeDelta::days(1))
            }
        }
    }
}

/// A moment of a local time.
pub(super) fn timestamp(local: &DateTime<Tz>) -> Timestamp {
    Timestamp::from_micros(local.timestamp_micros())
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl FromStr for TimeZone {
    type Err = InvalidCalendar;

    fn from_str(text: &str) -> Result<Self, InvalidCalendar> {
        text.parse().map(Self).map_err(|_| {
            let near = TZ_VARIANTS
                .iter()
                .map(|zone| zone.name())
                .map(|name| {
                    (strsim::jaro_winkler(&name.to_lowercase(), &text.to_lowercase()), name)
                })
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|(likeness, _)| *likeness > 0.85)
                .map(|(_, name)| format!("; did you mean `{name}`?"));
            InvalidCalendar(format!(
                "`{text}` is no time zone: write its name in the IANA database, such as \
                 Europe/Berlin or UTC{}",
                near.unwrap_or_default()
            ))
        })
    }
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
