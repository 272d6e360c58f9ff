//! What takes back what a step did.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Retry, Timeout};

/// What takes back what a step completed. It is owed once the step has completed, and performed
/// when the scope that the step stands in, or one around it, fails or is cancelled; in one reverse
/// order with the cleanups. When the run completes it is forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The executor, `library.name`.
    pub uses: String,
    /// Its input; templates are evaluated when the undo starts. They see what the step saw, and
    /// its output.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub with: Value,
    /// Its own retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Its own time-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
}

impl Undo {
    /// One call, without retries and time-out of its own.
    pub fn new(uses: impl Into<String>, with: Value) -> Self {
        Self { uses: uses.into(), with, retry: None, timeout: None }
    }

    /// Its own retries.
    #[must_use]
    pub fn retry(self, retry: Retry) -> Self {
        Self { retry: Some(retry), ..self }
    }

    /// Its own time-out.
    #[must_use]
    pub fn timeout(self, timeout: impl Into<Timeout>) -> Self {
        Self { timeout: Some(timeout.into()), ..self }
    }
}
