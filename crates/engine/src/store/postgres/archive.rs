//! Large values in PostgreSQL.

use async_trait::async_trait;
use sqlx::query;

use super::{PostgresStore, rows};
use crate::{
    model::RunId,
    store::{ArchiveStore, Blob, BlobHash, StoreError},
};

#[async_trait]
impl ArchiveStore for PostgresStore {
    async fn blobs(&self, run: RunId, hashes: &[BlobHash]) -> Result<Vec<Blob>, StoreError> {
        let find = || {
            let hashes: Vec<_> = hashes.iter().map(|hash| &hash.0[..]).collect();
            query(include_str!("sql/blobs.sql")).bind(run.0).bind(hashes)
        };
        self.all("reading large values", find).await?.iter().map(rows::blob).collect()
    }
}
