//! The part of a store that is about size: large values beside the journals.

use async_trait::async_trait;

use super::{Blob, BlobHash, StoreError};
use crate::model::RunId;

/// The part of a store that is about size.
#[async_trait]
pub trait ArchiveStore: Send + Sync {
    /// The values of these names that are kept beside the journal of a run; those that are not
    /// there are left out.
    async fn blobs(&self, run: RunId, hashes: &[BlobHash]) -> Result<Vec<Blob>, StoreError>;
}
