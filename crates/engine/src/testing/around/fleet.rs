//! What people do about the nodes of a wrapped store.

use async_trait::async_trait;

use super::{Around, Stored, Wrapped};
use crate::{
    model::NodeId,
    store::{FleetStore, Outgoing},
};

#[async_trait]
impl<A: Around> FleetStore for Wrapped<A> {
    async fn release_quarantine(&self, message: &Outgoing) -> Stored<bool> {
        let release = self.inner.fleet().release_quarantine(message);
        self.call("release_quarantine", release).await
    }

    async fn set_draining(&self, node: NodeId, by: Option<&str>) -> Stored<bool> {
        self.call("set_draining", self.inner.fleet().set_draining(node, by)).await
    }
}
