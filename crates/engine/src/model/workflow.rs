//! A workflow: the whole definition.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Concurrency, Defaults, HumanDuration, Limit, Retention, Step, Version, WindowUse};

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
    /// How long a run may take, counted from when a node first takes it. After that it is stopped
    /// as by a cancel, and has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<HumanDuration>,
    /// The maintenance window in which its runs begin: until then they wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowUse>,
    /// Names of locks that are held by the whole run; each may be a template, which gives a
    /// name or a list of them. A lock excludes all whose names are the same, above it or below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
    /// Limits that a slot of is held by the whole run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// How many runs of the workflow are under way at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// How long a run may wait for its locks and limits before it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_timeout: Option<HumanDuration>,
    /// Which of those that wait comes first: 0 to 9, higher before lower.
    #[serde(default, skip_serializing_if = "super::step::is_default")]
    pub priority: u8,
    /// How long its runs are kept once they have ended, with their child runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Labels that a node has to have to carry its runs on, such as `site: ams1`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node: BTreeMap<String, String>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Steps that run at the end, however a run ends; they see `run.status` and `run.errors`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finally: Vec<Step>,
    /// The output; absent: the last step's.
    #[serde(
        default,
        deserialize_with = "super::step::present",
        skip_serializing_if = "Option::is_none"
    )]
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
