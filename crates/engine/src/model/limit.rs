//! Limits: how many may hold something at the same time.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HumanDuration, Step, WorkflowBuilder};

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

/// What a whole run holds and waits for.
impl WorkflowBuilder {
    /// A lock that the whole run holds; may be a template.
    #[must_use]
    pub fn lock(mut self, name: impl Into<String>) -> Self {
        self.0.locks.push(name.into());
        self
    }

    /// A limit that the whole run holds a slot of.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.0.limits.push(limit);
        self
    }

    /// How many runs are under way at the same time.
    #[must_use]
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.0.concurrency = Some(concurrency);
        self
    }

    /// How long a run may wait for its locks and limits.
    #[must_use]
    pub fn queue_timeout(mut self, wait: Duration) -> Self {
        self.0.queue_timeout = Some(HumanDuration(wait));
        self
    }

    /// A label that a node has to have to carry its runs on.
    #[must_use]
    pub fn node(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.node.insert(name.into(), value.into());
        self
    }

    /// Which of those that wait comes first: 0 to 9, higher before lower.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.0.priority = priority;
        self
    }
}

/// What a step holds.
impl Step {
    /// The pool whose workers make its calls.
    #[must_use]
    pub fn pool(mut self, name: impl Into<String>) -> Self {
        self.pool = Some(name.into());
        self
    }

    /// A lock that is held from the step's start to its end; may be a template.
    #[must_use]
    pub fn lock(mut self, name: impl Into<String>) -> Self {
        self.locks.push(name.into());
        self
    }

    /// A limit that a slot of is held for as long as the step is under way.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }
}
