//! Settings that a run's data may decide: what they mean, and what they come to in a run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    expr::{Scope, Template},
    model::{Backoff, ErrorClass, HumanDuration, Moment, Retry, Setting, StepError},
};

/// A setting in a plan. Templates are the exception, so their size must not weigh on every step.
pub type SettingPlan<T> = Setting<T, Box<Template>>;

/// What a setting is called, and which values it can have.
#[derive(Debug)]
pub(crate) struct Meaning<T> {
    name: &'static str,
    expected: &'static str,
    read: fn(&Value) -> Option<T>,
}

/// `retry.max_attempts`.
pub(super) const MAX_ATTEMPTS: Meaning<u32> =
    Meaning { name: "retry.max_attempts", expected: "a whole number from 1", read: count };
/// `retry.delay`.
pub(super) const DELAY: Meaning<HumanDuration> =
    Meaning { name: "retry.delay", expected: "a duration such as `10s`", read: duration };
/// `retry.max_delay`.
pub(super) const MAX_DELAY: Meaning<HumanDuration> =
    Meaning { name: "retry.max_delay", expected: "a duration such as `2m`", read: duration };
/// `repeat.max_iterations`.
pub(crate) const MAX_ITERATIONS: Meaning<u32> =
    Meaning { name: "repeat.max_iterations", expected: "a whole number from 1", read: count };
/// `repeat.delay`.
pub(crate) const REPEAT_DELAY: Meaning<HumanDuration> =
    Meaning { name: "repeat.delay", expected: "a duration such as `10s`", read: duration };
/// `approval.timeout`.
pub(crate) const APPROVAL_TIMEOUT: Meaning<HumanDuration> =
    Meaning { name: "approval.timeout", expected: "a duration such as `24h`", read: duration };
/// `wait.for`.
pub(crate) const WAIT_FOR: Meaning<HumanDuration> =
    Meaning { name: "wait.for", expected: "a duration such as `10m`", read: duration };
/// `wait.until`.
pub(crate) const WAIT_UNTIL: Meaning<Moment> = Meaning {
    name: "wait.until",
    expected: "a point in time such as `2026-12-24T22:00:00Z`",
    read: |value| value.as_str()?.parse().ok(),
};
/// The time-out of an attempt.
pub(crate) const ATTEMPT_TIMEOUT: Meaning<HumanDuration> = Meaning {
    name: "timeout",
    expected: "a duration of more than nothing, such as `30m`",
    read: |value| duration(value).filter(|duration| !duration.0.is_zero()),
};

/// `window.needs`.
pub(super) const WINDOW_NEEDS: Meaning<HumanDuration> =
    Meaning { name: "window.needs", expected: "a duration such as `45m`", read: duration };

fn count(value: &Value) -> Option<u32> {
    // JSON Schema calls 3.0 an integer, so an input may well hold it.
    let whole = || value.as_f64().filter(|number| number.fract() == 0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and what saturated is refused below"
    )]
    let number = value.as_u64().or_else(|| whole().map(|number| number as u64));
    number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
}

fn duration(value: &Value) -> Option<HumanDuration> {
    value.as_str()?.parse().ok()
}

impl<T: Copy> Meaning<T> {
    /// The value of a setting whose template gave this.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(&self, given: &Value) -> Result<T, String> {
        (self.read)(given).ok_or_else(|| {
            format!(
                "`{}` has to be {}; the template gives {}",
                self.name,
                self.expected,
                tell(given)
            )
        })
    }

    /// Compiles a setting. A template that reads nothing is a value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn compile(&self, setting: &Setting<T>) -> Result<SettingPlan<T>, String> {
        let text = match setting {
            Setting::Value(value) => return Ok(Setting::Value(*value)),
            Setting::Template(text) => text,
        };
        let template = Template::compile(&Value::from(text.as_str())).map_err(|problems| {
            let texts = problems.into_iter().map(|problem| problem.message);
            format!("`{}`: {}", self.name, texts.collect::<Vec<_>>().join("; "))
        })?;
        match template.constant() {
            Some(constant) => self.read(constant).map(Setting::Value),
            None => Ok(Setting::Template(Box::new(template))),
        }
    }

    /// What a setting comes to in a run.
    ///
    /// # Errors
    /// The template has no value, or one that the setting can't have.
    pub(crate) fn eval(&self, setting: &SettingPlan<T>, scope: &dyn Scope) -> Result<T, StepError> {
        let template = match setting {
            Setting::Value(value) => return Ok(*value),
            Setting::Template(template) => template,
        };
        let given = template.eval(scope).map_err(|error| {
            let error = StepError::from(error);
            StepError { message: format!("`{}`: {}", self.name, error.message), ..error }
        })?;
        self.read(&given).map_err(|message| {
            StepError::permanent("engine.setting", message)
                .hint(format!(
                    "mend the data that the template reads, or `{}` of the step or of the \
                     workflow's `defaults`",
                    self.name
                ))
                .details(json!({ "setting": self.name }))
        })
    }
}

/// A value in a message: as JSON where that is short.
fn tell(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(text) if text.chars().count() <= 60 => format!("the text {text:?}"),
        Value::String(_) => "a long text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The retries of a call.
#[derive(Debug)]
pub struct RetryPlan {
    max_attempts: SettingPlan<u32>,
    backoff: Backoff,
    delay: SettingPlan<HumanDuration>,
    max_delay: Option<SettingPlan<HumanDuration>>,
    jitter: f64,
    on: Option<Vec<ErrorClass>>,
}

impl RetryPlan {
    /// Compiles a policy.
    ///
    /// # Errors
    /// What is wrong with one of its templates.
    pub fn compile(retry: &Retry) -> Result<Self, String> {
        Ok(Self {
            max_attempts: MAX_ATTEMPTS.compile(&retry.max_attempts)?,
            backoff: retry.backoff,
            delay: DELAY.compile(&retry.delay)?,
            max_delay: retry.max_delay.as_ref().map(|it| MAX_DELAY.compile(it)).transpose()?,
            jitter: retry.jitter,
            on: retry.on.clone(),
        })
    }

    /// Whether this class of error is tried again.
    pub fn covers(&self, class: ErrorClass) -> bool {
        match &self.on {
            Some(classes) => classes.contains(&class),
            None => class.retried_by_default(),
        }
    }

    /// What it comes to in a run: the attempts in all, and the waits between them.
    ///
    /// # Errors
    /// A template has no value, or one that its setting can't have.
    pub fn eval(&self, scope: &dyn Scope) -> Result<(u32, Delays), StepError> {
        let max_delay = self.max_delay.as_ref().map(|it| MAX_DELAY.eval(it, scope)).transpose()?;
        let delays = Delays {
            backoff: self.backoff,
            delay: DELAY.eval(&self.delay, scope)?.0,
            max_delay: max_delay.map(|longest| longest.0),
            jitter: self.jitter,
        };
        Ok((MAX_ATTEMPTS.eval(&self.max_attempts, scope)?, delays))
    }
}

/// The waits between attempts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delays {
    /// How they grow.
    pub backoff: Backoff,
    /// What they start from.
    pub delay: Duration,
    /// The longest.
    pub max_delay: Option<Duration>,
    /// The part that is random, 0 to 1.
    pub jitter: f64,
}

impl Delays {
    const LONGEST: Duration = Duration::from_hours(100 * 366 * 24);

    /// How long to wait after failed attempt number `attempt` (from 1). `random` is in 0..1 and
    /// only matters where there is jitter.
    pub fn after(&self, attempt: u32, random: f64) -> Duration {
        let base = self.delay;
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
        self.max_delay.map_or(delay, |max| delay.min(max))
    }
}
