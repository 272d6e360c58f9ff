//! The crash-point sweep: a run is cut before and after every single commit, recovered by another
//! engine, and has to end in the same state each time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rackwright_engine::{
    Engine, RunHandle, RunId, RunRequest, RunStatus,
    api::{Kind, StepView},
    machine::{Event, TaskRef},
    store::{MemoryStore, RunFilter, Store},
};
use serde_json::json;

use crate::{
    cut::{Cut, CutStore},
    device::{Device, FlashExecutor, second, set},
    support::workflow,
};

async fn engine(store: Arc<dyn Store>, device: &Device) -> Engine {
    let engine = Engine::builder()
        .open_store(store)
        .register(FlashExecutor(device.clone()))
        .register(set(device.clone()))
        .register(second(device.clone()))
        .build()
        .await
        .unwrap();
    engine
        .deploy(workflow(json!({
            "workflow": "child",
            "steps": [
                { "id": "flash", "uses": "d.flash", "with": { "version": "{{ input.n }}" } },
                { "id": "set", "uses": "d.set", "with": "{{ steps.flash.output.version * 2 }}" },
            ],
        })))
        .await
        .unwrap();
    engine.deploy(sweep()).await.unwrap();
    engine
}

/// All kinds and policies in one run.
fn sweep() -> rackwright_engine::Workflow {
    let cleanup = json!({ "policy": "always", "uses": "d.flash", "with": { "version": 9 } });
    workflow(json!({
        "workflow": "sweep",
        "steps": [
            { "id": "first", "uses": "d.flash", "with": { "version": 1 }, "cleanup": cleanup },
            { "id": "again", "uses": "d.second",
              "retry": { "max_attempts": 2, "delay": "1ms" } },
            { "id": "items",
              "map": { "over": [10, 20, 30], "as": "n", "max_concurrency": 2 },
              "steps": [
                  { "id": "flash", "uses": "d.flash", "with": { "version": "{{ n }}" } },
                  { "id": "odd", "when": "n == 20", "uses": "d.set", "with": "{{ n }}" },
              ] },
            { "id": "both", "parallel": {
                "left": { "steps": [{ "id": "l", "uses": "d.set", "with": 1 }] },
                "right": { "steps": [{ "id": "r", "workflow": "child", "with": { "n": 5 } }] },
            } },
            { "id": "waves",
              "rollout": { "over": [4, 5, 6], "as": "n", "canary": 1, "wave": 2, "soak": "1ms",
                           "max_unavailable": 2 },
              "steps": [{ "id": "flash", "uses": "d.flash", "with": { "version": "{{ n }}" } }],
              "gate": [{ "id": "check", "uses": "d.set",
                         "with": "{{ steps.waves.items | length }}" }] },
            { "id": "choice", "decision": [
                { "when": "steps.both.output.right == 10",
                  "steps": [{ "id": "yes", "uses": "d.flash", "with": { "version": 3 } }] },
                { "otherwise": [] },
            ] },
            { "id": "pause", "wait": { "for": "2ms" } },
            { "id": "loop",
              "repeat": { "until": "steps.turn.output.version >= 42", "delay": "1ms",
                          "max_iterations": 3 },
              "steps": [
                  { "id": "turn", "uses": "d.flash", "with": { "version": "{{ 40 + iteration }}" } },
              ] },
            { "id": "sum", "set": { "choice": "{{ steps.choice.output.version }}" } },
        ],
        "output": { "items": "{{ steps.items.items | map(attribute='status') | list }}",
                    "sum": "{{ steps.sum.output.choice + steps.both.output.left }}" },
    }))
}

/// What two runs have to have in common.
fn shape(tree: &[StepView]) -> Vec<String> {
    let mut lines = Vec::new();
    for step in tree {
        // A wait gives the time, which is another one in each run.
        let output = step.output.as_deref().filter(|_| step.kind != Kind::Wait);
        let output = output.cloned().unwrap_or_default();
        lines.push(format!("{} {:?} {} {output}", step.path, step.kind, step.status));
        lines.extend(shape(&step.steps));
    }
    lines
}

async fn final_state(run: RunHandle) -> (RunStatus, String, Vec<String>) {
    let shape = {
        let id = run.id();
        let outcome =
            tokio::time::timeout(Duration::from_secs(20), async { run.events_until_end().await });
        let ended = outcome.await.is_ok();
        assert!(ended, "run {id} does not end: {:#?}", shape(&run.view().await.unwrap().tree()));
        shape(&run.view().await.unwrap().tree())
    };
    let outcome = run.wait().await.unwrap();
    (outcome.status, outcome.output.to_string(), shape)
}

trait UntilEnd {
    async fn events_until_end(&self);
}

impl UntilEnd for RunHandle {
    async fn events_until_end(&self) {
        let mut events = self.events();
        while let Some(event) = events.next().await {
            event.unwrap();
        }
    }
}

/// Every step whose completion was recorded before the cut.
async fn recorded(store: &Arc<dyn Store>, run: RunId) -> BTreeMap<String, u32> {
    let client = rackwright_engine::Client::new(Arc::clone(store));
    let mut done = BTreeMap::new();
    for record in client.runs(&RunFilter { root: Some(run), ..Default::default() }).await.unwrap() {
        let view = client.view(record.id).await.unwrap();
        for row in client.journal(record.id, 0).await.unwrap() {
            let events: Vec<Event> = serde_json::from_slice(&row.events).unwrap();
            for event in events {
                if let Event::Completed { task, .. } = event {
                    *done.entry(key(&view, task)).or_insert(0) += 1;
                }
            }
        }
    }
    done
}

fn key(view: &rackwright_engine::api::RunView, task: TaskRef) -> String {
    view.state().task_path(view.plan(), task)
}

async fn sweep_over(open: impl AsyncFn() -> Arc<dyn Store>) {
    let calm = open().await;
    let device = Device::default();
    let whole = engine(Arc::clone(&calm), &device).await;
    let expected = final_state(whole.start(RunRequest::new("sweep")).await.unwrap()).await;
    whole.shutdown().await.unwrap();
    assert_eq!(expected.0, RunStatus::Completed);
    let once = device.records();

    for after in [false, true] {
        for commits in 1.. {
            let store = open().await;
            let device = Device::default();
            let cut = Cut::new(commits, after);
            let first = engine(Arc::new(CutStore(Arc::clone(&store), cut.clone())), &device).await;
            let run = first.start(RunRequest::new("sweep")).await.unwrap();
            let id = run.id();
            let cut_off = tokio::select! {
                () = cut.reached.notified() => true,
                _ = run.wait() => false,
            };
            drop(first);
            if !cut_off {
                assert!(commits > 10, "the sweep has to have something to cut");
                break;
            }
            let done = recorded(&store, id).await;
            let before = device.records();
            for node in store.nodes().await.unwrap() {
                store.expire(node.node.id).await.unwrap();
            }

            let second = engine(Arc::clone(&store), &device).await;
            second.recover().await.unwrap();
            let found = final_state(second.run(id)).await;
            assert_eq!(
                found,
                expected,
                "cut {} commit {commits}",
                if after { "after" } else { "before" }
            );
            check_device(&once, &before, &done, &device);
            second.shutdown().await.unwrap();
        }
    }
}

fn check_device(
    once: &BTreeMap<String, crate::device::Record>,
    before: &BTreeMap<String, crate::device::Record>,
    done: &BTreeMap<String, u32>,
    device: &Device,
) {
    let records = device.records();
    for (path, record) in &records {
        let earlier = before.get(path).cloned().unwrap_or_default();
        // `flash` stands in the child and in the items: paths of the child are its own.
        if done.get(path).is_some_and(|times| *times > 0) {
            assert_eq!(record, &earlier, "`{path}` is recorded and was executed again");
        } else if path.contains("flash") || path.contains("first") || path.contains("yes") {
            assert_eq!(record.changes, 1, "`{path}` was changed more than once");
            if earlier.calls > 0 {
                assert!(record.looks > 0, "`{path}` was interrupted and not observed");
            }
        }
    }
    assert_eq!(records.keys().collect::<Vec<_>>(), once.keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn cut_at_every_commit_on_memory() {
    sweep_over(async || Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
}

#[tokio::test]
async fn cut_at_every_commit_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    sweep_over(async || {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let url = format!("sqlite:{}", dir.path().join(format!("{number}.db")).display());
        rackwright_engine::store::open(&url).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn cut_at_every_commit_on_postgres() {
    let Some(server) = crate::databases::server() else { return };
    let url = crate::databases::new_database(&server).await;
    sweep_over(async || rackwright_engine::store::open(&url).await.unwrap()).await;
    crate::databases::drop_database(&server, &url).await;
}
