//! What people do about nodes and about runs that kill them, in memory.

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    model::NodeId,
    store::{FleetStore, Outgoing, StoreError},
};

#[async_trait]
impl FleetStore for MemoryStore {
    async fn release_quarantine(&self, message: &Outgoing) -> Result<bool, StoreError> {
        message.check()?;
        let now = self.clock.now();
        let mut state = self.state().await;
        let released = state.release_quarantine(message.to, now);
        if released {
            state.send(std::slice::from_ref(message));
        }
        Ok(released)
    }

    async fn set_draining(&self, node: NodeId, by: Option<&str>) -> Result<bool, StoreError> {
        Ok(self.state().await.set_draining(node, by))
    }
}
