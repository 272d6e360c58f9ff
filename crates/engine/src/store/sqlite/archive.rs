//! Large values in SQLite, and runs that are over.

use async_trait::async_trait;
use sqlx::{Row, query, sqlite::SqliteRow};
use uuid::Uuid;

use super::{SqliteStore, batch::to_json, rows};
use crate::{
    model::RunId,
    store::{ArchiveStore, Blob, BlobHash, Expired, StoreError, archive, sql::failed},
};

fn run(row: &SqliteRow) -> Result<RunId, StoreError> {
    row.try_get::<Uuid, _>(0).map(RunId).map_err(failed("reading the id of a run"))
}

#[async_trait]
impl ArchiveStore for SqliteStore {
    async fn blobs(&self, run: RunId, hashes: &[BlobHash]) -> Result<Vec<Blob>, StoreError> {
        let hashes = hashes.iter().map(ToString::to_string).collect::<Vec<_>>();
        let find = query(include_str!("sql/blobs.sql")).bind(run.0).bind(to_json(&hashes)?);
        self.all("reading large values", find).await?.iter().map(rows::blob).collect()
    }

    async fn expired(&self, expired: &Expired) -> Result<Vec<RunId>, StoreError> {
        let doing = "looking for runs to remove";
        let mut upto = expired.before.map(archive::before);
        if let Some(keep) = expired.keep {
            let edge = query(include_str!("sql/edge.sql"));
            let edge = self.one(doing, edge.bind(&expired.workflow).bind(i64::from(keep))).await?;
            let edge = edge.map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
            upto = upto.max(edge.transpose().map_err(failed(doing))?);
        }
        let Some((at, id)) = upto else { return Ok(Vec::new()) };
        let find = query(include_str!("sql/expired.sql"))
            .bind(&expired.workflow)
            .bind(at)
            .bind(id)
            .bind(i64::from(expired.limit));
        self.all(doing, find).await?.iter().map(run).collect()
    }

    async fn remove(&self, root: RunId, limit: u32) -> Result<u64, StoreError> {
        let doing = "removing runs";
        let mut held = self.pen.take().await?;
        held.begin(doing).await?;
        let choose = query(include_str!("sql/remove_choose.sql"));
        held.execute(doing, choose.bind(root.0).bind(i64::from(limit))).await?;
        let remove = query(include_str!("sql/remove_family.sql"));
        let removed = held.execute(doing, remove.bind(root.0)).await?;
        let unread = query("DELETE FROM inbox WHERE run_id IN (SELECT run_id FROM removals)");
        held.execute(doing, unread).await?;
        held.commit(doing).await?;
        held.put_back();
        Ok(removed)
    }

    async fn clear(&self, rows: u32) -> Result<u64, StoreError> {
        let doing = "removing journals";
        let gone = self.all(doing, query(include_str!("sql/removed.sql"))).await?;
        let gone = gone.iter().map(run).collect::<Result<Vec<_>, _>>()?;
        if gone.is_empty() {
            return Ok(0);
        }
        let gone = super::ids(&gone)?;
        let mut held = self.pen.take().await?;
        held.begin(doing).await?;
        let clear = query(include_str!("sql/clear_journal.sql"));
        let mut cleared = held.execute(doing, clear.bind(&gone).bind(i64::from(rows))).await?;
        if cleared < u64::from(rows) {
            let clear = query(include_str!("sql/clear_blobs.sql"));
            held.execute(doing, clear.bind(&gone)).await?;
            let forget = query(include_str!("sql/clear_removals.sql"));
            cleared += held.execute(doing, forget.bind(&gone)).await?;
        }
        held.commit(doing).await?;
        held.put_back();
        Ok(cleared)
    }
}
