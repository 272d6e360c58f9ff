//! Large values are kept beside the journal: seen as before, and never missing, wherever a node
//! dies.

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    Client, Config, Engine, RunId, RunRequest, RunStatus,
    store::{BlobHash, MemoryStore, RunFilter, Store},
};
use serde_json::{Value, json};

use crate::{
    cut::{Cut, CutStore},
    support::{Log, builder, workflow},
};

const LARGE: usize = 300;

fn text() -> String {
    "large ".repeat(100)
}

async fn engine(store: Arc<dyn Store>) -> Engine {
    let config = Config { large_value: LARGE, ..Config::default() };
    let engine = builder(&Log::default()).open_store(store).config(config).build().await.unwrap();
    let child = json!({
        "workflow": "child",
        "steps": [{ "id": "c", "uses": "t.echo", "with": "{{ input.text }}" }],
    });
    engine.deploy(workflow(child)).await.unwrap();
    let flow = json!({
        "workflow": "large",
        "steps": [
            { "id": "a", "uses": "t.echo", "with": { "text": "{{ input.text }}", "n": 1 } },
            { "id": "small", "uses": "t.echo", "with": "{{ steps.a.output.text | length }}" },
            { "id": "each", "map": { "over": ["{{ input.text }}", "b"], "as": "it" },
              "steps": [{ "id": "e", "uses": "t.echo", "with": "{{ it }}" }] },
            { "id": "below", "workflow": "child", "with": { "text": "{{ steps.a.output.text }}" } },
            { "id": "same", "when": "steps.below.output == input.text",
              "set": "{{ steps.each.output[0] }}" },
        ],
        "output": "{{ steps.same.output }}",
    });
    engine.deploy(workflow(flow)).await.unwrap();
    engine
}

fn request() -> RunRequest {
    RunRequest::new("large").input(json!({ "text": text() }))
}

/// The references of a family's journals; each value has to be there.
async fn references(store: &Arc<dyn Store>, root: RunId) -> usize {
    let mut number = 0;
    let filter = RunFilter { root: Some(root), ..RunFilter::default() };
    for record in store.runs(&filter).await.unwrap() {
        for row in store.journal(record.id, 0, 10_000).await.unwrap() {
            let size = row.events.len();
            assert!(size < 3 * LARGE, "row {} has {size} bytes", row.seq);
            for event in serde_json::from_slice::<Vec<Value>>(&row.events).unwrap() {
                for reference in event["beside"].as_object().into_iter().flat_map(|it| it.values())
                {
                    let hash = BlobHash::from_hex(reference["sha256"].as_str().unwrap()).unwrap();
                    let found = store.archive().blobs(record.id, &[hash]).await.unwrap();
                    assert_eq!(found.len(), 1, "row {} of run {}", row.seq, record.id);
                    assert_eq!(found[0].bytes.len(), reference["bytes"]);
                    assert_eq!(BlobHash::of(&found[0].bytes), hash);
                    number += 1;
                }
            }
        }
        // And all of it folds.
        Client::new(Arc::clone(store)).view(record.id).await.unwrap();
    }
    number
}

async fn ended(engine: &Engine, run: RunId) -> Value {
    let whole = async {
        let mut events = engine.run(run).events();
        while let Some(event) = events.next().await {
            event.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), whole).await.unwrap();
    let outcome = engine.run(run).wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
    (*outcome.output).clone()
}

async fn sweep(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    let whole = engine(Arc::clone(&store)).await;
    let run = whole.start(request()).await.unwrap().id();
    assert_eq!(ended(&whole, run).await, json!(text()));
    assert!(references(&store, run).await >= 6);
    whole.shutdown().await.unwrap();
    for after in [false, true] {
        for commits in 1.. {
            let store = open().await;
            let cut = Cut::new(commits, after);
            let first = engine(Arc::new(CutStore(Arc::clone(&store), cut.clone()))).await;
            let run = first.start(request()).await.unwrap();
            let id = run.id();
            let cut_off = tokio::select! {
                () = cut.reached.notified() => true,
                _ = run.wait() => false,
            };
            drop(first);
            if !cut_off {
                assert!(commits > 6, "there has to be something to cut");
                break;
            }
            references(&store, id).await;
            for node in store.nodes().await.unwrap() {
                store.expire(node.node.id).await.unwrap();
            }
            let second = engine(Arc::clone(&store)).await;
            second.recover().await.unwrap();
            assert_eq!(ended(&second, id).await, json!(text()), "cut at commit {commits}");
            references(&store, id).await;
            second.shutdown().await.unwrap();
        }
    }
}

#[tokio::test]
async fn cut_at_every_commit_on_memory() {
    sweep(async || Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
}

#[tokio::test]
async fn cut_at_every_commit_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    sweep(async || {
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
    sweep(async || rackwright_engine::store::open(&url).await.unwrap()).await;
    crate::databases::drop_database(&server, &url).await;
}
