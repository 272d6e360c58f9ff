//! A store that has been in use for long: journals of runs that ended.

use anyhow::ensure;
use bytes::Bytes;
use rackwright_engine::{
    RunId, RunStatus,
    model::{Timestamp, Version},
    store::{Append, AppendOutcome, NewRun, RunUpdate, open},
};
use serde_json::json;

use crate::contract::{self, Recorder, Settings};

/// Runs that are written side by side: a batch holds one row of each.
const SIDE_BY_SIDE: usize = 500;

/// Writes `settings.runs` journals of `settings.steps` rows each, as the engine would have.
///
/// # Errors
/// What the store says.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let recorder = Recorder::new(None, settings.payload)?;
    let store = open(&settings.url()).await?;
    let mut writer = store.writer().await?;
    let now = store.now().await?;
    let output = recorder.step("wf-filled", 0)?;
    let row: Bytes = serde_json::to_vec(&json!([
        { "completed": { "step": 0, "output": output } },
        { "started": { "step": 1, "attempt": 1 } },
    ]))?
    .into();
    contract::begin()?;
    let mut written = 0;
    while written < settings.runs {
        let batch = SIDE_BY_SIDE.min(settings.runs - written);
        let runs: Vec<_> = (0..batch).map(|at| id(now, written + at)).collect::<Result<_, _>>()?;
        for seq in 0..settings.steps {
            let last = seq + 1 == settings.steps;
            let appends: Vec<_> =
                runs.iter().map(|run| append(*run, (seq, last), now, &row)).collect();
            let outcomes = writer.commit(&appends).await?;
            ensure!(outcomes.iter().all(|it| *it == AppendOutcome::Committed), "a row collided");
        }
        written += batch;
    }
    contract::end(settings)?;
    contract::result(&json!({ "rows": settings.runs * settings.steps }))
}

fn id(now: Timestamp, number: usize) -> anyhow::Result<RunId> {
    // Spread as random ids would be.
    let random = u128::try_from(number)?.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    Ok(RunId::from_parts(now, random))
}

fn append(run: RunId, (seq, last): (usize, bool), at: Timestamp, row: &Bytes) -> Append {
    let create = (seq == 0).then(|| {
        Box::new(NewRun {
            workflow: "filled".to_owned(),
            version: Version([7; 32]),
            idempotency_key: None,
            parent: None,
            root: run,
            requires: std::collections::BTreeMap::new(),
            labels: std::collections::BTreeMap::new(),
            status: RunStatus::Waiting,
            owner: None,
        })
    });
    let end =
        RunUpdate { status: RunStatus::Completed, wake_at: None, release: true, version: None };
    let wait =
        RunUpdate { status: RunStatus::Waiting, wake_at: None, release: true, version: None };
    let update = if last { Some(end) } else { (seq == 0).then_some(wait) };
    Append {
        run,
        seq: seq as u64,
        epoch: 1,
        at,
        events: row.clone(),
        create,
        update,
        consumed: Vec::new(),
        send: Vec::new(),
        locks: Vec::new(),
        tasks: Vec::new(),
        blobs: Vec::new(),
    }
}
