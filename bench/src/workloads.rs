//! The engine under load: W1 to W5.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use rackwright_engine::{
    Describe, Effect, Engine, RunRequest, RunStatus, StepContext, StepError, Workflow, executor_fn,
    store::RunFilter,
};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::contract::{self, Recorder, Settings};

/// A workload; its sizes come from [`Settings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// W1: one run of many steps in sequence; measures the latency from step to step.
    Sequence,
    /// W2: many runs, a fixed number in flight; measures throughput.
    Throughput,
    /// W3: one run whose steps are all parallel.
    FanOut,
    /// W4: starts one after the other; measures the time until the first step's body.
    Start,
    /// W5, first half: many runs in flight, until the process is killed.
    CrashRun,
    /// W5, second half: recovers and completes what the first half left.
    CrashRecover,
}

/// Runs a workload over the engine.
///
/// # Errors
/// What the engine says, or a run that did not complete.
pub async fn run(workload: Workload, settings: &Settings) -> anyhow::Result<()> {
    let recorder = Arc::new(Recorder::new(settings.step_log.as_deref(), settings.payload)?);
    let bench = Bench { engine: engine(settings, &recorder).await?, recorder, settings };
    if workload != Workload::CrashRecover {
        bench.engine.deploy(sequence("warm", 20)?).await?;
        bench.one("warm", "warm").await?;
        bench.recorder.clear();
    }
    match workload {
        Workload::Sequence => bench.sequence().await,
        Workload::FanOut => bench.fan_out().await,
        Workload::Throughput | Workload::CrashRun => bench.throughput().await,
        Workload::Start => bench.starts().await,
        Workload::CrashRecover => bench.recover().await,
    }
}

async fn engine(settings: &Settings, recorder: &Arc<Recorder>) -> anyhow::Result<Engine> {
    let recorder = Arc::clone(recorder);
    let step = executor_fn(
        Describe::new("bench.step", Effect::Idempotent),
        move |_: StepContext, input: Value| {
            let recorder = Arc::clone(&recorder);
            async move {
                let run = input["wf"].as_str().unwrap_or_default();
                let index = input["i"].as_u64().and_then(|i| usize::try_from(i).ok());
                recorder
                    .step(run, index.unwrap_or_default())
                    .map_err(|error| StepError::permanent("bench.log", error.to_string()))
            }
        },
    );
    let engine = Engine::builder().store(settings.url()).register(step).build().await?;
    Ok(engine)
}

/// Steps one after the other.
fn sequence(name: &str, steps: usize) -> anyhow::Result<Workflow> {
    let steps: Vec<_> = (0..steps)
        .map(|i| {
            let with = json!({ "wf": "{{ input.wf }}", "i": i });
            json!({ "id": format!("s{i}"), "uses": "bench.step", "with": with })
        })
        .collect();
    Ok(serde_json::from_value(json!({ "workflow": name, "steps": steps }))?)
}

/// The same step for each element of a list, all at once.
fn fan(items: usize) -> anyhow::Result<Workflow> {
    let over: Vec<_> = (0..items).collect();
    Ok(serde_json::from_value(json!({
        "workflow": "fan",
        "steps": [{
            "id": "all",
            "map": { "over": over },
            "steps": [{
                "id": "s", "uses": "bench.step",
                "with": { "wf": "{{ input.wf }}", "i": "{{ item }}" }
            }],
        }],
        "output": null,
    }))?)
}

struct Bench<'a> {
    engine: Engine,
    recorder: Arc<Recorder>,
    settings: &'a Settings,
}

impl Bench<'_> {
    /// Starts a run and waits for its end.
    async fn one(&self, workflow: &str, name: &str) -> anyhow::Result<()> {
        let request = RunRequest::new(workflow).input(json!({ "wf": name })).idempotency_key(name);
        let outcome = self.engine.start(request).await?.wait().await?;
        ensure!(outcome.status == RunStatus::Completed, "{name}: {:?}", outcome.errors);
        Ok(())
    }

    /// Runs the workflow `name` once, measured.
    async fn measured(&self, workflow: Workflow) -> anyhow::Result<Duration> {
        let name = workflow.name.clone();
        self.engine.deploy(workflow).await?;
        contract::begin()?;
        let from = self.recorder.elapsed();
        self.one(&name, &name).await?;
        let took = self.recorder.elapsed().saturating_sub(from);
        contract::end(self.settings)?;
        Ok(took)
    }

    async fn sequence(&self) -> anyhow::Result<()> {
        let steps = self.settings.steps;
        let took = self.measured(sequence("seq", steps)?).await?;
        let stamps = self.recorder.stamps();
        let mut gaps = contract::gaps(&stamps);
        contract::result(&json!({
            "n": steps,
            "seen": stamps.len(),
            "elapsed_s": took.as_secs_f64(),
            "steps_s": per_second(steps, took),
            "p50_us": contract::percentile_us(&mut gaps, 50),
            "p99_us": contract::percentile_us(&mut gaps, 99),
        }))
    }

    async fn fan_out(&self) -> anyhow::Result<()> {
        let items = self.settings.steps;
        let took = self.measured(fan(items)?).await?;
        contract::result(&json!({
            "n": items,
            "seen": self.recorder.stamps().len(),
            "elapsed_s": took.as_secs_f64(),
            "steps_s": per_second(items, took),
        }))
    }

    async fn throughput(self) -> anyhow::Result<()> {
        let Settings { runs, steps, in_flight, .. } = *self.settings;
        self.engine.deploy(sequence("seq", steps)?).await?;
        let permits = Arc::new(Semaphore::new(in_flight));
        let engine = Arc::new(self.engine);
        contract::begin()?;
        let from = self.recorder.elapsed();
        let mut tasks = JoinSet::new();
        for k in 0..runs {
            let permit = Arc::clone(&permits).acquire_owned().await?;
            // What has ended is let go of: only the engine's memory is to grow.
            while let Some(ended) = tasks.try_join_next() {
                ended??;
            }
            let engine = Arc::clone(&engine);
            let name = format!("wf-{}{k}", self.settings.node);
            tasks.spawn(async move {
                let request =
                    RunRequest::new("seq").input(json!({ "wf": name })).idempotency_key(name);
                let outcome = engine.start(request).await?.wait().await?;
                drop(permit);
                ensure!(outcome.status == RunStatus::Completed, "{:?}", outcome.errors);
                Ok(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        let took = self.recorder.elapsed().saturating_sub(from);
        contract::end(self.settings)?;
        let all = runs * steps;
        let seen = self.recorder.stamps().len();
        ensure!(seen == all, "{seen} of {all} steps ran");
        contract::result(&json!({
            "wf": runs,
            "steps": steps,
            "conc": in_flight,
            "elapsed_s": took.as_secs_f64(),
            "wf_s": per_second(runs, took),
            "steps_s": per_second(all, took),
        }))
    }

    async fn starts(&self) -> anyhow::Result<()> {
        self.engine.deploy(sequence("one", 1)?).await?;
        let (mut first, mut whole) = (Vec::new(), Vec::new());
        contract::begin()?;
        for k in 0..self.settings.runs {
            let name = format!("w4-{k}");
            let from = self.recorder.elapsed();
            self.one("one", &name).await?;
            whole.push(self.recorder.elapsed().saturating_sub(from));
            let body = self.recorder.stamps().last().copied().context("the step did not run")?;
            first.push(body.saturating_sub(from));
        }
        contract::end(self.settings)?;
        contract::result(&json!({
            "n": first.len(),
            "p50_us": contract::percentile_us(&mut first, 50),
            "p99_us": contract::percentile_us(&mut first, 99),
            "round_trip_p50_us": contract::percentile_us(&mut whole, 50),
        }))
    }

    async fn recover(&self) -> anyhow::Result<()> {
        use RunStatus::{Attention, Pending, Running, Waiting};
        contract::begin()?;
        let from = self.recorder.elapsed();
        let recovered = self.engine.recover().await?;
        let claimed = self.recorder.elapsed().saturating_sub(from);
        let unfinished = RunFilter {
            status: vec![Pending, Running, Waiting, Attention],
            limit: 1,
            ..RunFilter::default()
        };
        while !self.engine.runs(&unfinished).await?.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let took = self.recorder.elapsed().saturating_sub(from);
        contract::end(self.settings)?;
        contract::result(&json!({
            "recovered": recovered,
            "recover_call_s": claimed.as_secs_f64(),
            "elapsed_s": took.as_secs_f64(),
        }))
    }
}

/// A rate.
pub(crate) fn per_second(count: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}
