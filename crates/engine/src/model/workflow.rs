//! A workflow: the whole definition.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Body, Choice, Defaults, Otherwise, Step, StepKind, Then, Version};

/// A definition. Named; identified by the hash of its canonical form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// Its name: letters, digits, `_`, `-` and `.`.
    #[serde(rename = "workflow")]
    pub name: String,
    /// What it does, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its input, checked before a run exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// What steps get that say nothing themselves.
    #[serde(default, skip_serializing_if = "super::step::is_default")]
    pub defaults: Defaults,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The output; absent: the last step's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

impl Workflow {
    /// The canonical form: compact JSON, fields in the order of these types. What the author
    /// ordered (branches, keys of a `with`) keeps its order, because step numbers follow it.
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The version: the SHA-256 of the canonical form.
    pub fn version(&self) -> Version {
        Version(Sha256::digest(self.canonical()).into())
    }
}

impl Workflow {
    /// Pins each sub-workflow that is not pinned yet to the version that `version_of` tells.
    pub fn pin(&mut self, version_of: &dyn Fn(&str) -> Option<Version>) {
        pin_list(&mut self.steps, version_of);
    }
}

fn pin_list(steps: &mut [Step], version_of: &dyn Fn(&str) -> Option<Version>) {
    for step in steps {
        match &mut step.kind {
            StepKind::Workflow { workflow, version, .. } => {
                *version = version.or_else(|| version_of(workflow));
            }
            StepKind::Map { body: Body::Workflow { workflow, version, .. }, .. } => {
                *version = version.or_else(|| version_of(workflow));
            }
            StepKind::Map { body: Body::Steps(branch), .. } | StepKind::Group { body: branch } => {
                pin_list(&mut branch.steps, version_of);
            }
            StepKind::Parallel { parallel } => {
                for branch in parallel.values_mut() {
                    pin_list(&mut branch.steps, version_of);
                }
            }
            StepKind::Decision { decision } => {
                for choice in decision {
                    match choice {
                        Choice::When { then: Then::Steps { steps }, .. }
                        | Choice::Otherwise { otherwise: Otherwise::Steps(steps) } => {
                            pin_list(steps, version_of);
                        }
                        Choice::When { then: Then::Next { .. }, .. }
                        | Choice::Otherwise { otherwise: Otherwise::Jump { .. } } => {}
                    }
                }
            }
            StepKind::Task { .. } | StepKind::Set { .. } => {}
        }
    }
}
