//! What every step over SSH is told: where, as whom, and whom to expect there.

use std::{path::PathBuf, time::Duration};

use rackwright_engine::{StepError, model::HumanDuration};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::{Endpoint, HostKeyPolicy};

/// The machine, the login and the expected host key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Target {
    /// The machine's name or address.
    pub host: String,
    /// The SSH server's port.
    #[serde(default = "Target::default_port")]
    pub port: u16,
    /// The name of a credential with the fields `username`, and `password` or `private_key` (and
    /// `passphrase`, if the key is encrypted).
    pub credential: String,
    /// The file of known host keys, in OpenSSH's format; without it and without `host_key`,
    /// `~/.ssh/known_hosts`.
    #[serde(default)]
    pub known_hosts: Option<String>,
    /// The host key's fingerprint, as `ssh-keygen -l` prints it (`SHA256:…`). Wins over
    /// `known_hosts`.
    #[serde(default)]
    pub host_key: Option<String>,
    /// How long connecting and logging in may take.
    #[serde(default = "Target::default_connect_timeout")]
    pub connect_timeout: HumanDuration,
}

impl Target {
    fn default_port() -> u16 {
        22
    }

    fn default_connect_timeout() -> HumanDuration {
        HumanDuration(Duration::from_secs(30))
    }

    pub(crate) fn endpoint(&self) -> Result<Endpoint, StepError> {
        let host_key = match (&self.host_key, &self.known_hosts) {
            (Some(fingerprint), _) => pinned(fingerprint)?,
            (None, Some(path)) => HostKeyPolicy::KnownHosts(PathBuf::from(path)),
            (None, None) => HostKeyPolicy::KnownHosts(default_known_hosts()?),
        };
        Ok(Endpoint {
            host: self.host.clone(),
            port: self.port,
            host_key,
            connect_timeout: self.connect_timeout.0,
        })
    }
}

/// An MD5 fingerprint, or a key in the place of its fingerprint, would never match anything.
fn pinned(fingerprint: &str) -> Result<HostKeyPolicy, StepError> {
    let rest = fingerprint.trim().split_once(':');
    if rest.is_some_and(|(kind, hash)| kind.eq_ignore_ascii_case("sha256") && hash.len() >= 43) {
        return Ok(HostKeyPolicy::Pinned(fingerprint.to_owned()));
    }
    let message = format!("`host_key` is `{fingerprint}`, not a SHA-256 fingerprint");
    Err(StepError::permanent("ssh.host_key_invalid", message)
        .hint("`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the machine prints it"))
}

fn default_known_hosts() -> Result<PathBuf, StepError> {
    let home = std::env::home_dir().ok_or_else(|| {
        StepError::permanent(
            "ssh.known_hosts",
            "there is no home directory to look for known hosts",
        )
        .hint("name the file with `known_hosts`, or pin the key with `host_key`")
    })?;
    Ok(home.join(".ssh").join("known_hosts"))
}
