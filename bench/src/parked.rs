//! Runs that wait: what very many of them cost a node, and how late one starts that is due.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use rackwright_engine::{
    Config, Describe, Effect, Engine, RunHandle, RunId, RunRequest, RunStatus, StepContext,
    StepError, Workflow, executor_fn, store::RunFilter,
};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use crate::contract::{self, Settings};

/// A run of it waits from its first attempt to its second.
fn workflow() -> anyhow::Result<Workflow> {
    Ok(serde_json::from_value(json!({
        "workflow": "parked",
        "steps": [{
            "id": "later", "uses": "bench.later",
            "retry": { "max_attempts": 2, "delay": "{{ input.delay }}" },
        }],
    }))?)
}

async fn engine(settings: &Settings) -> anyhow::Result<Engine> {
    let later = executor_fn(
        Describe::new("bench.later", Effect::Idempotent),
        |ctx: StepContext, _: Value| async move {
            if ctx.attempt() == 1 {
                return Err(StepError::transient("bench.later", "not yet"));
            }
            Ok(Value::Null)
        },
    );
    let config = Config { park_after: Duration::ZERO, ..Config::default() };
    let engine = Engine::builder().config(config).store(settings.url()).register(later);
    let engine = engine.build().await?;
    engine.deploy(workflow()?).await?;
    Ok(engine)
}

async fn start(engine: &Engine, delay: &str) -> anyhow::Result<RunHandle> {
    let request = RunRequest::new("parked").input(json!({ "delay": delay }));
    Ok(engine.start(request).await?)
}

/// Starts `settings.runs` runs that wait for a year.
///
/// # Errors
/// What the engine says.
pub async fn park(settings: &Settings) -> anyhow::Result<()> {
    let engine = Arc::new(engine(settings).await?);
    contract::begin()?;
    let from = Instant::now();
    let permits = Arc::new(Semaphore::new(settings.in_flight));
    let mut tasks = JoinSet::new();
    for _ in 0..settings.runs {
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let engine = Arc::clone(&engine);
        tasks.spawn(async move {
            start(&engine, "365d").await?;
            drop(permit);
            anyhow::Ok(())
        });
        while let Some(done) = tasks.try_join_next() {
            done??;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let busy = vec![RunStatus::Pending, RunStatus::Running];
    let busy = RunFilter { status: busy, limit: 1, ..RunFilter::default() };
    while !engine.runs(&busy).await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = from.elapsed();
    contract::end(settings)?;
    engine.shutdown().await?;
    contract::result(&json!({
        "parked": settings.runs,
        "elapsed_s": took.as_secs_f64(),
        "parked_s": crate::workloads::per_second(settings.runs, took),
    }))
}

/// Starts a node, and `settings.steps` runs that wait for some seconds among the others.
///
/// # Errors
/// What the engine says.
pub async fn wake(settings: &Settings) -> anyhow::Result<()> {
    let from = Instant::now();
    let engine = engine(settings).await?;
    let recovered = engine.recover().await?;
    let boot = from.elapsed();
    contract::begin()?;
    let mut runs = Vec::new();
    for number in 0..settings.steps {
        runs.push(start(&engine, &format!("{}ms", 3000 + 97 * number)).await?);
    }
    let mut late = Vec::new();
    for run in runs {
        let id = run.id();
        let outcome = run.wait().await?;
        ensure!(outcome.status == RunStatus::Completed, "{:?}", outcome.errors);
        late.push(lateness(&engine, id).await?);
    }
    contract::end(settings)?;
    contract::result(&json!({
        "start_up_s": boot.as_secs_f64(),
        "due_at_start": recovered,
        "late_p50_us": contract::percentile_us(&mut late, 50),
        "late_max_us": contract::percentile_us(&mut late, 100),
    }))
}

/// How long after its time the second attempt was let go, by the database's clock.
async fn lateness(engine: &Engine, run: RunId) -> anyhow::Result<Duration> {
    let mut due = None;
    for row in engine.journal(run, 0).await? {
        let events: Vec<Value> = serde_json::from_slice(&row.events)?;
        for event in events {
            if let Some(at) = event["failed"]["retry_at"].as_i64() {
                due = Some(at);
            }
            if event["started"]["attempt"] == 2 {
                let due = due.context("the second attempt came without a failure")?;
                let late = u64::try_from(row.at.micros() - due).context("it started too early")?;
                return Ok(Duration::from_micros(late));
            }
        }
    }
    anyhow::bail!("there was no second attempt")
}
