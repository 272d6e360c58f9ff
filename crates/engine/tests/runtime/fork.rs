//! Runs that go on from runs that have ended, on every store.

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    Config, Engine, EngineError, ForkRequest, Outcome, RunId, RunRequest, RunStatus,
    store::{MemoryStore, Store, open},
};
use serde_json::{Value, json};

use crate::support::{Log, builder, workflow};

async fn engine(store: Arc<dyn Store>, log: &Log) -> Engine {
    let config = Config { poll: Duration::from_millis(20), ..Config::default() };
    let flow = json!({
        "workflow": "w",
        "input": { "type": "object", "required": ["v"], "properties": { "v": { "type": "integer" } } },
        "steps": [
            { "id": "a", "uses": "t.echo", "with": { "v": "{{ input.v }}" } },
            { "id": "both", "parallel": {
                "left": { "steps": [{ "id": "l", "uses": "t.echo", "with": "{{ input.v }}" }] },
                "right": { "steps": [
                    { "id": "before", "uses": "t.echo" },
                    { "id": "r", "uses": "t.flaky" },
                ] },
            } },
            { "id": "z", "uses": "t.echo", "with": ["{{ steps.a.output.v }}", "{{ input.v }}"] },
        ],
    });
    let held = json!({ "workflow": "held", "steps": [
        { "id": "look", "uses": "t.echo" },
        { "id": "enter", "uses": "t.echo", "cleanup": { "uses": "t.echo" } },
        { "id": "flash", "uses": "t.flaky" },
    ] });
    let call = json!({ "workflow": "caller", "steps": [{ "id": "c", "workflow": "held" }] });
    let engine = builder(log).open_store(store).config(config).build().await.unwrap();
    for flow in [flow, held, call] {
        engine.deploy(workflow(flow)).await.unwrap();
    }
    engine
}

async fn end(engine: &Engine, run: RunId) -> Outcome {
    tokio::time::timeout(Duration::from_secs(30), engine.run(run).wait()).await.unwrap().unwrap()
}

fn refused<T: std::fmt::Debug>(told: Result<T, EngineError>, why: &str) {
    let error = told.unwrap_err();
    assert!(matches!(error, EngineError::Refused(_)), "{error}");
    assert!(error.to_string().contains(why), "`{why}` is missing in: {error}");
}

fn sorted(lines: &[String]) -> Vec<&str> {
    let mut lines: Vec<_> = lines.iter().map(String::as_str).collect();
    lines.sort_unstable();
    lines
}

async fn goes_on_where_it_failed(store: Arc<dyn Store>) {
    let log = Log::default();
    let engine = engine(store, &log).await;
    let request = RunRequest::new("w").input(json!({ "v": 1 })).label("rack", "4");
    let first = engine.start(request).await.unwrap().id();
    assert_eq!(end(&engine, first).await.status, RunStatus::Failed);
    let done = log.lines().len();
    assert_eq!(done, 4, "{:?}", log.lines());

    let second = engine.retry(first, "me", Some("it was the cable")).await.unwrap();
    assert_eq!(
        (second.forked.run, &*second.forked.from),
        (first, &["both/right/r".to_owned()][..])
    );
    let outcome = end(&engine, second.run).await;
    assert_eq!((outcome.status, &*outcome.output), (RunStatus::Completed, &json!([1, 1])));
    assert_eq!(log.lines()[done..], ["both/right/r#1", "z"]);
    let view = engine.view(second.run).await.unwrap();
    assert_eq!(view.state().created.forked_from.as_deref(), Some(&second.forked));
    assert_eq!(engine.record(second.run).await.unwrap().labels["rack"], "4");
    // The old run stays what it is.
    assert_eq!(engine.record(first).await.unwrap().status, RunStatus::Failed);

    let done = log.lines().len();
    let from = |from: &str, input: Option<Value>| ForkRequest {
        from: Some(from.to_owned()),
        input,
        by: "me".to_owned(),
        reason: None,
    };
    let third = engine.fork(second.run, from("both", Some(json!({ "v": 2 })))).await.unwrap();
    let outcome = end(&engine, third.run).await;
    // What came before keeps its result.
    assert_eq!((outcome.status, &*outcome.output), (RunStatus::Completed, &json!([1, 2])));
    let again = ["both/left/l", "both/right/before", "both/right/r#1", "z"];
    assert_eq!(sorted(&log.lines()[done..]), again);

    refused(engine.retry(second.run, "me", None).await, "it has completed: fork it from a step");
    refused(engine.fork(first, from("both/rigth/r", None)).await, "did you mean `both/right/r`?");
    let wrong = engine.fork(first, from("a", Some(json!({ "v": "x" })))).await.unwrap_err();
    assert!(matches!(wrong, EngineError::Input { .. }), "{wrong}");
    engine.shutdown().await.unwrap();
}

#[tokio::test]
async fn goes_on_where_it_failed_on_memory() {
    goes_on_where_it_failed(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn goes_on_where_it_failed_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("runs.db").display());
    goes_on_where_it_failed(open(&url).await.unwrap()).await;
}

#[tokio::test]
async fn goes_on_where_it_failed_on_postgres() {
    let Some(server) = crate::databases::server() else { return };
    let url = crate::databases::new_database(&server).await;
    goes_on_where_it_failed(open(&url).await.unwrap()).await;
    crate::databases::drop_database(&server, &url).await;
}

#[tokio::test]
async fn what_was_cleaned_up_is_done_again() {
    let log = Log::default();
    let engine = engine(Arc::new(MemoryStore::new()), &log).await;
    let first = engine.start(RunRequest::new("held")).await.unwrap().id();
    assert_eq!(end(&engine, first).await.status, RunStatus::Failed);
    assert_eq!(log.lines(), ["look", "enter", "flash#1", "enter/cleanup"]);
    let second = engine.retry(first, "me", None).await.unwrap();
    assert_eq!(second.forked.from, ["enter"]);
    assert_eq!(second.forked.taken_back, ["enter/cleanup"]);
    assert_eq!(end(&engine, second.run).await.status, RunStatus::Completed);
    assert_eq!(log.lines()[4..], ["enter", "flash#1", "enter/cleanup"]);
}

#[tokio::test]
async fn a_run_that_lives_and_a_child_are_not_forked() {
    let log = Log::default();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let engine = engine(Arc::clone(&store), &log).await;
    let parent = engine.start(RunRequest::new("caller")).await.unwrap().id();
    assert_eq!(end(&engine, parent).await.status, RunStatus::Failed);
    let below = rackwright_engine::store::RunFilter { parent: Some(parent), ..Default::default() };
    let child = engine.runs(&below).await.unwrap().remove(0).id;
    refused(engine.retry(child, "me", None).await, &format!("fork run {parent}"));
    let retried = engine.retry(parent, "me", None).await.unwrap().run;
    assert_eq!(end(&engine, retried).await.status, RunStatus::Completed);
    engine.shutdown().await.unwrap();
    // Nobody carries this one on.
    let asleep = rackwright_engine::Client::new(store);
    let waiting = asleep.retry(parent, "me", None).await.unwrap().run;
    refused(asleep.retry(waiting, "me", None).await, "it has to end first");
}
