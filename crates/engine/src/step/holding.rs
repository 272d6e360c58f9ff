//! What an attempt holds on its target, so that somebody else can take it away.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something that an attempt got from its target and acts with, and that can be taken from it: a
/// BMC's session, a session of vCenter, a lock file. Saved in the journal before it is used
/// ([`StepContext::hold`](super::StepContext::hold)); whoever takes the step over has it revoked
/// ([`Executor::revoke`](super::Executor::revoke)) before anything else happens to the target, so
/// that a process that was stopped between its fence check and its request finds its token dead.
///
/// Two holdings of the same kind and token are the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// What it is, for people and for the executor (`redfish.session`).
    pub kind: String,
    /// What is needed to revoke it. It stands in the journal for all to read: the address or the
    /// name of a session, not the secret that opens it.
    pub token: Value,
}

impl Holding {
    /// A holding.
    pub fn new(kind: impl Into<String>, token: impl Into<Value>) -> Self {
        Self { kind: kind.into(), token: token.into() }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.token.as_str() {
            Some(text) => write!(f, "{} {text}", self.kind),
            None => write!(f, "{} {}", self.kind, self.token),
        }
    }
}
