//! Host keys, made from the seed that the state file holds.

use russh::keys::{PrivateKey, ssh_key::private::Ed25519Keypair};

use crate::{LabError, Machine};

/// The machine's host key.
pub(crate) fn host_key(machine: &Machine) -> PrivateKey {
    let mut seed = [0; 32];
    if hex::decode_to_slice(&machine.host_key_seed, &mut seed).is_err() {
        // A state file that somebody edited gives another key, not a panic.
        seed = [0; 32];
    }
    PrivateKey::from(Ed25519Keypair::from_seed(&seed))
}

/// The machine's line of `known_hosts`.
pub(crate) fn known_hosts_line(machine: &Machine) -> Result<String, LabError> {
    let failed = |error: russh::keys::ssh_key::Error| LabError::HostKey {
        machine: machine.hostname.clone(),
        message: error.to_string(),
    };
    let mut key = host_key(machine).public_key().clone();
    key.set_comment(machine.hostname.as_str());
    let key = key.to_openssh().map_err(failed)?;
    Ok(format!("[127.0.0.1]:{} {key}\n", machine.ssh_port))
}

/// The key that the machine shows: another one than it is known by, if `wrong`.
pub(crate) fn host_key_shown(machine: &Machine, wrong: bool) -> PrivateKey {
    if !wrong {
        return host_key(machine);
    }
    let mut other = machine.clone();
    other.host_key_seed = other.host_key_seed.chars().rev().collect();
    host_key(&other)
}
