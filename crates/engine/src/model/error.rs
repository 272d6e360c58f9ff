//! What a step reports when it can't do its work.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What kind of failure it was: decides whether a retry may help.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// May pass by itself: a refused connection, a 503, a busy controller.
    Transient,
    /// Will not pass by itself: wrong input, a missing machine, an unsupported model.
    Permanent,
    /// Took longer than it was given.
    Timeout,
    /// A credential was refused.
    Unauthorized,
    /// The target is in a state that forbids the action, or somebody else works on it.
    Conflict,
    /// The attempt was told to stop and did.
    Cancelled,
    /// Nobody knows whether the action took effect.
    UnknownOutcome,
}

impl ErrorClass {
    /// All classes, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::Transient,
        Self::Permanent,
        Self::Timeout,
        Self::Unauthorized,
        Self::Conflict,
        Self::Cancelled,
        Self::UnknownOutcome,
    ];

    /// The name in files and journals.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Timeout => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::Conflict => "conflict",
            Self::Cancelled => "cancelled",
            Self::UnknownOutcome => "unknown_outcome",
        }
    }

    /// Whether a retry policy that names no classes retries this one: transient errors, time-outs
    /// and conflicts.
    pub const fn retried_by_default(self) -> bool {
        match self {
            Self::Transient | Self::Timeout | Self::Conflict | Self::UnknownOutcome => true,
            Self::Permanent | Self::Unauthorized | Self::Cancelled => false,
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an attempt failed, in words that an operator can act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepError {
    /// A stable code, `library.reason` (`maas.commission_failed`).
    pub code: String,
    /// Decides whether a retry may help.
    pub class: ErrorClass,
    /// What happened, in one sentence that names the target.
    pub message: String,
    /// What a person can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The sub-task that was under way, if the step reported any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtask: Option<String>,
    /// Evidence for a closer look; never a secret.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

impl StepError {
    /// The code of an attempt that was told to stop before it had done anything.
    pub(crate) const NOT_BEGUN: &'static str = "engine.not_begun";

    /// An error without hint and details.
    pub fn new(code: impl Into<String>, class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            class,
            message: message.into(),
            hint: None,
            subtask: None,
            details: Value::Null,
        }
    }

    /// Shorthand for a [`ErrorClass::Transient`] error.
    pub fn transient(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(code, ErrorClass::Transient, message)
    }

    /// Shorthand for a [`ErrorClass::Permanent`] error.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(code, ErrorClass::Permanent, message)
    }

    /// Adds what a person can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds evidence.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for StepError {}
