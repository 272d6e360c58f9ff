//! Firing schedules. A due schedule is taken by one node; the run it starts has the schedule's name
//! and time as its key, so that a node that goes away in the middle starts nothing twice.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use super::{active::outgoing, message::Start, shared::Shared};
use crate::{
    calendar::{Due, Firing, Previous, Schedule, ScheduleState, Standing},
    machine::{Created, Input, Order},
    model::{RunId, StepError, Timestamp, check_payload},
    store::{ClaimScope, ScheduleRow, StoreError},
};

/// How long a node may take to fire a schedule before another one may.
const HOLD: Duration = Duration::from_mins(1);
/// How many schedules are taken at once.
const LIMIT: u32 = 32;
/// After how long a start that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// How often a change is brought together with what others changed meanwhile.
const TRIES: usize = 10;

/// The label of the runs of a schedule.
const LABEL: &str = "schedule";

/// Fires what is due, on a node that takes over any run.
pub(super) async fn fire_due(shared: &Arc<Shared>) -> Result<(), StoreError> {
    if !shared.claims().contains(&ClaimScope::All) {
        return Ok(());
    }
    loop {
        let rows = shared.store.calendars().claim_schedules(LIMIT, HOLD).await?;
        let more = rows.len() == LIMIT as usize;
        for row in rows {
            fire(shared, row).await?;
        }
        if !more {
            return Ok(());
        }
    }
}

async fn fire(shared: &Arc<Shared>, row: ScheduleRow) -> Result<(), StoreError> {
    let now = shared.store.now().await?;
    let calendars = shared.store.calendars();
    let read = |row: &ScheduleRow| -> Result<(Schedule, ScheduleState), serde_json::Error> {
        Ok((serde_json::from_slice(&row.definition)?, serde_json::from_slice(&row.state)?))
    };
    let (schedule, base) = match read(&row) {
        Ok(read) => read,
        Err(error) => {
            // Of a later release: left to nodes that can read it.
            tracing::error!(schedule = row.name, %error, "the schedule can't be read here");
            let later = Some(now.after(AGAIN));
            calendars.change_schedule(&row.name, row.revision, &row.state, later).await?;
            return Ok(());
        }
    };
    let mut state = base.clone();
    state.take_due(&schedule, &row.name, now);
    let failed = work_off(shared, &row.name, &schedule, &mut state).await?;
    let (mut revision, mut merged) = (row.revision, state.clone());
    for _ in 0..TRIES {
        let due = merged.due_at(&schedule, &row.name, now);
        let due = if failed { due.map(|due| due.max(now.after(AGAIN))) } else { due };
        let text = serde_json::to_vec(&merged).unwrap_or_else(|_| row.state.to_vec());
        if calendars.change_schedule(&row.name, revision, &text, due).await? {
            return Ok(());
        }
        // A person changed it meanwhile: both count, unless it is another schedule now.
        let Some(present) = calendars.schedules(Some(&row.name)).await?.pop() else {
            return Ok(());
        };
        match read(&present) {
            Ok((same, theirs)) if same == schedule => {
                merged = state.merged(&base, &theirs);
                revision = present.revision;
            }
            Ok(_) | Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Starts what can be started now. Whether a start failed.
async fn work_off(
    shared: &Arc<Shared>,
    name: &str,
    schedule: &Schedule,
    state: &mut ScheduleState,
) -> Result<bool, StoreError> {
    loop {
        let previous = match state.last_run {
            None => Previous::Ended,
            Some(run) => match shared.store.run(run).await? {
                Some(record) if !record.status.is_ended() => Previous::Lives(run),
                Some(_) | None => Previous::Ended,
            },
        };
        match state.stand(schedule, previous) {
            Standing::Rests | Standing::Waits => return Ok(false),
            Standing::Cancel(run) => {
                let reason = "its schedule's next time has come".to_owned();
                let input =
                    Input::Cancel(Order { by: format!("schedule {name}"), reason: Some(reason) });
                shared.store.send(&[outgoing(run, "cancel", &input)]).await?;
                shared.tell(run, super::Message::Look(run));
                return Ok(false);
            }
            Standing::Start(firing) => match start(shared, name, schedule, firing).await {
                Ok(run) => {
                    tracing::info!(schedule = name, %run, at = %firing.at, "started");
                    state.started(firing, run);
                }
                Err(error) => {
                    tracing::error!(schedule = name, at = %firing.at, %error, "could not start");
                    state.error = Some(error.to_string());
                    return Ok(true);
                }
            },
        }
    }
}

/// The key that makes the start for a time happen once.
fn key(name: &str, firing: Firing) -> String {
    match firing.due {
        Due::OnTime | Due::Missed => format!("schedule {name} {}", firing.at),
        Due::ByHand => format!("schedule {name} by hand {}", firing.at.micros()),
    }
}

async fn start(
    shared: &Arc<Shared>,
    name: &str,
    schedule: &Schedule,
    firing: Firing,
) -> Result<RunId, StepError> {
    let unusable = |error: String| StepError::permanent("engine.schedule", error);
    let workflow = schedule.workflow.clone();
    let version = if let Some(version) = schedule.version {
        version
    } else {
        let stored = shared.store.definitions(Some(&workflow)).await;
        let stored = stored.map_err(|error| unusable(error.to_string()))?;
        let newest = stored.first().map(|definition| definition.version);
        newest.ok_or_else(|| unusable(format!("there is no workflow `{workflow}`")))?
    };
    let deployed = shared.plans.get(version, &*shared.store, &shared.registry).await;
    let deployed = deployed.map_err(|error| unusable(error.to_string()))?;
    let input = deployed.check_input(schedule.input.clone()).map_err(|problems| {
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        unusable(format!("the input of workflow `{workflow}` is not valid: {}", texts.join("; ")))
    })?;
    let what = || format!("the input of workflow `{workflow}`");
    check_payload(what, &input, shared.config.max_payload)?;
    let run = shared.new_run_id();
    let created = Created {
        run,
        workflow,
        version,
        input: Arc::new(input),
        parent: None,
        root: run,
        held: Vec::new(),
        priority: deployed.plan.priority,
        requires: deployed.requires(&schedule.requires),
        labels: labels(name, schedule),
        forked_from: None,
    };
    let (reply, answer) = tokio::sync::oneshot::channel();
    let start = Start {
        created,
        deployed,
        idempotency_key: Some(key(name, firing)),
        reply: Some(reply),
        wait: None,
    };
    shared.tell(run, super::Message::Start(Box::new(start)));
    let started = answer.await.map_err(|_| unusable("this node shuts down".to_owned()))??;
    Ok(started.run)
}

fn labels(name: &str, schedule: &Schedule) -> BTreeMap<String, String> {
    let mut labels = schedule.labels.clone();
    labels.insert(LABEL.to_owned(), name.to_owned());
    labels
}

/// What a schedule that is written now begins with: what is known of its runs stays.
pub(crate) fn first_state(
    schedule: &Schedule,
    before: Option<ScheduleState>,
    now: Timestamp,
) -> ScheduleState {
    let fresh = ScheduleState::new(schedule, now);
    match before {
        None => fresh,
        Some(before) => {
            ScheduleState { next: fresh.next, error: None, waiting: Vec::new(), ..before }
        }
    }
}

/// A schedule as JSON. It is plain data, so it always has one.
pub(crate) fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| Value::Null.to_string().into_bytes())
}
