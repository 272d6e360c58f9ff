//! What people do about nodes and about runs that kill them, in PostgreSQL.

use async_trait::async_trait;
use sqlx::query;

use super::PostgresStore;
use crate::{
    model::NodeId,
    store::{FleetStore, Outgoing, StoreError},
};

#[async_trait]
impl FleetStore for PostgresStore {
    async fn release_quarantine(&self, message: &Outgoing) -> Result<bool, StoreError> {
        message.check()?;
        let release = || {
            query(include_str!("sql/release_quarantine.sql"))
                .bind(message.to.0)
                .bind(&message.dedup)
                .bind(&message.body[..])
        };
        Ok(self.one("ending a quarantine", release).await?.is_some())
    }

    async fn set_draining(&self, node: NodeId, by: Option<&str>) -> Result<bool, StoreError> {
        let set = || query("UPDATE nodes SET draining = $2 WHERE id = $1").bind(node.0).bind(by);
        Ok(self.execute("draining a node", set).await?.rows_affected() > 0)
    }
}
