//! Roll-outs: a list that is gone through in waves.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Amount, Body, HumanDuration, Map, Step, StepKind, step::is_default};

/// What becomes of the items that a roll-out has changed when it halts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnHalt {
    /// They stay as they are: the `undo` of what its steps did is not performed.
    #[default]
    Stop,
    /// What its steps did is taken back, the last first, before the roll-out fails.
    Undo,
}

/// How a `rollout` goes through its list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// The list: a template that gives one, or the list itself.
    pub over: Value,
    /// The name of the current element in expressions; its index is `NAME_index`.
    #[serde(rename = "as", default = "Map::default_name")]
    pub binding: String,
    /// How many items go first, in a wave of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<u32>,
    /// How many items the other waves have, or which part of all; rounded down, at least 1. Absent:
    /// one wave of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<Amount>,
    /// How many items may be under way or failed at once, or which part of all; rounded down, at
    /// least 1. An item that failed keeps its place. Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Amount>,
    /// How long it waits behind each wave, the last one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<HumanDuration>,
    /// How many items may fail before it halts, or which part of all, rounded down. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<Amount>,
    /// What becomes of what it has done when it halts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_halt: OnHalt,
}

impl Rollout {
    /// Over a list, or a template that gives one: one wave of all, until one fails.
    pub fn over(over: impl Into<Value>) -> Self {
        Self {
            over: over.into(),
            binding: Map::default_name(),
            canary: None,
            wave: None,
            max_unavailable: None,
            soak: None,
            max_failures: None,
            on_halt: OnHalt::Stop,
        }
    }

    /// The name of the current element in expressions.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { binding: name.into(), ..self }
    }

    /// How many items go first, in a wave of their own.
    #[must_use]
    pub fn canary(self, items: u32) -> Self {
        Self { canary: Some(items), ..self }
    }

    /// How many items the other waves have.
    #[must_use]
    pub fn wave(self, items: impl Into<Amount>) -> Self {
        Self { wave: Some(items.into()), ..self }
    }

    /// How many items may be under way or failed at once.
    #[must_use]
    pub fn max_unavailable(self, items: impl Into<Amount>) -> Self {
        Self { max_unavailable: Some(items.into()), ..self }
    }

    /// How long it waits behind each wave.
    #[must_use]
    pub fn soak(self, time: Duration) -> Self {
        Self { soak: Some(HumanDuration(time)), ..self }
    }

    /// How many items may fail before it halts.
    #[must_use]
    pub fn max_failures(self, items: impl Into<Amount>) -> Self {
        Self { max_failures: Some(items.into()), ..self }
    }

    /// What becomes of what it has done when it halts.
    #[must_use]
    pub fn on_halt(self, on_halt: OnHalt) -> Self {
        Self { on_halt, ..self }
    }
}

impl Step {
    /// Processes each element of a list, wave by wave. `body` is what happens to each.
    pub fn rollout(id: impl Into<String>, rollout: Rollout, body: impl Into<Body>) -> Self {
        Self::new(id, StepKind::Rollout { rollout, body: body.into(), gate: None })
    }

    /// The steps that a roll-out takes behind each wave; other kinds have none and stay as they
    /// are.
    #[must_use]
    pub fn gate(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        if let StepKind::Rollout { gate, .. } = &mut self.kind {
            *gate = Some(steps.into_iter().collect());
        }
        self
    }
}
