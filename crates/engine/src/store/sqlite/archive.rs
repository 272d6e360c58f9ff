//! Large values in SQLite.

use async_trait::async_trait;
use sqlx::query;

use super::{SqliteStore, batch::to_json, rows};
use crate::{
    model::RunId,
    store::{ArchiveStore, Blob, BlobHash, StoreError},
};

#[async_trait]
impl ArchiveStore for SqliteStore {
    async fn blobs(&self, run: RunId, hashes: &[BlobHash]) -> Result<Vec<Blob>, StoreError> {
        let hashes = hashes.iter().map(ToString::to_string).collect::<Vec<_>>();
        let find = query(include_str!("sql/blobs.sql")).bind(run.0).bind(to_json(&hashes)?);
        self.all("reading large values", find).await?.iter().map(rows::blob).collect()
    }
}
