//! The large values of a wrapped store.

use async_trait::async_trait;

use super::{Around, Stored, Wrapped};
use crate::{
    model::RunId,
    store::{ArchiveStore, Blob, BlobHash},
};

#[async_trait]
impl<A: Around> ArchiveStore for Wrapped<A> {
    async fn blobs(&self, run: RunId, hashes: &[BlobHash]) -> Stored<Vec<Blob>> {
        self.call("blobs", self.inner.archive().blobs(run, hashes)).await
    }
}
