//! How long runs that have ended are kept.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HumanDuration;

/// How long runs that have ended are kept: both bounds hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// A run is removed once it ended longer ago than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<HumanDuration>,
    /// So many of the workflow's ended runs are kept: those that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

impl Retention {
    /// Keeps runs for so long after their end.
    pub const fn age(age: Duration) -> Self {
        Self { age: Some(HumanDuration(age)), count: None }
    }

    /// Keeps so many runs, those that ended last.
    pub const fn count(count: u32) -> Self {
        Self { age: None, count: Some(count) }
    }
}
