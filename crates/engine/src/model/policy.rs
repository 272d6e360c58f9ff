//! Policies of a step: retry, time-outs, what a failure means, cleanup.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ErrorClass, HumanDuration, Setting};

/// How the delay between attempts grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// `delay` each time.
    #[default]
    Constant,
    /// `delay * attempt`.
    Linear,
    /// `delay * 2^(attempt - 1)`.
    Exponential,
}

/// When and how often a failed attempt is made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included; 1 means no retry.
    pub max_attempts: Setting<u32>,
    /// How the delay grows.
    #[serde(default)]
    pub backoff: Backoff,
    /// The delay that `backoff` starts from.
    #[serde(default = "Retry::default_delay")]
    pub delay: Setting<HumanDuration>,
    /// The longest delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Setting<HumanDuration>>,
    /// The part of a delay that is random, 0 to 1: `0.2` spreads 10 s over 8 s to 12 s.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub jitter: f64,
    /// The error classes that are retried; without it transient, timeout, conflict and
    /// `unknown_outcome`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Vec<ErrorClass>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Retry {
    /// No retry.
    pub const NONE: Self = Self {
        max_attempts: Setting::Value(1),
        backoff: Backoff::Constant,
        delay: Setting::Value(HumanDuration(Duration::ZERO)),
        max_delay: None,
        jitter: 0.0,
        on: None,
    };

    /// The delay of a policy that names none.
    pub const DEFAULT_DELAY: Setting<HumanDuration> =
        Setting::Value(HumanDuration(Duration::from_secs(1)));

    fn default_delay() -> Setting<HumanDuration> {
        Self::DEFAULT_DELAY
    }
}

/// How long a step may take. The time of an attempt may come from a template; that of a whole step
/// is a constant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Timeout {
    /// `timeout: 30m`: of a task each attempt, of any other step the whole of it.
    Simple(Setting<HumanDuration>),
    /// `timeout: { attempt: 30m, total: 2h, heartbeat: 2m }`.
    Full(TimeoutParts),
}

impl Timeout {
    /// The time of an attempt, on a step that has attempts.
    pub fn attempt(&self) -> Option<&Setting<HumanDuration>> {
        match self {
            Self::Simple(attempt) => Some(attempt),
            Self::Full(parts) => parts.attempt.as_ref(),
        }
    }

    /// How long an attempt may give no sign.
    pub fn heartbeat(&self) -> Option<HumanDuration> {
        match self {
            Self::Simple(_) => None,
            Self::Full(parts) => parts.heartbeat,
        }
    }
}

impl Timeout {
    /// The time of waiting for locks and limits.
    pub fn queue(&self) -> Option<HumanDuration> {
        match self {
            Self::Simple(_) => None,
            Self::Full(parts) => parts.queue,
        }
    }
}

/// The long form of a time-out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeoutParts {
    /// Of each attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Setting<HumanDuration>>,
    /// Of the step with all its attempts and the waits between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<HumanDuration>,
    /// How long an attempt may give no sign (a report, a save, a heartbeat) unless it announced
    /// a silence. It is then told to stop and ends as timed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<HumanDuration>,
    /// Of waiting for locks and limits, which the other times do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<HumanDuration>,
}

/// What a failure means for the scope that holds the step or item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The scope fails: nothing more starts in it, what runs is finished.
    #[default]
    Fail,
    /// The scope goes on. On a step: what needs it may start. On a map: the other items are
    /// processed, and the map fails at its end with all their errors.
    Continue,
}

/// When a cleanup is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CleanupPolicy {
    /// However the step and its scope end.
    #[default]
    Always,
    /// If both the step and its scope succeeded.
    OnSuccess,
    /// If the step or its scope failed or was cancelled.
    OnFailure,
    /// Not at all (to switch one off without deleting it).
    Never,
}

/// An obligation that arises when a step first starts and is met when its scope ends, in reverse
/// order of the starts; never while the step has retries left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cleanup {
    /// When it is owed.
    #[serde(default)]
    pub policy: CleanupPolicy,
    /// The executor, `library.name`.
    pub uses: String,
    /// Its input; templates are evaluated when the cleanup starts.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub with: Value,
    /// Its own retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Its own time-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
}

/// What steps get that say nothing themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Time-out of task steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// Retry of task steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}
