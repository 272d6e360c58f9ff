//! Taking runs over: first a plan (which runs, folded to where they stand), then its execution (the
//! shards record the claim and carry on).

use std::{collections::HashMap, sync::Arc};

use super::{active::ActiveRun, message::Message, plans::Deployed, shared::Shared};
use crate::{
    machine::{Event, fold},
    model::{RunId, RunStatus, Timestamp, Version},
    store::{Claim, ClaimScope, InboxRow, JournalRow, StoreError},
};

/// How many runs are claimed at once.
const CLAIMS: u32 = 500;

/// Claims every run that is due and hands it to its shard. Returns how many.
pub(super) async fn claim_all(
    shared: &Arc<Shared>,
    scope: ClaimScope,
) -> Result<usize, StoreError> {
    let mut total = 0;
    loop {
        let node = shared.node();
        let claims = shared.store.claim(node, scope, CLAIMS).await?;
        if claims.is_empty() {
            return Ok(total);
        }
        total += claims.len();
        adopt(shared, claims.iter().map(Claimed::from).collect()).await?;
    }
}

/// A run that this node owns by the store's word.
#[derive(Clone, Copy)]
struct Claimed {
    run: RunId,
    epoch: u64,
    status: RunStatus,
    version: Version,
}

impl From<&Claim> for Claimed {
    fn from(claim: &Claim) -> Self {
        Self { run: claim.run, epoch: claim.epoch, status: claim.status, version: claim.version }
    }
}

async fn adopt(shared: &Arc<Shared>, claims: Vec<Claimed>) -> Result<(), StoreError> {
    let ids: Vec<_> = claims.iter().map(|claim| claim.run).collect();
    let mut journals: HashMap<RunId, Vec<JournalRow>> = HashMap::with_capacity(ids.len());
    for (run, row) in shared.store.journals(&ids).await? {
        journals.entry(run).or_default().push(row);
    }
    let mut mail: HashMap<RunId, Vec<InboxRow>> = HashMap::new();
    for row in shared.store.inbox(&ids).await? {
        mail.entry(row.run).or_default().push(row);
    }
    for claim in claims {
        let found = shared.plans.get(claim.version, &*shared.store, &shared.registry).await;
        let rows = journals.remove(&claim.run).unwrap_or_default();
        let restored = match found {
            Ok(deployed) => restore(claim, deployed, &rows),
            Err(error) => Err(error.to_string()),
        };
        match restored {
            Ok(run) => {
                let mail = mail.remove(&claim.run).unwrap_or_default();
                shared.tell(claim.run, Message::Adopt { run: Box::new(run), mail });
            }
            Err(reason) => {
                shared.set_stuck(claim.run, reason);
            }
        }
    }
    Ok(())
}

fn restore(
    claim: Claimed,
    deployed: Arc<Deployed>,
    rows: &[JournalRow],
) -> Result<ActiveRun, String> {
    let mut events = Vec::new();
    for row in rows {
        let read =
            decode(row).map_err(|error| format!("row {} of its journal: {error}", row.seq))?;
        events.extend(read);
    }
    let state = fold(&deployed.plan, events).map_err(|error| error.to_string())?;
    let state = state.ok_or("its journal is empty")?;
    let next_seq = rows.last().map_or(0, |row| row.seq + 1);
    let mut run = ActiveRun::new(deployed, state, next_seq);
    run.claim_epoch = claim.epoch;
    run.row_status = claim.status;
    Ok(run)
}

/// The events of a row, each with the row's time.
pub(crate) fn decode(row: &JournalRow) -> Result<Vec<(Timestamp, Event)>, serde_json::Error> {
    let events: Vec<Event> = serde_json::from_slice(&row.events)?;
    Ok(events.into_iter().map(|event| (row.at, event)).collect())
}

/// Reads a run again that is this node's by the store's word, although its journal went on
/// elsewhere.
pub(super) fn reload(shared: Arc<Shared>, run: RunId) {
    tokio::spawn(async move {
        let record = match shared.store.run(run).await {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(error) => return tracing::warn!(%run, %error, "could not read a claimed run again"),
        };
        if record.owner != Some(shared.node()) || record.status.is_ended() {
            return;
        }
        let (epoch, status, version) = (record.epoch, record.status, record.version);
        if let Err(error) = adopt(&shared, vec![Claimed { run, epoch, status, version }]).await {
            tracing::warn!(%run, %error, "could not read a claimed run again");
        }
    });
}
