//! Large values in memory.

use async_trait::async_trait;

use super::{MemoryStore, state::State};
use crate::{
    model::RunId,
    store::{Append, ArchiveStore, Blob, BlobHash, StoreError},
};

impl State {
    /// Keeps what an append that went in brings.
    pub(super) fn keep(&mut self, append: &Append) {
        for blob in &append.blobs {
            self.blobs.entry((append.run, blob.hash)).or_insert_with(|| blob.bytes.clone());
        }
    }
}

#[async_trait]
impl ArchiveStore for MemoryStore {
    async fn blobs(&self, run: RunId, hashes: &[BlobHash]) -> Result<Vec<Blob>, StoreError> {
        let state = self.state().await;
        let find = |hash: &BlobHash| {
            let bytes = state.blobs.get(&(run, *hash))?.clone();
            Some(Blob { hash: *hash, bytes })
        };
        Ok(hashes.iter().filter_map(find).collect())
    }
}
