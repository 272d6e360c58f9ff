//! Large values in PostgreSQL, and runs that are over.

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow, query};
use uuid::Uuid;

use super::{PostgresStore, connect::within, rows};
use crate::{
    model::RunId,
    store::{ArchiveStore, Blob, BlobHash, Expired, StoreError, archive, sql::failed},
};

fn run(row: &PgRow) -> Result<RunId, StoreError> {
    row.try_get::<Uuid, _>(0).map(RunId).map_err(failed("reading the id of a run"))
}

#[async_trait]
impl ArchiveStore for PostgresStore {
    async fn blobs(&self, run: RunId, hashes: &[BlobHash]) -> Result<Vec<Blob>, StoreError> {
        let find = || {
            let hashes: Vec<_> = hashes.iter().map(|hash| &hash.0[..]).collect();
            query(include_str!("sql/blobs.sql")).bind(run.0).bind(hashes)
        };
        self.all("reading large values", find).await?.iter().map(rows::blob).collect()
    }

    async fn expired(&self, expired: &Expired) -> Result<Vec<RunId>, StoreError> {
        let doing = "looking for runs to remove";
        let mut upto = expired.before.map(archive::before);
        if let Some(keep) = expired.keep {
            let edge = || {
                query(include_str!("sql/edge.sql")).bind(&expired.workflow).bind(i64::from(keep))
            };
            let edge = self.one(doing, edge).await?;
            let edge = edge.map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
            upto = upto.max(edge.transpose().map_err(failed(doing))?);
        }
        let Some((at, id)) = upto else { return Ok(Vec::new()) };
        let find = || {
            query(include_str!("sql/expired.sql"))
                .bind(&expired.workflow)
                .bind(at)
                .bind(id)
                .bind(i64::from(expired.limit))
        };
        self.all(doing, find).await?.iter().map(run).collect()
    }

    async fn remove(&self, root: RunId, limit: u32) -> Result<u64, StoreError> {
        let doing = "removing runs";
        let remove =
            || query(include_str!("sql/remove_family.sql")).bind(root.0).bind(i64::from(limit));
        let row = self.one(doing, remove).await?.ok_or_else(super::no_row)?;
        Ok(row.try_get::<i64, _>(0).map_err(failed(doing))?.unsigned_abs())
    }

    async fn clear(&self, rows: u32) -> Result<u64, StoreError> {
        let doing = "removing journals";
        let mut change = within(doing, self.pool.begin()).await?;
        let gone = query(include_str!("sql/removed.sql"));
        let gone = within(doing, gone.fetch_all(&mut *change)).await?;
        let gone =
            gone.iter().map(|row| Ok(run(row)?.0)).collect::<Result<Vec<_>, StoreError>>()?;
        if gone.is_empty() {
            return Ok(0);
        }
        let clear = query(include_str!("sql/clear_journal.sql")).bind(&gone).bind(i64::from(rows));
        let mut cleared = within(doing, clear.execute(&mut *change)).await?.rows_affected();
        if cleared < u64::from(rows) {
            let rest = query(include_str!("sql/clear_rest.sql")).bind(&gone);
            cleared += within(doing, rest.execute(&mut *change)).await?.rows_affected();
        }
        within(doing, change.commit()).await?;
        Ok(cleared)
    }
}
