//! Large values in memory, and runs that are over.

use async_trait::async_trait;

use super::{MemoryStore, state::State};
use crate::{
    model::RunId,
    store::{Append, ArchiveStore, Blob, BlobHash, Expired, RunRecord, StoreError, archive},
};

impl State {
    /// Keeps what an append that went in brings.
    pub(super) fn keep(&mut self, append: &Append) {
        for blob in &append.blobs {
            self.blobs.entry((append.run, blob.hash)).or_insert_with(|| blob.bytes.clone());
        }
    }

    fn expired(&self, query: &Expired) -> Vec<RunId> {
        let of_workflow = |record: &&RunRecord| {
            let ended = record.parent.is_none() && record.status.is_ended();
            ended && record.workflow == query.workflow
        };
        let end = |record: &RunRecord| (record.updated_at.micros(), record.id.0);
        let mut over: Vec<_> = self.records().filter(of_workflow).map(end).collect();
        over.sort_unstable();
        let edge = query.keep.and_then(|keep| over.iter().rev().nth(keep as usize).copied());
        let upto = query.before.map(archive::before).max(edge);
        let expired = over.into_iter().filter(|end| Some(*end) <= upto).map(|(_, id)| RunId(id));
        expired.filter(|root| self.is_over(*root)).take(query.limit as usize).collect()
    }

    fn is_over(&self, root: RunId) -> bool {
        self.records().filter(|record| record.root == root).all(|it| it.status.is_ended())
    }

    fn remove(&mut self, root: RunId, limit: u32) -> u64 {
        if !self.is_over(root) {
            return 0;
        }
        let family = self.records().filter(|record| record.root == root).map(|record| record.id);
        let mut family: Vec<_> = family.collect();
        family.sort_unstable_by_key(|run| (*run == root, *run));
        family.truncate(limit as usize);
        for run in &family {
            self.forget(*run);
            self.blobs.retain(|(of, _), _| of != run);
        }
        family.len() as u64
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

    async fn expired(&self, query: &Expired) -> Result<Vec<RunId>, StoreError> {
        Ok(self.state().await.expired(query))
    }

    async fn remove(&self, root: RunId, limit: u32) -> Result<u64, StoreError> {
        Ok(self.state().await.remove(root, limit))
    }

    /// What is removed is gone at once.
    async fn clear(&self, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}
