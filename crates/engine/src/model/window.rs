//! In which maintenance window a step or a run may begin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HumanDuration, Setting};

/// A maintenance window to begin in: `window: weekend`, or with the time that is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum WindowUse {
    /// Any moment at which it is open.
    Named(String),
    /// A moment at which it stays open for long enough.
    Needs(WindowNeeds),
}

/// The long form of a window: `{ name: weekend, needs: 45m }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowNeeds {
    /// The window's name, or a template that gives one.
    pub name: String,
    /// How long it has to stay open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Setting<HumanDuration>>,
}

impl WindowUse {
    /// A window that has to stay open for so long.
    pub fn new(name: impl Into<String>, needs: impl Into<Setting<HumanDuration>>) -> Self {
        Self::Needs(WindowNeeds { name: name.into(), needs: Some(needs.into()) })
    }

    /// The window's name, or a template that gives one.
    pub fn name(&self) -> &str {
        match self {
            Self::Named(name) | Self::Needs(WindowNeeds { name, .. }) => name,
        }
    }

    /// How long it has to stay open; none: for any time.
    pub fn needs(&self) -> Option<&Setting<HumanDuration>> {
        match self {
            Self::Named(_) => None,
            Self::Needs(WindowNeeds { needs, .. }) => needs.as_ref(),
        }
    }
}

impl From<&str> for WindowUse {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}
