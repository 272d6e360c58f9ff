//! How many of several: a number, a part in percent, all or any.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Which branches of a `parallel` have to complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitFor {
    /// All: each is waited for, whatever becomes of the others.
    #[default]
    All,
    /// The first that completes; the others are then stopped.
    Any,
    /// So many; once they have completed, or can't any more, the others are stopped.
    Count(u32),
}

impl WaitFor {
    /// How many branches are enough; none: all are waited for.
    pub const fn enough(self) -> Option<u32> {
        match self {
            Self::All => None,
            Self::Any => Some(1),
            Self::Count(count) => Some(count),
        }
    }
}

impl fmt::Display for WaitFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Any => f.write_str("any"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

/// A text or number that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected {0}")]
pub struct InvalidAmount(&'static str);

const WAIT_FOR: InvalidAmount = InvalidAmount("`all`, `any` or a number of branches");
const AMOUNT: InvalidAmount = InvalidAmount("a whole number, or a part in percent such as `25%`");

impl FromStr for WaitFor {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        match text {
            "all" => Ok(Self::All),
            "any" => Ok(Self::Any),
            _ => Err(WAIT_FOR),
        }
    }
}

/// A number of items, or a part of them in percent: `3` or `25%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// So many of a hundred, 0 to 100.
    Percent(u8),
}

impl Amount {
    /// How many of `all` it is; a part is rounded down.
    pub fn of(self, all: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            // At most `all`, as a percentage is at most 100.
            Self::Percent(percent) => {
                u32::try_from(u64::from(all) * u64::from(percent) / 100).unwrap_or(all)
            }
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Amount {
    type Err = InvalidAmount;

    /// A part in percent.
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let digits = text.strip_suffix('%').ok_or(AMOUNT)?;
        // `+5%` is a number for Rust, but nobody means it.
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let percent = digits.parse().ok().filter(|percent| plain && *percent <= 100);
        percent.map(Self::Percent).ok_or(AMOUNT)
    }
}

impl From<u32> for Amount {
    fn from(count: u32) -> Self {
        Self::Count(count)
    }
}

/// What a file says: a number or a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written<'a> {
    Number(u32),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Serialize for WaitFor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All | Self::Any => serializer.collect_str(self),
            Self::Count(count) => serializer.serialize_u32(*count),
        }
    }
}

impl<'de> Deserialize<'de> for WaitFor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer).map_err(|_| de::Error::custom(WAIT_FOR))? {
            Written::Number(count) => Ok(Self::Count(count)),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer).map_err(|_| de::Error::custom(AMOUNT))? {
            Written::Number(count) => Ok(Self::Count(count)),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

impl JsonSchema for WaitFor {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WaitFor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "enum": ["all", "any"] },
            { "type": "integer", "minimum": 1 },
        ] })
    }
}

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^(100|[0-9]{1,2})%$" },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_rounded_down_and_never_more_than_all() {
        let part = |percent: u8, all| Amount::Percent(percent).of(all);
        assert_eq!((part(25, 7), part(0, 7), part(100, 7), part(50, 1)), (1, 0, 7, 0));
        assert_eq!(part(100, u32::MAX), u32::MAX);
        assert_eq!(Amount::Count(3).of(1), 3);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["3", "0", "\"25%\"", "\"100%\""] {
            let amount: Amount = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&amount).unwrap(), text);
        }
        for text in ["\"all\"", "\"any\"", "2"] {
            let wait_for: WaitFor = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&wait_for).unwrap(), text);
        }
        for text in ["-1", "\"101%\"", "\"+5%\"", "\"%\"", "\"25\"", "1.5", "null"] {
            assert!(serde_json::from_str::<Amount>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<WaitFor>("\"some\"").is_err());
    }
}
