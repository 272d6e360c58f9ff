//! What is asked for when a run is started.

use std::collections::BTreeMap;

use serde_json::Value;

/// A run to be started: of which workflow, with what.
#[derive(Clone, Debug, Default)]
pub struct RunRequest {
    pub(super) workflow: String,
    pub(super) input: Value,
    pub(super) idempotency_key: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) priority: Option<u8>,
    pub(super) requires: BTreeMap<String, String>,
}

impl RunRequest {
    /// A run of the newest version of a workflow that was deployed.
    pub fn new(workflow: impl Into<String>) -> Self {
        Self { workflow: workflow.into(), ..Self::default() }
    }

    /// Its input; null stands for an empty object.
    #[must_use]
    pub fn input(mut self, input: Value) -> Self {
        self.input = input;
        self
    }

    /// A second start of the same workflow with the same key gives the same run back. 1 to 512
    /// bytes.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Which of those that wait for locks and limits comes first: 0 to 9, higher before lower;
    /// without it the workflow's. Child runs inherit it.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = Some(priority.min(9));
        self
    }

    /// A label that its node has to have, beside those that its workflow asks for. A run that this
    /// engine can't carry on itself is left to one that can. Child runs inherit it, unless their
    /// workflow asks for another value.
    #[must_use]
    pub fn requires(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.requires.insert(name.into(), value.into());
        self
    }

    /// A label, for people and queries; child runs inherit it.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }
}
