//! Runs are moved to another version while they wait, and go on there wherever their node dies.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    Client, Engine, EngineError, RunRequest, RunStatus,
    api::Heard,
    store::{MemoryStore, Store},
};
use serde_json::{Value, json};

use crate::support::{Log, builder, workflow};

fn flow(steps: Value) -> rackwright_engine::Workflow {
    workflow(json!({ "workflow": "moves", "steps": steps }))
}

fn echo(id: &str) -> Value {
    json!({ "id": id, "uses": "t.echo", "with": id })
}

fn old() -> rackwright_engine::Workflow {
    flow(json!([echo("a"), { "id": "w", "signal": { "name": "go" } }, echo("old")]))
}

fn new() -> rackwright_engine::Workflow {
    flow(json!([echo("a"), { "id": "w", "signal": { "name": "go" } }, echo("b"), echo("new")]))
}

async fn engine(store: &Arc<dyn Store>, log: &Log) -> Engine {
    builder(log).open_store(Arc::clone(store)).build().await.unwrap()
}

async fn until_waiting(client: &Client, run: rackwright_engine::RunId) {
    let waits = async {
        loop {
            let tree = client.view(run).await.unwrap().tree();
            if tree.iter().any(|step| step.path == "w" && step.status != "pending") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.unwrap();
}

async fn moves(store: Arc<dyn Store>) {
    let log = Log::default();
    let first = engine(&store, &log).await;
    let before = first.deploy(old()).await.unwrap();
    let run = first.start(RunRequest::new("moves")).await.unwrap().id();
    until_waiting(&first, run).await;
    // Of another process, which only asks.
    let client = Client::new(Arc::clone(&store));
    let after = client.keep(&new()).await.unwrap();
    assert_eq!(client.versions("moves").await.unwrap().len(), 2);
    let ahead = client.movable(run, after).await.unwrap().unwrap();
    assert_eq!(ahead.added.len() + ahead.removed.len(), 3, "{ahead:?}");
    assert_eq!(client.record(run).await.unwrap().version, before, "looking moves nothing");
    let other = client.keep(&flow(json!([echo("x"), echo("a")]))).await.unwrap();
    let refused = client.migrate(run, other, "me", None).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("step `a` has begun, and its `needs` differs"), "{text}");
    assert!(text.contains("step `w` has begun, and is not there any more"), "{text}");
    let sent = first.migrate(run, after, "me", Some("b was missing")).await.unwrap();
    assert_eq!(first.heard(&sent, Duration::from_secs(10)).await.unwrap(), Heard::Followed);
    assert_eq!(client.record(run).await.unwrap().version, after);
    let again = client.migrate(run, after, "me", None).await.unwrap_err();
    assert!(matches!(again, EngineError::Refused(_)), "{again}");
    // Its node dies, and the next one has never heard of either version.
    drop(first);
    for node in store.nodes().await.unwrap() {
        store.expire(node.node.id).await.unwrap();
    }
    let second = engine(&store, &log).await;
    second.recover().await.unwrap();
    second.signal(run, "go", Value::Null, "me").await.unwrap();
    let mut events = second.run(run).events();
    let mut moved = 0;
    while let Some(event) = events.next().await {
        moved += u32::from(event.unwrap().event.name() == "migrated");
    }
    assert_eq!(moved, 1);
    let outcome = second.run(run).wait().await.unwrap();
    assert_eq!((outcome.status, &*outcome.output), (RunStatus::Completed, &json!("new")));
    assert_eq!(log.lines(), ["a", "b", "new"]);
    let paths: Vec<_> = client.view(run).await.unwrap().tree();
    let paths: Vec<_> = paths.iter().map(|step| step.path.as_str()).collect();
    assert_eq!(paths, ["a", "w", "b", "new"]);
    second.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_waiting_run_moves_on_memory() {
    moves(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn a_waiting_run_moves_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("a.db").display());
    moves(rackwright_engine::store::open(&url).await.unwrap()).await;
}

#[tokio::test]
async fn a_waiting_run_moves_on_postgres() {
    let Some(server) = crate::databases::server() else { return };
    let url = crate::databases::new_database(&server).await;
    moves(rackwright_engine::store::open(&url).await.unwrap()).await;
    crate::databases::drop_database(&server, &url).await;
}
