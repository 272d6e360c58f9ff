//! Steps that let time pass: waiting, and doing again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, HumanDuration, Moment, Setting, WindowUse};

/// What a `wait` waits for: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How long, from the start of the step.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Setting<HumanDuration>>,
    /// Until when; a time that has passed is waited for no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Setting<Moment>>,
    /// The name of a maintenance window, or a template that gives one: until it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// Of a window: how long it has to stay open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Setting<HumanDuration>>,
}

impl Wait {
    /// The window that it waits for, if it waits for one.
    pub fn window_use(&self) -> Option<WindowUse> {
        let name = self.window.clone()?;
        Some(match &self.needs {
            Some(needs) => WindowUse::new(name, needs.clone()),
            None => WindowUse::Named(name),
        })
    }
}

/// How often a `repeat` does its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// Asked after each iteration, and sees its steps; the repeat ends when it holds.
    pub until: Condition,
    /// The time between the end of an iteration and the start of the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Setting<HumanDuration>>,
    /// How many iterations at most; has to be there unless the step has a `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_iterations: Option<Setting<u32>>,
}

impl Repeat {
    /// What expressions in the body call the number of the iteration, which counts from 1.
    pub const BINDING: &'static str = "iteration";
}
