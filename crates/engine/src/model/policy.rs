//! Policies of a step: retry, time-outs, what a failure means, cleanup.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ErrorClass, HumanDuration};

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

/// How many attempts are made: a number, or a template that gives one when it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attempts {
    /// So many.
    Number(u32),
    /// `"{{ input.retry_count }}"`.
    Template(String),
}

impl From<u32> for Attempts {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl JsonSchema for Attempts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Attempts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": u32::MAX },
            { "type": "string", "pattern": r"\{\{" },
        ] })
    }
}

/// When and how often a failed attempt is made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included; 1 means no retry.
    pub max_attempts: Attempts,
    /// How the delay grows.
    #[serde(default)]
    pub backoff: Backoff,
    /// The delay that `backoff` starts from.
    #[serde(default = "Retry::default_delay")]
    pub delay: HumanDuration,
    /// The longest delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<HumanDuration>,
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
        max_attempts: Attempts::Number(1),
        backoff: Backoff::Constant,
        delay: HumanDuration(Duration::ZERO),
        max_delay: None,
        jitter: 0.0,
        on: None,
    };

    const LONGEST: Duration = Duration::from_hours(100 * 366 * 24);

    /// The delay of a policy that names none.
    pub const DEFAULT_DELAY: HumanDuration = HumanDuration(Duration::from_secs(1));

    fn default_delay() -> HumanDuration {
        Self::DEFAULT_DELAY
    }

    /// Whether this class of error is tried again.
    pub fn covers(&self, class: ErrorClass) -> bool {
        match &self.on {
            Some(classes) => classes.contains(&class),
            None => class.retried_by_default(),
        }
    }

    /// How long to wait after failed attempt number `attempt` (from 1). `random` is in 0..1 and
    /// only matters where there is jitter.
    pub fn delay_after(&self, attempt: u32, random: f64) -> Duration {
        let base = self.delay.0;
        let attempt = attempt.max(1);
        let delay = match self.backoff {
            Backoff::Constant => base,
            Backoff::Linear => base.saturating_mul(attempt),
            Backoff::Exponential => {
                base.saturating_mul(1u32.checked_shl(attempt - 1).unwrap_or(u32::MAX))
            }
        };
        let spread = (self.jitter.clamp(0.0, 1.0) * (2.0 * random - 1.0)).max(-1.0);
        let delay = delay.min(Self::LONGEST).mul_f64(1.0 + spread);
        self.max_delay.map_or(delay, |max| delay.min(max.0))
    }
}

/// How long a step may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Timeout {
    /// `timeout: 30m`: of a task each attempt, of any other step the whole of it.
    Simple(HumanDuration),
    /// `timeout: { attempt: 30m, total: 2h }`.
    Full(TimeoutParts),
    /// `timeout: "{{ input.timeout }}"`: of each attempt of a task; a text such as `30m`.
    Template(#[schemars(regex(pattern = r"\{\{"))] String),
}

/// The long form of a time-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeoutParts {
    /// Of each attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<HumanDuration>,
    /// Of the step with all its attempts and the waits between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<HumanDuration>,
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
