//! Nodes and their leases.

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
}

/// The answer to a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The lease holds for its whole time from `now` on.
    Renewed {
        /// The database's time at which it was renewed.
        now: Timestamp,
    },
    /// The lease ran out: the runs may belong to others. Join anew, as a new node.
    Lost,
}
