//! What an executor does to its target, and what can be seen there afterwards.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What performing a step does to its target; decides what happens after an interrupted attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing; may repeat; a dry run performs it.
    Read,
    /// Repeating it is harmless.
    Idempotent,
    /// Must not be repeated blindly: after an interrupted attempt the target is observed first.
    Verify,
}

impl Effect {
    /// The name in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Idempotent => "idempotent",
            Self::Verify => "verify",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a look at the target says about an attempt whose end nobody recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation<T = Value> {
    /// The action took effect; this is its output.
    Done(T),
    /// The action did not take effect: it may be performed.
    NotDone,
    /// The action is under way: the executor is called to carry it on, with this as its saved
    /// progress ([`StepContext::saved`](super::StepContext::saved)).
    InProgress(Value),
    /// It can't be told. The run goes into attention with this evidence; a person decides.
    Unknown(Value),
}

impl<T> Observation<T> {
    /// Maps the output of [`Observation::Done`].
    ///
    /// # Errors
    /// Passes on the error of `f`.
    pub fn try_map<U, E>(self, f: impl FnOnce(T) -> Result<U, E>) -> Result<Observation<U>, E> {
        Ok(match self {
            Self::Done(output) => Observation::Done(f(output)?),
            Self::NotDone => Observation::NotDone,
            Self::InProgress(saved) => Observation::InProgress(saved),
            Self::Unknown(evidence) => Observation::Unknown(evidence),
        })
    }
}
