//! What the store answers with.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Blob, InboxId};
use crate::model::{NodeId, RunId, RunStatus, Timestamp, Version};

/// A run's row: what is known without reading its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run.
    pub id: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The workflow's version.
    pub version: Version,
    /// The key that the starter gave.
    pub idempotency_key: Option<String>,
    /// The run that started this one.
    pub parent: Option<RunId>,
    /// The outermost run above this one.
    pub root: RunId,
    /// What an operator searches by.
    pub labels: BTreeMap<String, String>,
    /// Labels that its node has to have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<String, String>,
    /// Where the run stands.
    pub status: RunStatus,
    /// The node that acts for it.
    pub owner: Option<NodeId>,
    /// Counts the run's owners.
    pub epoch: u64,
    /// When a run without an owner is due.
    pub wake_at: Option<Timestamp>,
    /// How often it was taken from a dead owner since an owner last changed its row.
    pub takeovers: u32,
    /// Since when it is in quarantine: its owners died too often, and nobody takes it.
    pub quarantined_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner last changed its row.
    pub updated_at: Timestamp,
}

/// Which runs to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs in one of these; empty means any.
    pub status: Vec<RunStatus>,
    /// Only runs of the workflow of this name.
    pub workflow: Option<String>,
    /// Only runs below this one, and itself.
    pub root: Option<RunId>,
    /// Only runs that this one started.
    pub parent: Option<RunId>,
    /// Only runs that carry all of these labels.
    pub labels: BTreeMap<String, String>,
    /// At most so many.
    pub limit: u32,
    /// Only runs older than this one: the last of the page before.
    pub before: Option<RunId>,
}

impl Default for RunFilter {
    fn default() -> Self {
        Self {
            status: Vec::new(),
            workflow: None,
            root: None,
            parent: None,
            labels: BTreeMap::new(),
            limit: 100,
            before: None,
        }
    }
}

/// A row of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// Its place, dense from 0.
    pub seq: u64,
    /// The epoch of the owner that wrote it.
    pub epoch: u64,
    /// When its turn was taken.
    pub at: Timestamp,
    /// Its events: a JSON array.
    pub events: Bytes,
}

/// A run that a node has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// The new owner's epoch.
    pub epoch: u64,
    /// Where the run stands.
    pub status: RunStatus,
    /// The workflow's version.
    pub version: Version,
    /// The outermost run above this one.
    pub root: RunId,
    /// The run that started this one.
    pub parent: Option<RunId>,
    /// The dead node that it was taken from; absent if nobody owned it.
    pub taken_from: Option<NodeId>,
    /// How often it was taken from a dead owner, this time included, since an owner last changed
    /// its row: a run that kills its nodes is told by this.
    pub takeovers: u32,
}

/// Which runs a node claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClaimScope {
    /// Any run.
    #[default]
    All,
    /// This run and those below it.
    Root(RunId),
}

impl ClaimScope {
    /// The run that bounds the scope.
    pub const fn root(self) -> Option<RunId> {
        match self {
            Self::All => None,
            Self::Root(run) => Some(run),
        }
    }
}

/// A waiting message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRow {
    /// Names it in [`super::Append::consumed`].
    pub id: InboxId,
    /// The run that is to read it.
    pub run: RunId,
    /// The sender's key. A message that is sent again after it was consumed comes again: a reader
    /// that must not act twice remembers this.
    pub dedup: String,
    /// The message.
    pub body: Bytes,
}

/// A workflow as it was when runs of it were started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The hash of `canonical`.
    pub version: Version,
    /// The workflow's name.
    pub name: String,
    /// The canonical form.
    pub canonical: Bytes,
    /// When the store first saw it.
    pub at: Timestamp,
}

/// Runs that were read from somewhere else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Archived {
    /// Their workflows.
    pub(crate) definitions: Vec<Definition>,
    /// Each with its journal.
    pub(crate) runs: Vec<(RunRecord, Vec<JournalRow>)>,
    /// The large values of their journals.
    pub(crate) blobs: Vec<(RunId, Blob)>,
}
