//! Taking runs over: first a plan (which runs, folded to where they stand), then its execution (the
//! shards record the claim and carry on).

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    active::ActiveRun,
    journal::{self, Unreadable},
    message::Message,
    plans::{Deployed, PlanUnavailable},
    shared::{Identity, Seat, Shared},
    telemetry,
};
use crate::{
    machine::{Event, fold_moved},
    model::{RunId, RunStatus, Timestamp, Version},
    store::{Claim, ClaimScope, InboxRow, JournalRow, StoreError},
};

/// How many runs are claimed at once, at most.
const CLAIMS: u32 = 500;

/// Claims the runs that are due, for as long as the node has room, and hands them to their shards.
/// Returns how many.
pub(super) async fn claim_all(
    shared: &Arc<Shared>,
    scope: ClaimScope,
) -> Result<usize, StoreError> {
    adopt_claimed(shared).await?;
    let mut total = 0;
    loop {
        let identity = shared.identity();
        let room = u32::try_from(shared.room()).unwrap_or(u32::MAX).min(CLAIMS);
        if room == 0 || !shared.is_current(identity) {
            return Ok(total);
        }
        let asked = Instant::now();
        let claims = shared.store.claim(identity.node, scope, room).await?;
        let orphans = claims.iter().filter(|claim| claim.taken_from.is_some()).count();
        telemetry::claimed(asked.elapsed(), claims.len(), orphans);
        if claims.is_empty() {
            if scope == ClaimScope::All {
                shared.left.store(false, Ordering::SeqCst);
            }
            return Ok(total);
        }
        total += claims.len();
        remember(shared, claims.iter().map(|claim| Claimed::new(claim, identity)));
        // What is due by the database's clock has to be due by this node's idea of it, too: it
        // would park the run again, and take it again.
        let asked = Instant::now();
        match shared.store.now().await {
            Ok(now) => shared.clock.set(asked, now),
            Err(error) => tracing::warn!(%error, "could not ask for the database's time"),
        }
        adopt_claimed(shared).await?;
    }
}

/// A run that this node owns by the store's word.
#[derive(Clone, Copy)]
pub(crate) struct Claimed {
    run: RunId,
    epoch: u64,
    status: RunStatus,
    version: Version,
    takeovers: u32,
    identity: Identity,
}

impl Claimed {
    fn new(claim: &Claim, identity: Identity) -> Self {
        let Claim { run, epoch, status, version, takeovers, .. } = *claim;
        Self { run, epoch, status, version, takeovers, identity }
    }
}

/// Nobody else takes a claimed run: it stays on this list until a shard has it.
fn remember(shared: &Shared, claims: impl IntoIterator<Item = Claimed>) {
    add(&mut shared.claimed.lock().unwrap_or_else(PoisonError::into_inner), claims);
}

/// A run stands on the list once: it may be claimed, not be readable, and be found again by its
/// mail before it is read.
fn add(list: &mut Vec<Claimed>, claims: impl IntoIterator<Item = Claimed>) {
    for claim in claims {
        match list.iter_mut().find(|known| known.run == claim.run) {
            Some(known) if known.epoch > claim.epoch => {}
            Some(known) => *known = claim,
            None => list.push(claim),
        }
    }
}

/// Hands claimed runs to their shards. Those that can't be read now stay on the list.
pub(super) async fn adopt_claimed(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let mut claims =
        std::mem::take(&mut *shared.claimed.lock().unwrap_or_else(PoisonError::into_inner));
    claims.retain(|claim| shared.is_current(claim.identity));
    if claims.is_empty() {
        return Ok(());
    }
    let read = read(shared, &claims).await;
    let (mut journals, mut mail) = match read {
        Ok(read) => read,
        Err(error) => {
            remember(shared, claims);
            return Err(error);
        }
    };
    let now = shared.clock.now();
    for claim in claims {
        let rows = journals.remove(&claim.run).unwrap_or_default();
        let restored = match journal::read(&*shared.store, claim.run, &rows).await {
            Ok(events) => match shared.plans_of(&versions(&claim, &events)).await {
                Ok(plans) => restore(claim, plans, shared.seat(), events),
                Err(PlanUnavailable::Store(error)) if error.is_transient() => {
                    remember(shared, [claim]);
                    continue;
                }
                Err(error) => Err(error.to_string()),
            },
            Err(Unreadable::Store(error)) if error.is_transient() => {
                remember(shared, [claim]);
                continue;
            }
            Err(error) => Err(error.to_string()),
        };
        match restored {
            Ok(run) => {
                let mail = mail.remove(&claim.run).unwrap_or_default();
                shared.clear_stuck(claim.run);
                if let Some(due) = run.next_timer().filter(|due| *due <= now) {
                    telemetry::due_run_taken(now.since(due));
                }
                shared.tell(claim.run, Message::Adopt { run: Box::new(run), mail });
            }
            Err(reason) => shared.set_stuck(claim.run, reason),
        }
    }
    Ok(())
}

type Read = (HashMap<RunId, Vec<JournalRow>>, HashMap<RunId, Vec<InboxRow>>);

/// The journals and the mail of claimed runs.
async fn read(shared: &Shared, claims: &[Claimed]) -> Result<Read, StoreError> {
    let ids: Vec<_> = claims.iter().map(|claim| claim.run).collect();
    let mut journals: HashMap<RunId, Vec<JournalRow>> = HashMap::with_capacity(ids.len());
    for (run, row) in shared.store.journals(&ids).await? {
        journals.entry(run).or_default().push(row);
    }
    let mut mail: HashMap<RunId, Vec<InboxRow>> = HashMap::new();
    let rows = shared.store.inbox(&ids).await?;
    shared.windows_for(&rows).await?;
    shared.plans_for(&rows).await;
    for row in rows {
        mail.entry(row.run).or_default().push(row);
    }
    Ok((journals, mail))
}

/// The versions that a run lived by, in order.
fn versions(claim: &Claimed, rows: &[Vec<(Timestamp, Event)>]) -> Vec<Version> {
    let version = |(_, event): &(Timestamp, Event)| {
        if let Event::Created(created) = event {
            Some(created.version)
        } else if let Event::Migrated { version, .. } = event {
            Some(*version)
        } else {
            None
        }
    };
    let versions: Vec<_> = rows.iter().flatten().filter_map(version).collect();
    if versions.is_empty() { vec![claim.version] } else { versions }
}

fn restore(
    claim: Claimed,
    plans: Vec<Arc<Deployed>>,
    seat: Seat,
    rows: Vec<Vec<(Timestamp, Event)>>,
) -> Result<ActiveRun, String> {
    let next_seq = rows.len() as u64;
    let events = rows.into_iter().flatten();
    let lived_by: Vec<_> = plans.iter().map(|deployed| &deployed.plan).collect();
    let state = fold_moved(&lived_by, events).map_err(|error| error.to_string())?;
    let deployed = plans.into_iter().next_back().ok_or("it has no plan")?;
    let state = state.ok_or("its journal is empty")?;
    let mut run = ActiveRun::new(deployed, state, next_seq, (claim.identity, seat));
    run.claim_epoch = claim.epoch;
    run.row_status = claim.status;
    run.takeovers = claim.takeovers;
    Ok(run)
}

/// Reads a run again that is this node's by the store's word, although its journal went on
/// elsewhere or it is not in memory.
pub(super) fn reload(shared: Arc<Shared>, run: RunId) {
    tokio::spawn(async move {
        let identity = shared.identity();
        while shared.is_current(identity) {
            match shared.store.run(run).await {
                Ok(Some(record)) => {
                    if record.owner == Some(identity.node) && !record.status.is_ended() {
                        let claimed = Claimed {
                            run,
                            epoch: record.epoch,
                            status: record.status,
                            version: record.version,
                            takeovers: record.takeovers,
                            identity,
                        };
                        remember(&shared, [claimed]);
                    }
                    break;
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%run, %error, "could not read a claimed run again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        if let Err(error) = adopt_claimed(&shared).await {
            tracing::warn!(%run, %error, "claimed runs could not be read; trying again");
        }
    });
}

/// How long to wait before the store is asked again.
const AGAIN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeId;

    #[test]
    fn a_run_that_is_found_twice_is_read_once() {
        let claimed = |number: u128, epoch| Claimed {
            // Of the bits, the upper 80 make the id.
            run: RunId::from_parts(Timestamp::from_micros(0), number << 64),
            epoch,
            status: RunStatus::Running,
            version: Version([0; 32]),
            takeovers: 0,
            identity: Identity {
                node: NodeId(RunId::from_parts(Timestamp::from_micros(0), 9).0),
                life: 1,
            },
        };
        let mut list = vec![claimed(1, 4), claimed(2, 1)];
        add(&mut list, [claimed(1, 4), claimed(2, 2), claimed(3, 1)]);
        add(&mut list, [claimed(2, 1)]);
        let epochs: Vec<_> = list.iter().map(|claim| claim.epoch).collect();
        assert_eq!(epochs, [4, 2, 1]);
    }
}
