//! The value of a setting.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The value of a setting: a text, a whole number, or true and false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SettingValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
}

impl SettingValue {
    /// The same value as the kind of `like`, if it can be: a profile may say `8` or `"8"`.
    pub(crate) fn like(&self, like: &Self) -> Option<Self> {
        let text = self.to_string();
        match like {
            Self::Bool(_) => text.parse().ok().map(Self::Bool),
            Self::Int(_) => text.parse().ok().map(Self::Int),
            Self::Text(_) => Some(Self::Text(text)),
        }
    }
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Text(value) => f.write_str(value),
        }
    }
}

impl From<&str> for SettingValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
