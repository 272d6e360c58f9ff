//! What can go wrong with an SSH connection, and what it means for a step.

use std::time::Duration;

use rackwright_engine::{ErrorClass, StepError};
use serde_json::json;
use thiserror::Error;

use super::HostKeyError;

/// A failure of the connection or of what was asked over it. The texts never hold a secret.
#[derive(Debug, Error)]
pub enum SshError {
    /// No TCP connection, or it broke before the login.
    #[error("can't connect to {host}: {reason}")]
    Connect {
        /// `host:port`.
        host: String,
        /// What the operating system or the protocol says.
        reason: String,
    },
    /// The server's key was not accepted.
    #[error(transparent)]
    HostKey(#[from] HostKeyError),
    /// The credential lacks what a login needs, or its key can't be read.
    #[error("the credential can't be used: {0}")]
    Credential(String),
    /// The server refused the login.
    #[error("{host} refuses the login of `{user}` (tried {tried}; it offers {offers})")]
    Login {
        /// `host:port`.
        host: String,
        /// The user name.
        user: String,
        /// The methods that were tried.
        tried: String,
        /// The methods that the server offers.
        offers: String,
    },
    /// It took too long.
    #[error("{host}: {what} took longer than {after:?}")]
    Timeout {
        /// `host:port`.
        host: String,
        /// What was being done.
        what: String,
        /// The limit.
        after: Duration,
    },
    /// The connection was lost in the middle of a command or a transfer.
    #[error("{host}: the connection was lost during {what}")]
    Lost {
        /// `host:port`.
        host: String,
        /// What was being done.
        what: String,
    },
    /// The server did not accept a request.
    #[error("{host} refuses {what}: {reason}")]
    Refused {
        /// `host:port`.
        host: String,
        /// What was asked.
        what: String,
        /// Its reason.
        reason: String,
    },
    /// A file can't be read or written on the host.
    #[error("{host}: {path}: {reason}")]
    File {
        /// `host:port`.
        host: String,
        /// The file.
        path: String,
        /// What the server says.
        reason: String,
    },
    /// The attempt was told to stop.
    #[error("the attempt was told to stop")]
    Cancelled,
}

/// What an interrupted action means: whether it may simply be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// It changes nothing, or repeating it is harmless.
    Harmless,
    /// Nobody knows whether it took effect.
    Unknown,
}

impl SshError {
    /// The step error for it. `interrupted` decides what a lost connection means.
    pub fn into_step(self, interrupted: Interrupted) -> StepError {
        let message = self.to_string();
        let lost = |class| match interrupted {
            Interrupted::Harmless => class,
            Interrupted::Unknown => ErrorClass::UnknownOutcome,
        };
        match self {
            Self::Connect { .. } => StepError::transient("ssh.unreachable", message)
                .hint("is the host up, and does its SSH server listen on this address and port?"),
            Self::HostKey(error) => host_key(&error, message),
            Self::Credential(_) => StepError::permanent("ssh.credential", message).hint(
                "a credential for SSH has `username`, and `password` or `private_key` (with \
                 `passphrase` if the key is encrypted)",
            ),
            Self::Login { .. } => {
                StepError::new("ssh.login_refused", ErrorClass::Unauthorized, message)
                    .hint("check the user name, the password or that the key is authorised there")
            }
            Self::Timeout { .. } => {
                StepError::new("ssh.timeout", lost(ErrorClass::Timeout), message)
            }
            Self::Lost { .. } => {
                StepError::new("ssh.connection_lost", lost(ErrorClass::Transient), message)
            }
            Self::Refused { .. } => StepError::permanent("ssh.refused", message),
            Self::File { .. } => StepError::permanent("ssh.file", message),
            Self::Cancelled => StepError::new("engine.cancelled", ErrorClass::Cancelled, message),
        }
    }
}

fn host_key(error: &HostKeyError, message: String) -> StepError {
    let (code, hint, details) = match error {
        HostKeyError::Unknown { seen, .. } => (
            "ssh.host_key_unknown",
            "compare the fingerprint with the machine's own, then add the key to the known-hosts \
             file or pin it with `host_key`",
            json!({ "seen": seen }),
        ),
        HostKeyError::Changed { seen, recorded, .. } => (
            "ssh.host_key_changed",
            "somebody may be answering in the machine's place; if it was reinstalled, replace the \
             recorded key",
            json!({ "seen": seen, "recorded": recorded }),
        ),
        HostKeyError::Revoked { seen, .. } => (
            "ssh.host_key_revoked",
            "the key must not be used any more: give the host a new one",
            json!({ "seen": seen }),
        ),
        HostKeyError::Unreadable { file, .. } => (
            "ssh.known_hosts",
            "name an existing file with `known_hosts`, or pin the key with `host_key`",
            json!({ "file": file }),
        ),
    };
    StepError::permanent(code, message).hint(hint).details(details)
}
