//! The parts of MAAS's documents that steps look at.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Status;

/// A machine.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Machine {
    pub(crate) system_id: String,
    pub(crate) hostname: String,
    #[serde(default)]
    pub(crate) fqdn: String,
    /// MAAS's number.
    pub(crate) status: u8,
    /// MAAS's words for it.
    #[serde(default)]
    pub(crate) status_name: String,
    /// The newest event.
    #[serde(default)]
    pub(crate) status_message: Option<String>,
    #[serde(default)]
    pub(crate) power_state: String,
    #[serde(default)]
    pub(crate) ip_addresses: Vec<String>,
    #[serde(default)]
    pub(crate) tag_names: Vec<String>,
    #[serde(default)]
    pub(crate) pool: Option<Named>,
    #[serde(default)]
    pub(crate) zone: Option<Named>,
}

/// A pool or a zone.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
}

impl Machine {
    pub(crate) fn status(&self) -> Option<Status> {
        Status::from_number(self.status)
    }

    /// MAAS's name of the status, whether this version knows it or not.
    pub(crate) fn status_text(&self) -> String {
        match self.status() {
            Some(status) => status.to_string(),
            None if self.status_name.is_empty() => format!("status {}", self.status),
            None => self.status_name.clone(),
        }
    }

    /// Status and newest event: `Commissioning: Performing PXE boot`.
    pub(crate) fn standing(&self) -> String {
        let status = self.status_text();
        match self.status_message.as_deref() {
            Some(message) if !message.is_empty() && message != status => {
                format!("{status}: {message}")
            }
            Some(_) | None => status,
        }
    }
}

/// A line of the event log.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) level: String,
    /// MAAS's description of the event type.
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) description: String,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if self.description.is_empty() { Ok(()) } else { write!(f, ": {}", self.description) }
    }
}

/// A page of the event log.
#[derive(Debug, Deserialize)]
pub(crate) struct Events {
    /// Newest first.
    pub(crate) events: Vec<Event>,
}

/// What the steps of this library say of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MachineOutput {
    /// MAAS's id.
    pub system_id: String,
    /// Its name, without a domain.
    pub hostname: String,
    /// Its status; absent if this version does not know MAAS's number.
    pub status: Option<Status>,
    /// MAAS's words for the status.
    pub status_name: String,
    /// `on`, `off`, `unknown` or `error`, as MAAS last saw it.
    pub power_state: String,
    /// Its addresses, as MAAS knows them.
    pub ip_addresses: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its resource pool.
    pub pool: Option<String>,
    /// Its zone.
    pub zone: Option<String>,
}

impl From<Machine> for MachineOutput {
    fn from(machine: Machine) -> Self {
        Self {
            status: machine.status(),
            status_name: machine.status_text(),
            system_id: machine.system_id,
            hostname: machine.hostname,
            power_state: machine.power_state,
            ip_addresses: machine.ip_addresses,
            tags: machine.tag_names,
            pool: machine.pool.map(|pool| pool.name),
            zone: machine.zone.map(|zone| zone.name),
        }
    }
}
