//! Removing runs that ended long ago. Every node that takes over any run does it, in batches that
//! nobody waits for; two that do it at once are not in each other's way.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::{
    model::{Retention, Workflow},
    store::{ClaimScope, Definition, Expired, StoreError},
};

/// How many runs are taken away at once.
const RUNS: u32 = 100;
/// How many journal rows are removed at once: some milliseconds of a SQLite writer.
const ROWS: u32 = 2000;

/// Removes what is over, from time to time, until told to stop.
pub(super) async fn keep_small(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(shared.config.retention_pause) => {}
        }
        if !shared.claims().contains(&ClaimScope::All) {
            continue;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            done = look_through(&shared) => if let Err(error) = done {
                tracing::warn!(%error, "could not remove what is over; trying again");
            }
        }
    }
}

async fn look_through(shared: &Shared) -> Result<(), StoreError> {
    // By name, and then the newest first: what the newest version says is done.
    let mut definitions = shared.store.definitions(None).await?;
    definitions.dedup_by(|later, first| later.name == first.name);
    for definition in &definitions {
        if let Some(retention) = retention_of(definition).or(shared.config.retention) {
            let removed = remove(shared, &definition.name, retention).await?;
            if removed > 0 {
                tracing::info!(workflow = definition.name, removed, "removed runs that are over");
            }
        }
    }
    clear(shared).await
}

/// What a definition says; one that can't be read here is of a later release, and left to nodes
/// that can.
fn retention_of(definition: &Definition) -> Option<Retention> {
    match serde_json::from_slice::<Workflow>(&definition.canonical) {
        Ok(workflow) => workflow.retention,
        Err(error) => {
            tracing::warn!(workflow = definition.name, %error, "can't be read here");
            Some(Retention::default())
        }
    }
}

async fn remove(shared: &Shared, workflow: &str, by: Retention) -> Result<u64, StoreError> {
    let archive = shared.store.archive();
    let mut removed = 0;
    loop {
        let now = shared.store.now().await?;
        let expired = Expired {
            workflow: workflow.to_owned(),
            before: by.age.map(|age| now.before(age.0)),
            keep: by.count,
            limit: RUNS,
        };
        if expired.before.is_none() && expired.keep.is_none() {
            return Ok(removed);
        }
        let roots = archive.expired(&expired).await?;
        let mut progress = false;
        for root in &roots {
            loop {
                let began = Instant::now();
                let gone = archive.remove(*root, RUNS).await?;
                removed += gone;
                progress |= gone > 0;
                if gone < u64::from(RUNS) {
                    break;
                }
                rest(began).await;
            }
        }
        if roots.len() < RUNS as usize || !progress {
            return Ok(removed);
        }
        clear(shared).await?;
    }
}

/// Removes the journals of what was taken away, also by others who did not come to the end of it.
async fn clear(shared: &Shared) -> Result<(), StoreError> {
    loop {
        let began = Instant::now();
        if shared.store.archive().clear(ROWS).await? == 0 {
            return Ok(());
        }
        rest(began).await;
    }
}

/// Leaves the store to others for as long as it was just needed.
async fn rest(began: Instant) {
    tokio::time::sleep(began.elapsed().max(Duration::from_millis(1))).await;
}
