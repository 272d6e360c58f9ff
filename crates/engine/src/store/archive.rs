//! The part of a store that is about size: large values beside the journals, and runs that are over
//! and are removed.

use async_trait::async_trait;

use super::{Blob, BlobHash, StoreError};
use crate::model::{RunId, Timestamp};

/// Which families of runs are to be removed. A family is a run that nobody started but a person or
/// a schedule, with all runs below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The name of the workflow of the family's outermost run.
    pub workflow: String,
    /// Those whose outermost run ended before this.
    pub before: Option<Timestamp>,
    /// Those that so many others outlived.
    pub keep: Option<u32>,
    /// At most so many.
    pub limit: u32,
}

/// The part of a store that is about size.
#[async_trait]
pub trait ArchiveStore: Send + Sync {
    /// The values of these names that are kept beside the journal of a run; those that are not
    /// there are left out.
    async fn blobs(&self, run: RunId, hashes: &[BlobHash]) -> Result<Vec<Blob>, StoreError>;

    /// The outermost runs of families that are over as a whole and meet one of the conditions, the
    /// one that ended first first. A family is over when all runs of it have ended.
    async fn expired(&self, query: &Expired) -> Result<Vec<RunId>, StoreError>;

    /// Takes up to `limit` runs of a family away, children first, the outermost last, and says how
    /// many: fewer than `limit` if that was all. None, if a run of it has not ended. Their journals
    /// stay until [`ArchiveStore::clear`] is called often enough; nobody finds them.
    async fn remove(&self, root: RunId, limit: u32) -> Result<u64, StoreError>;

    /// Removes up to `rows` journal rows of runs that were taken away, and their large values.
    /// Returns how many there were: fewer than `rows` does not mean that nothing is left, 0 does.
    /// A short transaction, so that nobody waits for long.
    async fn clear(&self, rows: u32) -> Result<u64, StoreError>;
}

/// Beyond all runs that ended before a moment.
pub(super) fn before(at: Timestamp) -> (i64, uuid::Uuid) {
    (at.micros().saturating_sub(1), uuid::Uuid::max())
}
