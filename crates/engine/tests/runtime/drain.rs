//! Nodes that are emptied, and runs that ask for certain nodes.

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    Config, Describe, Effect, Engine, ErrorClass, RunRequest, RunStatus, StepContext, StepError,
    executor_fn,
    store::{MemoryStore, Store},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::support::{Log, builder, workflow};

/// What an executor waits for, and what says that it waits.
#[derive(Clone)]
struct Gate {
    inside: Arc<Notify>,
    go: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { inside: Arc::new(Notify::new()), go: Arc::new(Semaphore::new(0)) }
    }
}

/// A node by name: `d.wait` passes the gate and says where; it also ends if it is told to.
async fn node(store: &Arc<dyn Store>, name: &str, log: &Log, gate: &Gate) -> Engine {
    let (said, door, here) = (log.clone(), gate.clone(), name.to_owned());
    let config = Config {
        name: name.to_owned(),
        lease: Duration::from_secs(2),
        poll: Duration::from_millis(20),
        labels: [("name".to_owned(), name.to_owned())].into(),
        ..Config::default()
    };
    let wait = executor_fn(
        Describe::new("d.wait", Effect::Idempotent),
        move |ctx: StepContext, _: Value| {
            let (log, gate, here) = (said.clone(), door.clone(), here.clone());
            async move {
                gate.inside.notify_one();
                tokio::select! {
                    passed = gate.go.acquire() => passed.unwrap().forget(),
                    () = ctx.cancelled() => {
                        let path = ctx.path();
                        log.push(format!("{path} stopped on {here}"));
                        let stopped = ErrorClass::Cancelled;
                        return Err(StepError::new("d.stopped", stopped, "told to stop"));
                    }
                }
                log.push(format!("{} on {here}", ctx.path()));
                Ok::<_, StepError>(Value::Null)
            }
        },
    );
    let engine = builder(log).open_store(Arc::clone(store)).register(wait).config(config);
    engine.build().await.unwrap()
}

async fn two() -> (Engine, Engine, Log, Gate) {
    let (log, gate) = (Log::default(), Gate::new());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let one = node(&store, "one", &log, &gate).await;
    let two = node(&store, "two", &log, &gate).await;
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "a", "uses": "d.wait" }, { "id": "b", "uses": "d.wait" },
    ] }));
    one.deploy(flow).await.unwrap();
    (one, two, log, gate)
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), what).await.unwrap()
}

/// What is under way is finished there; what follows happens elsewhere.
#[tokio::test]
async fn a_drained_node_finishes_attempts_and_hands_over_what_follows() {
    let (one, two, log, gate) = two().await;
    let run = one.start(RunRequest::new("w")).await.unwrap().id();
    gate.inside.notified().await;
    two.drain("one", "sam").await.unwrap();
    let drained = two.nodes().await.unwrap().into_iter().find(|it| it.node.name == "one").unwrap();
    assert_eq!((drained.draining.as_deref(), drained.runs), (Some("sam"), 1));
    // It learns of it by itself, and takes nothing new.
    soon(async {
        while two.nodes().await.unwrap().iter().all(|it| it.draining.is_none()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    one.drain("one", "sam").await.unwrap();
    let later = one.start(RunRequest::new("w")).await.unwrap().id();
    gate.go.add_permits(4);
    for run in [run, later] {
        let outcome = soon(two.run(run).wait()).await.unwrap();
        assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
    }
    soon(one.drained()).await;
    let mut lines = log.lines();
    lines.sort();
    assert_eq!(lines, ["a on one", "a on two", "b on two", "b on two"]);
    let left = two.nodes().await.unwrap().into_iter().find(|it| it.node.name == "one").unwrap();
    assert_eq!(left.runs, 0);
    // It can be told otherwise.
    two.undrain("one").await.unwrap();
    one.undrain("one").await.unwrap();
    let again = one.start(RunRequest::new("w").requires("name", "one")).await.unwrap().id();
    gate.go.add_permits(2);
    soon(one.run(again).wait()).await.unwrap();
    assert_eq!(log.lines()[4..], ["a on one", "b on one"]);
    let error = one.drain("three", "sam").await.unwrap_err().to_string();
    assert!(error.contains("no living node is called `three`; those that are known: one, two"));
}

#[tokio::test]
async fn a_run_that_waits_is_handed_over_at_once() {
    let (one, two, log, gate) = two().await;
    let flow = workflow(json!({ "workflow": "asks", "steps": [
        { "id": "s", "signal": { "name": "go" } }, { "id": "a", "uses": "d.wait" },
    ] }));
    one.deploy(flow).await.unwrap();
    let run = one.start(RunRequest::new("asks")).await.unwrap().id();
    one.drain("one", "sam").await.unwrap();
    soon(one.drained()).await;
    gate.go.add_permits(1);
    two.signal(run, "go", Value::Null, "sam").await.unwrap();
    let outcome = soon(two.run(run).wait()).await.unwrap();
    assert_eq!((outcome.status, log.lines()), (RunStatus::Completed, vec!["a on two".to_owned()]));
}

/// A drained node still stops what has to stop.
#[tokio::test]
async fn a_run_can_be_cancelled_while_its_node_is_drained() {
    let (one, two, log, gate) = two().await;
    let run = one.start(RunRequest::new("w")).await.unwrap().id();
    gate.inside.notified().await;
    one.drain("one", "sam").await.unwrap();
    one.cancel(run, "sam", None).await.unwrap();
    let outcome = soon(two.run(run).wait()).await.unwrap();
    assert_eq!(outcome.status, RunStatus::Cancelled);
    assert_eq!(log.lines(), ["a stopped on one"]);
    soon(one.drained()).await;
}

/// Whoever starts a run need not be who carries it on.
#[tokio::test]
async fn a_run_is_carried_on_where_it_asks_to_be() {
    let (one, two, log, gate) = two().await;
    let child = workflow(json!({ "workflow": "child", "node": { "name": "one" }, "steps": [
        { "id": "c", "uses": "d.wait" },
    ] }));
    one.deploy(child).await.unwrap();
    let flow = workflow(json!({ "workflow": "placed", "node": { "name": "two" }, "steps": [
        { "id": "a", "uses": "d.wait" }, { "id": "below", "workflow": "child" },
    ] }));
    one.deploy(flow).await.unwrap();
    gate.go.add_permits(2);
    let run = one.start(RunRequest::new("placed")).await.unwrap();
    let id = run.id();
    let outcome = soon(run.wait()).await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
    assert_eq!(log.lines(), ["a on two", "c on one"]);
    assert_eq!(two.record(id).await.unwrap().requires["name"], "two");
    // Nobody has that.
    let nowhere = one.start(RunRequest::new("w").requires("name", "three")).await.unwrap().id();
    let record = one.record(nowhere).await.unwrap();
    assert_eq!((record.status, record.owner, record.epoch), (RunStatus::Pending, None, 0));
    let key = RunRequest::new("w").requires("name", "three").idempotency_key("k");
    let first = one.start(key.clone()).await.unwrap().id();
    assert_eq!(two.start(key).await.unwrap().id(), first);
}
