//! Maintenance windows over the whole engine: runs that wait for one, on every store.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    Client, Config, Engine, EngineError, RunRequest, RunStatus,
    calendar::Window,
    model::Timestamp,
    store::{MemoryStore, SqliteStore, Store},
};
use serde_json::{Value, json};

use crate::support::{Log, builder, workflow};

fn window(value: Value) -> Window {
    let mut whole = json!({ "cron": "* * * * *", "duration": "1m", "time_zone": "UTC" });
    whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

/// Leaves the memory at once when it has to wait.
fn config() -> Config {
    Config {
        poll: Duration::from_millis(50),
        park_after: Duration::from_millis(1),
        ..Config::default()
    }
}

async fn engine(store: Arc<dyn Store>, log: &Log) -> Engine {
    builder(log).open_store(store).config(config()).build().await.unwrap()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn flow() -> Value {
    json!({
        "workflow": "flash",
        "steps": [
            { "id": "before", "uses": "t.echo" },
            { "id": "flash", "uses": "t.echo", "window": { "name": "weekend", "needs": "30s" } },
        ],
    })
}

/// A parked run looks again when a person switches its window on, on another connection.
async fn a_parked_run_sees_that_its_window_changed(store: Arc<dyn Store>, outside: Client) {
    let log = Log::default();
    let off = window(json!({ "enabled": false }));
    outside.put_window("weekend", &off, "eva").await.unwrap();
    let engine = engine(store, &log).await;
    engine.deploy(workflow(flow())).await.unwrap();
    let run = engine.start(RunRequest::new("flash")).await.unwrap();
    until("the run's parking", async || {
        outside.record(run.id()).await.unwrap().status == RunStatus::Waiting
    })
    .await;
    let view = run.view().await.unwrap();
    let waiting = view.before_windows();
    assert_eq!(waiting[0].0.as_deref(), Some("flash"));
    assert_eq!(waiting[0].1.opens, None);
    assert_eq!(view.tree()[1].status, "waiting");
    assert_eq!(log.lines(), ["before"]);
    // All days: an opening that has 30 s left is there, or comes at once.
    let on = window(json!({ "cron": "* * * * *", "duration": "10m" }));
    assert_eq!(outside.put_window("weekend", &on, "eva").await.unwrap(), 1);
    let outcome = run.wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
    assert_eq!(log.lines(), ["before", "flash"]);
    engine.shutdown().await.unwrap();
}

#[tokio::test]
async fn memory() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    a_parked_run_sees_that_its_window_changed(Arc::clone(&store), Client::new(store)).await;
}

#[tokio::test]
async fn sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("test.db").display());
    let open = async || Arc::new(SqliteStore::open(&url).await.unwrap());
    a_parked_run_sees_that_its_window_changed(open().await, Client::new(open().await)).await;
}

#[tokio::test]
async fn postgres() {
    let Some(server) = crate::databases::server() else { return };
    let url = crate::databases::new_database(&server).await;
    let open = async || rackwright_engine::store::open(&url).await.unwrap();
    a_parked_run_sees_that_its_window_changed(open().await, Client::new(open().await)).await;
    crate::databases::drop_database(&server, &url).await;
}

#[tokio::test]
async fn a_run_does_not_start_without_its_window() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let engine = engine(store, &Log::default()).await;
    engine.deploy(workflow(flow())).await.unwrap();
    let start = async || engine.start(RunRequest::new("flash")).await.map(|run| run.id());
    let error = start().await.unwrap_err();
    assert!(
        matches!(&error, EngineError::Window { reason, .. } if reason.code == "engine.no_window")
    );
    // Made after the engine has read the windows: it looks again before it refuses.
    engine.put_window("weekend", &window(json!({ "duration": "29s" })), "eva").await.unwrap();
    let error = start().await.unwrap_err();
    assert!(error.to_string().contains("30s are needed"), "{error}");
    engine.put_window("weekend", &window(json!({ "enabled": false })), "eva").await.unwrap();
    start().await.unwrap();
    engine.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_override_is_recorded_and_lets_in() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let log = Log::default();
    let engine = engine(store, &log).await;
    engine.put_window("weekend", &window(json!({ "enabled": false })), "eva").await.unwrap();
    engine.deploy(workflow(flow())).await.unwrap();
    let run = engine.start(RunRequest::new("flash")).await.unwrap();
    let id = run.id();
    until("the wait", async || !engine.view(id).await.unwrap().before_windows().is_empty()).await;
    let refused = engine.override_window(id, Some("before"), "eva", "no").await.unwrap_err();
    assert!(refused.to_string().contains("what waits for a window: flash"), "{refused}");
    let path = engine.override_window(id, None, "eva", "the rack burns").await.unwrap();
    assert_eq!(path.as_deref(), Some("flash"));
    assert_eq!(run.wait().await.unwrap().status, RunStatus::Completed);
    let rows = engine.journal(id, 0).await.unwrap();
    let text: String =
        rows.iter().map(|row| String::from_utf8_lossy(&row.events).into_owned()).collect();
    assert!(text.contains(r#""overridden":{"by":"eva","reason":"the rack burns"}"#), "{text}");
    let refused = engine.override_window(id, None, "eva", "no").await.unwrap_err();
    assert!(matches!(refused, EngineError::Refused(_)));
    engine.shutdown().await.unwrap();
}

#[tokio::test]
async fn windows_are_kept_and_told() {
    let client = Client::new(Arc::new(MemoryStore::new()));
    client.put_window("weekend", &window(json!({})), "eva").await.unwrap();
    client
        .store()
        .calendars()
        .put_window("later", b"{\"from\":\"the future\"}", "ida")
        .await
        .unwrap();
    let all = client.windows().await.unwrap();
    assert_eq!(
        all.iter().map(|it| (&*it.name, it.window.is_ok())).collect::<Vec<_>>(),
        [("later", false), ("weekend", true)]
    );
    assert!(all[1].updated_at > Timestamp::from_micros(0));
    for name in ["", "a b", "x/y"] {
        assert!(client.put_window(name, &window(json!({})), "eva").await.is_err());
    }
    assert!(client.put_window("w", &window(json!({ "duration": "0" })), "eva").await.is_err());
    assert_eq!(client.remove_window("weekend").await.unwrap(), Some(0));
    assert_eq!(client.remove_window("weekend").await.unwrap(), None);
}
