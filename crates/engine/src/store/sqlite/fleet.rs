//! What people do about nodes and about runs that kill them, in SQLite.

use async_trait::async_trait;
use sqlx::query;

use super::{SqliteStore, batch};
use crate::{
    model::NodeId,
    store::{FleetStore, Outgoing, StoreError},
};

#[async_trait]
impl FleetStore for SqliteStore {
    async fn release_quarantine(&self, message: &Outgoing) -> Result<bool, StoreError> {
        let doing = "ending a quarantine";
        message.check()?;
        let now = self.clock.now().micros();
        let messages = batch::messages([message].into_iter())?;
        let mut held = self.pen.take().await?;
        held.begin(doing).await?;
        let release = query(include_str!("sql/release_quarantine.sql"));
        let released = held.execute(doing, release.bind(message.to.0).bind(now)).await? > 0;
        if released {
            let send = query(include_str!("sql/send.sql"));
            held.execute(doing, send.bind(messages.meta).bind(messages.bytes)).await?;
        }
        held.commit(doing).await?;
        held.put_back();
        Ok(released)
    }

    async fn set_draining(&self, node: NodeId, by: Option<&str>) -> Result<bool, StoreError> {
        let set = query("UPDATE nodes SET draining = ?2 WHERE id = ?1").bind(node.0).bind(by);
        Ok(self.write("draining a node", set).await? > 0)
    }
}
