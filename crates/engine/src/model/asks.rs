//! Steps that wait for somebody outside: a signal, an approval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{HumanDuration, Setting};

/// What a `signal` step waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// The name that senders use.
    pub name: String,
    /// The JSON Schema of what they send; absent: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

/// What an `approval` step asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The question, for people; may be a template.
    pub message: String,
    /// What they decide about; may hold templates. An answer is bound to what was shown.
    #[serde(
        default,
        deserialize_with = "super::step::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub show: Option<Value>,
    /// Who may answer; none: anybody. May be templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// How long an answer is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Setting<HumanDuration>>,
    /// What it means that nobody answered in that time.
    #[serde(default, skip_serializing_if = "super::step::is_default")]
    pub on_timeout: OnTimeout,
}

/// What it means that nobody answered in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// As a rejection.
    #[default]
    Reject,
    /// As an approval.
    Approve,
    /// As any other time-out: the step fails with `engine.timeout`.
    Fail,
}
