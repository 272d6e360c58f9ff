//! Limits: how many may hold something at the same time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A limit that a run or a step takes a slot of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The limit's name, formed as a lock's; may be a template. All that name it share its slots,
    /// on all nodes.
    pub name: String,
    /// How many slots there are, by the word of who asks for one.
    pub max: u32,
    /// For whom; may be a template. Slots are shared out evenly between keys, so that one key with
    /// many waiters does not starve another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// How many runs of a workflow are under way at the same time; the others wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    /// How many.
    pub max: u32,
    /// For whom; may be a template. The runs under way are shared out evenly between keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Limit {
    /// A limit of `max` slots.
    pub fn new(name: impl Into<String>, max: u32) -> Self {
        Self { name: name.into(), max, key: None }
    }

    /// For whom the slot is.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl Concurrency {
    /// At most `max` runs.
    pub const fn new(max: u32) -> Self {
        Self { max, key: None }
    }

    /// For whom the run is.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}
