//! Locks and limits as the store keeps them.
//!
//! A request asks for one or more claims and is granted whole or not at all. What a turn asks for
//! and gives up rides on its [`super::Append`], so that a zombie can do neither, and a holder is
//! what its journal says. Whoever is granted something with an append is sent the message that it
//! left with its request, in the same transaction.

use bytes::Bytes;
use serde::Serialize;

use super::{StoreError, append::check_key};
use crate::model::{LockClaim, LockHolder, RunId, Timestamp};

/// What a turn changes about locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockChange {
    /// Asks. One holder has one request: another one replaces it.
    Want(Box<LockRequest>),
    /// Gives up what the run, or this step of it, holds or waits for.
    Release {
        /// The step; none: the run's own request.
        step: Option<u32>,
    },
    /// Gives up all that the run and its steps hold or wait for. The end of a run does not do this
    /// by itself: most runs have nothing to give up, and would pay for asking.
    ReleaseAll,
}

/// What a run, or a step of it, asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRequest {
    /// The step; none: the run itself.
    pub step: Option<u32>,
    /// The step's path, for people; empty for the run itself.
    pub label: String,
    /// What is asked for, all of it at once.
    pub claims: Vec<LockClaim>,
    /// Who holds something and can't give it up before this request is done with: what they hold
    /// is no obstacle, and who only waits for it does not come first.
    pub within: Vec<LockHolder>,
    /// Higher comes first.
    pub priority: u8,
    /// What the run is sent when the request is granted; opaque to the store.
    pub message: Bytes,
}

/// A request that is alive: granted, or waiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockRecord {
    /// Its place in the order of arrival.
    pub ticket: i64,
    /// Who asked.
    #[serde(flatten)]
    pub holder: LockHolder,
    /// The step's path; empty for the run itself.
    pub label: String,
    /// What for.
    pub claims: Vec<LockClaim>,
    /// Whose locks are no obstacle.
    #[serde(skip)]
    pub within: Vec<LockHolder>,
    /// Higher comes first.
    pub priority: u8,
    /// Since when.
    pub wanted_at: Timestamp,
    /// Since when it is held; none: it waits.
    pub granted_at: Option<Timestamp>,
}

impl LockChange {
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Want(request) => {
                if request.claims.is_empty() {
                    return Err(StoreError::Invalid("a request of no lock".to_owned()));
                }
                if !request.label.is_empty() {
                    super::append::check_text("step path", &request.label)?;
                }
                let keys = request.claims.iter().filter_map(|claim| claim.slot.as_ref());
                let mut keys = keys.filter(|slot| !slot.key.is_empty());
                keys.try_for_each(|slot| check_key("key of a limit", &slot.key))
            }
            Self::Release { .. } | Self::ReleaseAll => Ok(()),
        }
    }
}

/// The key of the message that tells a grant: one per request.
pub(super) fn message_key(ticket: i64) -> String {
    format!("lock {ticket}")
}

/// The claim's name as a database keeps it: limits stand apart from locks.
pub(super) fn stored_name(claim: &LockClaim) -> String {
    match claim.slot {
        Some(_) => format!("={}", claim.name),
        None => claim.name.to_string(),
    }
}

/// Which stored names stand in the way of some claims, or may wait for them: these, and those in
/// the ranges between two texts, ends excluded.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    pub(super) exact: Vec<String>,
    pub(super) from: Vec<String>,
    pub(super) below: Vec<String>,
}

impl Neighbours {
    pub(super) fn of<'a>(claims: impl IntoIterator<Item = &'a LockClaim>) -> Self {
        let mut out = Self::default();
        for claim in claims {
            if claim.slot.is_some() {
                out.exact.push(stored_name(claim));
                continue;
            }
            out.exact.extend(claim.name.lineage().map(str::to_owned));
            out.from.push(format!("{}/", claim.name));
            // The character after `/`.
            out.below.push(format!("{}0", claim.name));
        }
        out.exact.sort_unstable();
        out.exact.dedup();
        out
    }
}

/// The changes of one batch in the order in which they are carried out: first what is given up,
/// then what is asked for.
#[derive(Debug)]
pub(super) struct LockBatch<'a> {
    pub(super) released: Vec<(RunId, Option<u32>)>,
    pub(super) released_runs: Vec<RunId>,
    pub(super) wanted: Vec<(RunId, &'a LockRequest)>,
    pub(super) at: Timestamp,
}

impl<'a> LockBatch<'a> {
    /// Whether any of these appends changes locks.
    pub(super) fn has_any<'b>(mut appends: impl Iterator<Item = &'b super::Append>) -> bool {
        appends.any(|append| !append.locks.is_empty())
    }

    pub(super) fn of(appends: impl IntoIterator<Item = &'a super::Append>) -> Self {
        let mut batch = Self {
            released: Vec::new(),
            released_runs: Vec::new(),
            wanted: Vec::new(),
            at: Timestamp::from_micros(0),
        };
        for append in appends.into_iter().filter(|append| !append.locks.is_empty()) {
            batch.at = batch.at.max(append.at);
            let mine = batch.wanted.len();
            for change in &append.locks {
                match change {
                    LockChange::Want(request) => {
                        batch.give_up(append.run, request.step, mine);
                        batch.wanted.push((append.run, request));
                    }
                    LockChange::Release { step } => batch.give_up(append.run, *step, mine),
                    LockChange::ReleaseAll => {
                        batch.released_runs.push(append.run);
                        batch.wanted.truncate(mine);
                    }
                }
            }
        }
        batch
    }

    /// What was asked for in the same turn is not asked for after all.
    fn give_up(&mut self, run: RunId, step: Option<u32>, mine: usize) {
        self.released.push((run, step));
        let kept = self.wanted.split_off(mine);
        self.wanted.extend(kept.into_iter().filter(|(_, request)| request.step != step));
    }
}

/// Which requests to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockQuery {
    /// All, up to so many.
    All {
        /// How many.
        limit: u32,
    },
    /// Those of a run and its steps.
    Run(RunId),
    /// Those that stand in the way of one of these claims, or for which it stands in the way.
    Touching(Vec<LockClaim>),
}

/// The number that stands for a holder's step; the run itself is -1.
pub(super) fn stored_step(step: Option<u32>) -> i64 {
    step.map_or(-1, i64::from)
}

/// The step that a stored number stands for.
pub(super) fn read_step(stored: i64) -> Result<Option<u32>, StoreError> {
    if stored == -1 {
        return Ok(None);
    }
    u32::try_from(stored)
        .map(Some)
        .map_err(|_| StoreError::Corrupt(format!("{stored} is no step's number")))
}

/// Claims and holders as a database keeps them.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Invalid(error.to_string()))
}

/// The claims that a database kept.
pub(super) fn read_claims(stored: &str) -> Result<Vec<LockClaim>, StoreError> {
    serde_json::from_str(stored)
        .map_err(|error| StoreError::Corrupt(format!("the claims of a request: {error}")))
}
