//! What a turn of a run writes.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Blob, LockChange, RunStatus, StoreError, TaskChange};
use crate::model::{NodeId, RunId, Timestamp, Version};

/// Identifies a message in an inbox; grows in the order of arrival.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct InboxId(pub i64);

/// One turn of one run: a journal row, and what happens with it or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The run.
    pub run: RunId,
    /// The row's place in the journal, dense from 0.
    pub seq: u64,
    /// The epoch at which the writer owns the run.
    pub epoch: u64,
    /// When the turn was taken.
    pub at: Timestamp,
    /// The turn's events: a JSON array, opaque to the store.
    pub events: Bytes,
    /// With the row 0 and only with it: the run that it begins.
    pub create: Option<Box<NewRun>>,
    /// A change of the run's status or owner.
    pub update: Option<RunUpdate>,
    /// Messages that the turn has taken in.
    pub consumed: Vec<InboxId>,
    /// Messages that the turn sends.
    pub send: Vec<Outgoing>,
    /// Locks that the turn asks for and gives up.
    pub locks: Vec<LockChange>,
    /// Calls for pools that begin and are to stop.
    pub tasks: Vec<TaskChange>,
    /// Large values that the events name: kept beside the journal.
    pub blobs: Vec<Blob>,
}

/// A run that is made with its first journal row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// The workflow's name.
    pub workflow: String,
    /// The workflow's version.
    pub version: Version,
    /// Makes starting idempotent: one run per workflow and key.
    pub idempotency_key: Option<String>,
    /// The run that started this one.
    pub parent: Option<RunId>,
    /// The outermost run above this one; itself if it has no parent.
    pub root: RunId,
    /// What an operator searches by.
    pub labels: BTreeMap<String, String>,
    /// Labels that its node has to have.
    pub requires: BTreeMap<String, String>,
    /// The run's status at its beginning.
    pub status: RunStatus,
    /// Its owner, at the append's epoch. Without one the run is due at once.
    pub owner: Option<NodeId>,
}

/// A change of a run's row by its owner. It also says that the run goes on: take-overs are counted
/// from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunUpdate {
    /// The new status. One that ends the run releases it and drops the mail that is left.
    pub status: RunStatus,
    /// When a released run is due.
    pub wake_at: Option<Timestamp>,
    /// Whether the owner gives the run up.
    pub release: bool,
    /// The version that the run has been moved to.
    pub version: Option<Version>,
}

/// A message for a run's inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The run that is to read it.
    pub to: RunId,
    /// Two waiting messages to one run with one key are one message.
    pub dedup: String,
    /// The message, opaque to the store.
    pub body: Bytes,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It is in the journal, and what rides along is done.
    Committed,
    /// The sequence number is taken or leaves a gap, or the epoch is stale. Nothing happened.
    Conflict,
    /// The idempotency key belongs to this run. Nothing happened.
    Duplicate(RunId),
}

/// The longest name or key in bytes: what PostgreSQL's and SQLite's indexes hold with ease.
const LONGEST_KEY: usize = 512;

impl NewRun {
    /// Refuses names, keys and labels that a database can't hold. A starter checks this before it
    /// joins its run to a batch, since one bad append fails the whole batch.
    pub fn check(&self) -> Result<(), StoreError> {
        check_key("workflow name", &self.workflow)?;
        if let Some(key) = &self.idempotency_key {
            check_key("idempotency key", key)?;
        }
        for (name, value) in self.labels.iter().chain(&self.requires) {
            check_key("label name", name)?;
            check_text("label", value)?;
        }
        Ok(())
    }

    /// What it asks of its node, if anything.
    pub(super) fn requires(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.requires).filter(|requires| !requires.is_empty())
    }
}

impl Outgoing {
    /// Refuses a key that a database can't hold; see [`NewRun::check`].
    pub fn check(&self) -> Result<(), StoreError> {
        check_key("message key", &self.dedup)
    }
}

impl RunUpdate {
    /// The update as it is stored: an ended run has no owner and no alarm, one that waits for a
    /// person or is paused has no alarm, and one that is given up with work left is due at once.
    pub(super) fn settled(self, at: Timestamp) -> Self {
        let Self { status, wake_at, release, version } = self;
        match status {
            RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled => {
                Self { status, wake_at: None, release: true, version }
            }
            RunStatus::Paused | RunStatus::Attention => {
                Self { status, wake_at: None, release, version }
            }
            RunStatus::Pending | RunStatus::Running if release => {
                Self { status, wake_at: wake_at.or(Some(at)), release, version }
            }
            RunStatus::Pending | RunStatus::Running | RunStatus::Waiting => self,
        }
    }
}

impl Append {
    /// Whether the row stands alone: the hot path.
    pub(super) fn is_plain(&self) -> bool {
        self.create.is_none()
            && self.update.is_none()
            && self.consumed.is_empty()
            && self.send.is_empty()
            && self.locks.is_empty()
            && self.tasks.is_empty()
            && self.blobs.is_empty()
    }

    /// The row of the run that this append makes, with its update already applied.
    pub(super) fn created(&self) -> Option<(&NewRun, RunUpdate)> {
        let new = self.create.as_deref()?;
        let update = self.update.unwrap_or(RunUpdate {
            status: new.status,
            wake_at: None,
            release: false,
            version: None,
        });
        let release = update.release || new.owner.is_none();
        Some((new, RunUpdate { release, ..update }.settled(self.at)))
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.create.is_some() != (self.seq == 0) {
            return Err(StoreError::Invalid(format!(
                "run {}: the journal row 0, and no other, begins a run (this is row {})",
                self.run, self.seq
            )));
        }
        if let Some(new) = &self.create {
            new.check()?;
        }
        self.locks.iter().try_for_each(LockChange::check)?;
        self.tasks.iter().try_for_each(TaskChange::check)?;
        self.send.iter().try_for_each(Outgoing::check)
    }
}

/// Checks a batch and sorts it by run, so that two writers lock rows in the same order. The indexes
/// say where each append stood.
pub(super) fn in_order(batch: &[Append]) -> Result<Vec<(usize, &Append)>, StoreError> {
    let mut sorted: Vec<_> = batch.iter().enumerate().collect();
    sorted.sort_unstable_by_key(|(_, append)| append.run);
    for pair in sorted.windows(2) {
        if let [(_, a), (_, b)] = pair
            && a.run == b.run
        {
            return Err(StoreError::Invalid(format!(
                "a batch holds two appends of run {}: commit them one after the other",
                a.run
            )));
        }
    }
    batch.iter().try_for_each(Append::check)?;
    Ok(sorted)
}

/// Refuses text that is empty, too long for an index, or holds U+0000 (PostgreSQL has no such text).
pub(super) fn check_key(what: &str, text: &str) -> Result<(), StoreError> {
    if text.is_empty() || text.len() > LONGEST_KEY {
        return Err(StoreError::Invalid(format!(
            "a {what} has 1 to {LONGEST_KEY} bytes; this one has {}",
            text.len()
        )));
    }
    check_text(what, text)
}

pub(super) fn check_text(what: &str, text: &str) -> Result<(), StoreError> {
    match text.find('\0') {
        Some(at) => Err(StoreError::Invalid(format!(
            "a {what} can't hold the character U+0000 (at byte {at})"
        ))),
        None => Ok(()),
    }
}
