//! Nodes and their leases.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{NodeId, Timestamp};

/// An engine process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeRecord {
    /// The node.
    pub id: NodeId,
    /// The name that operators know it by.
    pub name: String,
    /// The boot of the machine it runs on: Linux's `/proc/sys/kernel/random/boot_id`.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// When the process began, in clock ticks after boot: `starttime` in `/proc/PID/stat`
    /// (proc(5)). Tells a process from a later one of the same number.
    pub started: u64,
    /// After how many take-overs from dead owners, without progress in between, it puts a run in
    /// quarantine; `None`: never.
    pub quarantine_after: Option<u32>,
    /// What it is: runs may ask for a node that has certain labels.
    pub labels: BTreeMap<String, String>,
    /// How many runs it has room for.
    pub capacity: u32,
}

impl NodeRecord {
    /// Whether it has all that a run asks for.
    pub fn fits(&self, requires: &BTreeMap<String, String>) -> bool {
        has_labels(&self.labels, requires)
    }
}

/// Whether all of `required` are among `labels`.
pub(crate) fn has_labels(
    labels: &BTreeMap<String, String>,
    required: &BTreeMap<String, String>,
) -> bool {
    required.iter().all(|(name, value)| labels.get(name) == Some(value))
}

/// A node and its lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// The node.
    pub node: NodeRecord,
    /// When the lease runs out, or ran out.
    pub lease_until: Timestamp,
    /// Whether the lease holds, by the database's clock.
    pub alive: bool,
    /// When it was renewed last, by the database's clock.
    pub renewed_at: Timestamp,
    /// How many runs it owns.
    pub runs: u64,
    /// Who wants it empty: it takes nothing more.
    pub draining: Option<String>,
}

/// The answer to a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The lease holds for its whole time from `now` on.
    Renewed {
        /// The database's time at which it was renewed.
        now: Timestamp,
        /// Who wants the node empty, if anybody does.
        draining: Option<String>,
    },
    /// The lease ran out: the runs may belong to others. Join anew, as a new node.
    Lost,
}
