//! Orders of operators to runs that are carried on: pause, emergency stop, steps taken over.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use rackwright_engine::{
    Config, Describe, Effect, Engine, ErrorClass, Heard, RunRequest, RunStatus, StepContext,
    StepError, executor_fn,
    store::{MemoryStore, RunFilter, Store},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{Log, builder, workflow};

const PATIENCE: Duration = Duration::from_secs(30);

/// What an executor of the test waits for.
#[derive(Clone)]
struct Gate {
    begun: Arc<Semaphore>,
    go: Arc<Semaphore>,
    effect: Arc<Mutex<u32>>,
}

impl Gate {
    fn new() -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self { begun: closed(), go: closed(), effect: Arc::default() }
    }

    async fn begun(&self) {
        self.begun.acquire().await.unwrap().forget();
    }
}

/// `g.gate` begins, and goes on when the gate opens or it is told to stop; `g.must` is not to be
/// interrupted.
async fn engine(store: &Arc<dyn Store>, log: &Log, gate: &Gate, at_once: usize) -> Engine {
    let body = |gate: Gate, log: Log| {
        move |ctx: StepContext, _: Value| {
            let (gate, log) = (gate.clone(), log.clone());
            async move {
                log.push(ctx.path());
                gate.begun.add_permits(1);
                tokio::select! {
                    () = ctx.cancelled() => {
                        Err(StepError::new("g.stop", ErrorClass::Cancelled, "stopped"))
                    }
                    permit = gate.go.acquire() => {
                        permit.unwrap().forget();
                        *gate.effect.lock().unwrap() += 1;
                        Ok::<Value, StepError>(json!("through"))
                    }
                }
            }
        }
    };
    let config = Config {
        max_in_flight: at_once,
        park_after: Duration::from_millis(10),
        ..Config::default()
    };
    builder(log)
        .open_store(Arc::clone(store))
        .config(config)
        .register(executor_fn(
            Describe::new("g.gate", Effect::Idempotent),
            body(gate.clone(), log.clone()),
        ))
        .register(executor_fn(
            Describe::new("g.must", Effect::Idempotent).uninterruptible(),
            body(gate.clone(), log.clone()),
        ))
        .build()
        .await
        .unwrap()
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// Waits until the store shows the run so.
async fn until(engine: &Engine, run: rackwright_engine::RunId, status: RunStatus) {
    let look = async {
        while engine.record(run).await.unwrap().status != status {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, look).await.is_err() {
        let mut family = vec![format!("the run does not become {status}")];
        let below = RunFilter { root: Some(run), ..RunFilter::default() };
        for record in engine.runs(&below).await.unwrap() {
            family.push(format!("{record:?}"));
            for row in engine.journal(record.id, 0).await.unwrap() {
                family.push(String::from_utf8_lossy(&row.events).into_owned());
            }
        }
        panic!("{}", family.join("\n"));
    }
}

#[tokio::test]
async fn a_paused_run_survives_its_node_and_goes_on_when_resumed() {
    let (log, gate, store) = (Log::default(), Gate::new(), memory());
    let first = engine(&store, &log, &gate, 100).await;
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "a", "uses": "g.gate" }, { "id": "b", "uses": "t.echo" },
    ] }));
    first.deploy(flow).await.unwrap();
    let run = first.start(RunRequest::new("w")).await.unwrap();
    let id = run.id();
    gate.begun().await;
    let sent = first.pause(id, "me", Some("a closer look")).await.unwrap();
    assert_eq!(first.heard(&sent, PATIENCE).await.unwrap(), Heard::Followed);
    let refused = first.pause(id, "me", None).await.unwrap_err();
    assert!(refused.to_string().contains("it is paused already, by me"), "{refused}");
    gate.go.add_permits(1);
    until(&first, id, RunStatus::Paused).await;
    let record = first.record(id).await.unwrap();
    assert_eq!((record.owner, record.wake_at), (None, None), "it is parked without an alarm");
    first.shutdown().await.unwrap();
    let second = engine(&store, &log, &gate, 100).await;
    assert_eq!(second.recover().await.unwrap(), 0, "nobody takes a paused run");
    second.resume(id, "me", None).await.unwrap();
    let outcome = second.run(id).wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed);
    assert_eq!(log.lines(), ["a", "b"]);
}

#[tokio::test]
async fn a_pause_reaches_children_and_takes_back_what_has_not_begun() {
    let (log, gate) = (Log::default(), Gate::new());
    // One at a time: the second child's attempt waits for its turn when the pause comes.
    let engine = engine(&memory(), &log, &gate, 1).await;
    let child = json!({ "workflow": "child", "steps": [{ "id": "c", "uses": "g.must" }] });
    engine.deploy(workflow(child)).await.unwrap();
    let branch = || json!({ "steps": [{ "id": "s", "workflow": "child" }] });
    let both = json!({ "id": "p", "parallel": { "a": branch(), "b": branch() } });
    let flow = workflow(json!({ "workflow": "parent", "steps": [both] }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("parent")).await.unwrap();
    let id = run.id();
    gate.begun().await;
    let below = RunFilter { parent: Some(id), ..RunFilter::default() };
    let started = async {
        loop {
            let children = engine.runs(&below).await.unwrap();
            if children.len() == 2 {
                return children;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let children = tokio::time::timeout(PATIENCE, started).await.expect("both begin");
    engine.pause(id, "me", None).await.unwrap();
    until(&engine, id, RunStatus::Paused).await;
    // The attempt that waited is taken back, so that its run comes to rest before the gate opens.
    let resting = async {
        loop {
            let found = engine.runs(&below).await.unwrap();
            if found.iter().any(|child| child.status == RunStatus::Paused) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, resting).await.expect("one child rests");
    assert_eq!(log.lines().len(), 1);
    engine.resume(id, "me", None).await.unwrap();
    gate.go.add_permits(2);
    until(&engine, run.id(), RunStatus::Completed).await;
    assert_eq!(*gate.effect.lock().unwrap(), 2);
    for child in children {
        assert_eq!(engine.record(child.id).await.unwrap().status, RunStatus::Completed);
    }
}

#[tokio::test]
async fn an_emergency_stop_by_labels_leaves_obligations_to_a_person() {
    let (log, gate) = (Log::default(), Gate::new());
    let engine = engine(&memory(), &log, &gate, 100).await;
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "a", "uses": "t.echo", "cleanup": { "uses": "t.echo" } },
        { "id": "b", "uses": "g.gate" },
    ] }));
    engine.deploy(flow).await.unwrap();
    let start = |rack: &str| engine.start(RunRequest::new("w").label("rack", rack));
    let (one, two, other) =
        (start("4").await.unwrap(), start("4").await.unwrap(), start("5").await.unwrap());
    for _ in 0..3 {
        gate.begun().await;
    }
    let labels = [("rack".to_owned(), "4".to_owned())].into();
    let filter = RunFilter { labels, limit: 1, ..RunFilter::default() };
    let told = engine.emergency_stop_all(&filter, "me", Some("smoke")).await.unwrap();
    let reached: BTreeSet<_> = told.iter().map(|sent| sent.run).collect();
    assert_eq!((told.len(), reached), (2, [one.id(), two.id()].into()));
    for sent in &told {
        assert_eq!(engine.heard(sent, PATIENCE).await.unwrap(), Heard::Followed);
    }
    let id = one.id();
    assert_eq!(one.wait().await.unwrap().status, RunStatus::Attention);
    assert!(!log.lines().contains(&"a/cleanup".to_owned()), "{:?}", log.lines());
    engine.release(id, "me", None).await.unwrap();
    until(&engine, id, RunStatus::Cancelled).await;
    assert_eq!(log.lines().iter().filter(|line| *line == "a/cleanup").count(), 1);
    assert_eq!(engine.record(two.id()).await.unwrap().status, RunStatus::Attention);
    gate.go.add_permits(1);
    assert_eq!(other.wait().await.unwrap().status, RunStatus::Completed);
}

#[tokio::test]
async fn steps_are_taken_out_of_the_runs_hands() {
    let (log, gate) = (Log::default(), Gate::new());
    let engine = engine(&memory(), &log, &gate, 100).await;
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "m", "map": { "over": ["x"], "as": "item" }, "steps": [
            { "id": "a", "uses": "g.gate" },
            { "id": "b", "uses": "t.fail" },
            { "id": "c", "uses": "t.fail" },
        ] },
    ] }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    let id = run.id();
    gate.begun().await;
    let told = engine.skip(id, "m[0]/d", "me", "so").await.unwrap_err();
    assert!(told.to_string().contains("did you mean"), "{told}");
    let told = engine.skip(id, "m[0]/a", "me", "so").await.unwrap_err();
    assert!(told.to_string().contains("is under way"), "{told}");
    let skipped = engine.skip(id, "m[0]/b", "me", "does not matter").await.unwrap();
    let marked = engine.mark_done(id, "m[0]/c", json!(7), "me", "by hand").await.unwrap();
    for sent in [&skipped, &marked] {
        assert_eq!(engine.heard(sent, PATIENCE).await.unwrap(), Heard::Followed);
    }
    gate.go.add_permits(1);
    let outcome = run.wait().await.unwrap();
    assert_eq!((outcome.status, &*outcome.output), (RunStatus::Completed, &json!([7])));
    assert_eq!(log.lines(), ["m[0]/a"]);
}
