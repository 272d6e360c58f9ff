//! What MAAS knows beside the hardware: tags, pools, zones, events, and each machine's entry.

use std::collections::BTreeMap;

use rackwright_engine::model::Timestamp;
use serde::{Deserialize, Serialize};

use super::Step;
use crate::Machine;

/// How much an event matters (Python's log levels, as MAAS uses them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// For the curious.
    Debug,
    /// The course of things.
    Info,
    /// Something is not as it should be.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// One line of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Dense, from 1, in the order of time.
    pub id: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Host name of the machine.
    pub machine: String,
    /// How much it matters.
    pub level: Level,
    /// What kind of event: MAAS's description of the event type.
    pub kind: String,
    /// More words, or none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A tag that can be put on machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// For people.
    pub comment: String,
}

/// A resource pool or a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// From 0 for pools, from 1 for zones.
    pub id: u32,
    /// What machines are put into.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// What MAAS knows beside the machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// By name.
    pub tags: BTreeMap<String, Tag>,
    /// Resource pools.
    pub pools: Vec<Place>,
    /// Physical zones.
    pub zones: Vec<Place>,
    /// The event log, oldest first.
    pub events: Vec<Event>,
}

impl Default for Region {
    /// What a fresh installation has.
    fn default() -> Self {
        let place = |id, description: &str| Place {
            id,
            name: "default".to_owned(),
            description: description.to_owned(),
        };
        Self {
            tags: BTreeMap::new(),
            pools: vec![place(0, "Default pool")],
            zones: vec![place(1, "")],
            events: Vec::new(),
        }
    }
}

impl Region {
    pub(super) fn log(
        &mut self,
        at: Timestamp,
        machine: &Machine,
        level: Level,
        kind: &str,
        text: impl Into<String>,
    ) {
        let id = self.events.last().map_or(1, |last| last.id + 1);
        let (kind, text) = (kind.to_owned(), text.into());
        self.events.push(Event { id, at, machine: machine.hostname.clone(), level, kind, text });
    }
}

/// What MAAS knows of one machine beside its status and tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Name of its resource pool.
    pub pool: String,
    /// Name of its zone.
    pub zone: String,
    /// Who holds it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Whether it stays on after its commissioning.
    #[serde(default)]
    pub enable_ssh: bool,
    /// How often it began to be commissioned.
    #[serde(default)]
    pub commissions: u32,
    /// The status that an aborted test goes back to.
    #[serde(default)]
    pub previous_status: u8,
    /// What is going to happen to it, in the order of time.
    #[serde(default)]
    pub ahead: Vec<Step>,
    /// Free text that an update set.
    #[serde(default)]
    pub description: String,
}

impl Default for Registration {
    fn default() -> Self {
        Self {
            pool: "default".to_owned(),
            zone: "default".to_owned(),
            owner: None,
            enable_ssh: false,
            commissions: 0,
            previous_status: super::status::NEW,
            ahead: Vec::new(),
            description: String::new(),
        }
    }
}
