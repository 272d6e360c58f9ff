//! Policies that are templates: evaluated over journaled data when they are needed.

use std::time::Duration;

use serde_json::{Value, json};

use super::view::View;
use crate::{
    graph::{Setting, TaskPlan},
    model::{HumanDuration, StepError},
};

/// How many attempts a task has.
pub(super) fn attempts(task: &TaskPlan, view: &View<'_>) -> Result<u32, StepError> {
    match &task.attempts {
        Setting::Fixed(number) => Ok(*number),
        Setting::Computed(template) => {
            let value = template.eval(view)?;
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number
                .filter(|number| *number > 0)
                .ok_or_else(|| wrong("retry.max_attempts", "a whole number from 1", &value))
        }
    }
}

/// How long an attempt of a task may take.
pub(super) fn timeout(task: &TaskPlan, view: &View<'_>) -> Result<Option<Duration>, StepError> {
    match &task.attempt_timeout {
        None => Ok(None),
        Some(Setting::Fixed(timeout)) => Ok(Some(*timeout)),
        Some(Setting::Computed(template)) => {
            let value = template.eval(view)?;
            let duration = value.as_str().and_then(|text| text.parse::<HumanDuration>().ok());
            let duration = duration.filter(|duration| !duration.0.is_zero());
            let expected = "a duration such as 90s, 30m or 1h30m";
            Ok(Some(duration.ok_or_else(|| wrong("timeout", expected, &value))?.0))
        }
    }
}

fn wrong(policy: &str, expected: &str, value: &Value) -> StepError {
    let message = format!("`{policy}` has to be {expected}, but its template gives {value}");
    StepError::permanent("engine.policy", message)
        .hint("mend the template in the workflow, or the data that it is given")
        .details(json!({ "policy": policy, "value": value }))
}
