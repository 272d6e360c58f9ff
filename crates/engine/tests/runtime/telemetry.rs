//! What a node tells of itself: metrics by their documented names, spans within each other.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use metrics_exporter_prometheus::PrometheusBuilder;
use rackwright_engine::{
    Describe, Effect, Engine, ErrorClass, Registry, RunRequest, RunStatus, StepContext, StepError,
    Workflow, executor_fn,
    model::{Retry, Step},
    runtime::telemetry::{METRICS, describe_metrics},
    store::MemoryStore,
};
use serde_json::{Value, json};
use tracing::{Subscriber, span};
use tracing_subscriber::{Layer, layer::Context, prelude::*, registry::LookupSpan};

/// Fails once.
fn registry() -> Registry {
    let mut registry = Registry::new();
    let flaky = executor_fn(
        Describe::new("x.flaky", Effect::Idempotent),
        async |ctx: StepContext, _: Value| {
            if ctx.attempt() == 1 {
                return Err(StepError::new("x.no", ErrorClass::Transient, "not yet"));
            }
            Ok(json!(1))
        },
    );
    registry.register(flaky).unwrap();
    registry
}

/// A run of a step that needs two attempts; ends with the node's shutdown.
async fn play() {
    let step = Step::task("flash", "x.flaky").retry(Retry::attempts(2));
    let engine = Engine::builder()
        .open_store(Arc::new(MemoryStore::new()))
        .registry(registry())
        .build()
        .await
        .unwrap();
    engine.deploy(Workflow::builder("update").step(step).build()).await.unwrap();
    let outcome = engine.start(RunRequest::new("update")).await.unwrap().wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed);
    engine.shutdown().await.unwrap();
}

#[test]
fn metrics_have_their_documented_names() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        describe_metrics();
        runtime.block_on(play());
    });
    let told = handle.render();
    for line in [
        "rackwright_runs_started_total{workflow=\"update\"} 1",
        "rackwright_runs_ended_total{workflow=\"update\",status=\"completed\"} 1",
        "rackwright_retries_total{executor=\"x.flaky\"} 1",
        "rackwright_attempts_waiting 0",
        "rackwright_attempts_active{executor=\"x.flaky\"} 0",
        "rackwright_attempt_seconds_count{executor=\"x.flaky\",outcome=\"ok\"} 1",
        "rackwright_attempt_seconds_count{executor=\"x.flaky\",outcome=\"transient\"} 1",
        "rackwright_step_seconds_count{executor=\"x.flaky\",outcome=\"completed\"} 1",
        "# TYPE rackwright_commit_runs",
        "# TYPE rackwright_commit_seconds",
    ] {
        assert!(told.contains(line), "`{line}` is missing in:\n{told}");
    }
    let known: BTreeSet<_> = METRICS.iter().map(|it| it.name).collect();
    let names = told.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for name in names.filter_map(|it| it.split(' ').next()) {
        let name = name.trim_end_matches("_count");
        assert!(known.contains(name), "`{name}` is not in the list of metrics");
    }
}

#[test]
fn the_page_has_every_metric() {
    let page = include_str!("../../../../docs/telemetry.md");
    for it in METRICS {
        let kind = format!("{:?}", it.kind).to_lowercase();
        let labels: Vec<_> = it.labels.iter().map(|label| format!("`{label}`")).collect();
        let row = format!("| `{}` | {kind} | {} | {} |", it.name, labels.join(", "), it.help);
        assert!(page.contains(&row), "this row is missing in docs/telemetry.md:\n{row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `rackwright_")).count();
    assert_eq!(rows, METRICS.len(), "the page has a metric that there is not");
}

/// Notes the spans with those that they are in.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        if span.metadata().target() == "rackwright" {
            let around: Vec<_> = span.scope().from_root().map(|it| it.name()).collect();
            self.0.lock().unwrap().push(around.join("/"));
        }
    }
}

#[test]
fn runs_steps_and_attempts_are_spans() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(play());
        drop(runtime);
    });
    let mut seen = spans.0.lock().unwrap().clone();
    seen.sort();
    assert_eq!(seen, ["run", "run/step", "run/step/attempt", "run/step/attempt"]);
}
