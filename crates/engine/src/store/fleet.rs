//! What people do about nodes, and about runs that kill them.

use std::time::Duration;

use async_trait::async_trait;

use super::{Outgoing, StoreError};
use crate::model::NodeId;

/// For how long after it took a run over which an owner had died before a node takes no other such
/// run. Most of what kills a node does so at once: then that run is to blame, and the others that
/// were there are not counted.
pub(super) const PROBATION: Duration = Duration::from_secs(5);

/// What people do about nodes, and about runs that kill them.
#[async_trait]
pub trait FleetStore: Send + Sync {
    /// Ends the quarantine of the run that `message` is for: it is due at once, its take-overs are
    /// counted from 0, and it is sent the message, all of it or nothing. False: it is not in
    /// quarantine.
    async fn release_quarantine(&self, message: &Outgoing) -> Result<bool, StoreError>;

    /// Notes who wants a node empty, or that nobody does any more. It is given nothing from then
    /// on, and learns of it with its next renewal. False: there is no such node.
    async fn set_draining(&self, node: NodeId, by: Option<&str>) -> Result<bool, StoreError>;
}
