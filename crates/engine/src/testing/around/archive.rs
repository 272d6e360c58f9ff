//! The large values of a wrapped store, and its runs that are over.

use async_trait::async_trait;

use super::{Around, Stored, Wrapped};
use crate::{
    model::RunId,
    store::{ArchiveStore, Blob, BlobHash, Expired},
};

#[async_trait]
impl<A: Around> ArchiveStore for Wrapped<A> {
    async fn blobs(&self, run: RunId, hashes: &[BlobHash]) -> Stored<Vec<Blob>> {
        self.call("blobs", self.inner.archive().blobs(run, hashes)).await
    }

    async fn expired(&self, query: &Expired) -> Stored<Vec<RunId>> {
        self.call("expired", self.inner.archive().expired(query)).await
    }

    async fn remove(&self, root: RunId, limit: u32) -> Stored<u64> {
        self.call("remove", self.inner.archive().remove(root, limit)).await
    }

    async fn clear(&self, rows: u32) -> Stored<u64> {
        self.call("clear", self.inner.archive().clear(rows)).await
    }
}
