//! Runs that are over are removed by the nodes, or written to a file first.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rackwright_engine::{
    Client, Config, Engine, EngineError, RunId, RunRequest,
    api::read_archive,
    model::{HumanDuration, Retention, Timestamp},
    store::{RunFilter, Store},
};
use serde_json::{Value, json};

use crate::support::{Log, builder, paused_store, workflow};

const HOUR: Duration = Duration::from_hours(1);

async fn engine(store: Arc<dyn Store>, retention: Option<Retention>) -> Engine {
    let config = Config {
        retention,
        retention_pause: Duration::from_secs(10),
        large_value: 200,
        ..Config::default()
    };
    let engine = builder(&Log::default()).open_store(store).config(config).build().await.unwrap();
    let echo = |name: &str, more: Value| {
        let mut flow = json!({
            "workflow": name,
            "steps": [{ "id": "a", "uses": "t.echo", "with": "{{ input.text }}" }],
        });
        flow.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        workflow(flow)
    };
    engine.deploy(echo("short", json!({ "retention": { "age": "1h" } }))).await.unwrap();
    engine.deploy(echo("few", json!({ "retention": { "count": 2 } }))).await.unwrap();
    engine.deploy(echo("other", json!({}))).await.unwrap();
    let waits = json!({
        "workflow": "waits",
        "retention": { "count": 1, "age": "0s" },
        "steps": [{ "id": "s", "workflow": "short", "with": { "text": "x" } },
                  { "id": "w", "signal": { "name": "go" } }],
    });
    engine.deploy(workflow(waits)).await.unwrap();
    engine
}

async fn run(engine: &Engine, workflow: &str) -> RunId {
    let input = json!({ "text": "words ".repeat(60) });
    let run = engine.start(RunRequest::new(workflow).input(input)).await.unwrap();
    let id = run.id();
    run.wait().await.unwrap();
    id
}

async fn there(client: &Client) -> BTreeMap<RunId, String> {
    let runs = client.runs(&RunFilter::default()).await.unwrap();
    runs.into_iter().map(|record| (record.id, record.workflow)).collect()
}

fn count(runs: &BTreeMap<RunId, String>, workflow: &str) -> usize {
    runs.values().filter(|name| *name == workflow).count()
}

#[tokio::test(start_paused = true)]
async fn nodes_remove_what_is_over_by_age_and_count() {
    let engine = engine(paused_store(), None).await;
    let mut few = Vec::new();
    for workflow in ["short", "other", "few", "few", "few", "few"] {
        // Each ends later than the one before.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let id = run(&engine, workflow).await;
        few.extend((workflow == "few").then_some(id));
    }
    let waiting = engine.start(RunRequest::new("waits")).await.unwrap().id();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let now = there(&engine).await;
    assert_eq!(count(&now, "few"), 2);
    assert!(now.contains_key(&few[2]) && now.contains_key(&few[3]), "the newest stay");
    // One by itself, one below the run that waits.
    assert_eq!((count(&now, "short"), count(&now, "other")), (2, 1));
    tokio::time::sleep(HOUR).await;
    let now = there(&engine).await;
    assert_eq!(count(&now, "short"), 1, "the child of a living run stays");
    assert!(now.contains_key(&waiting));
    engine.signal(waiting, "go", Value::Null, "me").await.unwrap();
    engine.run(waiting).wait().await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let now = there(&engine).await;
    assert!(!now.contains_key(&waiting), "and goes with it");
    assert_eq!(count(&now, "short"), 0);
    assert!(matches!(engine.view(waiting).await, Err(EngineError::UnknownRun(_))));
    assert_eq!(count(&now, "other"), 1, "without a word, runs are kept for ever");
}

#[tokio::test(start_paused = true)]
async fn what_a_workflow_says_comes_before_what_the_node_says() {
    let engine = engine(paused_store(), Some(Retention::count(1))).await;
    for workflow in ["short", "short", "other", "other"] {
        run(&engine, workflow).await;
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    let now = there(&engine).await;
    assert_eq!((count(&now, "short"), count(&now, "other")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_waits_for_a_person_is_never_removed() {
    let engine = engine(paused_store(), None).await;
    let flow = json!({
        "workflow": "owes",
        "retention": { "age": "0s" },
        "steps": [{ "id": "a", "uses": "t.echo", "cleanup": { "uses": "t.fail" } }],
    });
    engine.deploy(workflow(flow)).await.unwrap();
    let run = run(&engine, "owes").await;
    tokio::time::sleep(HOUR).await;
    let status = engine.run(run).status().await.unwrap();
    assert_eq!(status, rackwright_engine::RunStatus::Attention);
}

async fn exported(client: &Client, roots: &[RunId]) -> Vec<u8> {
    let mut file = Vec::new();
    client.export(roots, &mut file).await.unwrap();
    file
}

/// What can be seen of a family.
async fn seen(client: &Client, root: RunId) -> Vec<String> {
    let filter = RunFilter { root: Some(root), ..RunFilter::default() };
    let mut seen = Vec::new();
    for record in client.runs(&filter).await.unwrap() {
        seen.push(serde_json::to_string(&record).unwrap());
        let view = client.view(record.id).await.unwrap();
        seen.push(serde_json::to_string(&view.tree()).unwrap());
        for row in client.journal(record.id, 0).await.unwrap() {
            seen.push(format!("{} {:?}", row.seq, row.events));
        }
    }
    seen
}

async fn archive_and_back(store: Arc<dyn Store>) {
    let engine = engine(store, None).await;
    let alive = engine.start(RunRequest::new("waits")).await.unwrap().id();
    let one = run(&engine, "other").await;
    let two = engine.start(RunRequest::new("waits")).await.unwrap().id();
    engine.signal(two, "go", json!("now"), "me").await.unwrap();
    engine.run(two).wait().await.unwrap();
    let before = [seen(&engine, one).await, seen(&engine, two).await];

    let refused = engine.export(&[alive], &mut Vec::new()).await.unwrap_err();
    assert!(refused.to_string().contains("has not ended"), "{refused}");
    let filter = RunFilter { parent: Some(two), ..RunFilter::default() };
    let child = engine.runs(&filter).await.unwrap()[0].id;
    let refused = engine.export(&[child], &mut Vec::new()).await.unwrap_err();
    assert!(refused.to_string().contains("is a child of run"), "{refused}");

    let far = Timestamp::from_micros(i64::MAX);
    let roots = engine.ended_families(None, far).await.unwrap();
    assert_eq!(roots, [one, two]);
    let file = exported(&engine, &roots).await;
    assert!(String::from_utf8_lossy(&file).contains("\"value\""), "a large value is in it");
    assert_eq!(engine.remove(&[one, two, alive]).await.unwrap(), 3);
    assert!(matches!(engine.view(one).await, Err(EngineError::UnknownRun(_))));
    assert!(engine.view(alive).await.is_ok());

    let archive = Client::new(Arc::new(read_archive(&file[..]).unwrap()));
    assert_eq!([seen(&archive, one).await, seen(&archive, two).await], before);
    // What is read is what is written.
    let again = exported(&archive, &roots).await;
    let lines = |file: &[u8]| {
        let text = String::from_utf8(file.to_vec()).unwrap();
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&again), lines(&file));
}

#[tokio::test]
async fn an_archive_holds_all_that_was_removed_memory() {
    archive_and_back(Arc::new(rackwright_engine::store::MemoryStore::new())).await;
}

#[tokio::test]
async fn an_archive_holds_all_that_was_removed_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("a.db").display());
    archive_and_back(rackwright_engine::store::open(&url).await.unwrap()).await;
}

#[tokio::test]
async fn an_archive_holds_all_that_was_removed_postgres() {
    let Some(server) = crate::databases::server() else { return };
    let url = crate::databases::new_database(&server).await;
    archive_and_back(rackwright_engine::store::open(&url).await.unwrap()).await;
    crate::databases::drop_database(&server, &url).await;
}

#[tokio::test]
async fn a_damaged_archive_says_where() {
    let engine = engine(Arc::new(rackwright_engine::store::MemoryStore::new()), None).await;
    let run = run(&engine, "other").await;
    let file = String::from_utf8(exported(&engine, &[run]).await).unwrap();
    let lines: Vec<_> = file.lines().collect();
    let told = |lines: &[&str]| {
        let text = lines.join("\n");
        read_archive(text.as_bytes()).map(drop).unwrap_err().to_string()
    };
    let cut = told(&lines[..lines.len() - 1]);
    assert!(cut.contains(&format!("its end is missing after line {}", lines.len() - 1)), "{cut}");
    assert!(told(&lines[1..]).contains("line 1: an archive begins"));
    let less: Vec<_> = lines.iter().copied().filter(|it| !it.starts_with("{\"run\"")).collect();
    assert!(told(&less).contains("out of order"), "{}", told(&less));
    let later = lines[0].replace("\"format\":1", "\"format\":2");
    assert!(told(&[&later]).contains("its format is 2"));
    assert!(told(&["{}"]).starts_with("the archive: line 1: "));
    assert!(told(&[]).contains("it is not whole"));
    let age = Retention::age(Duration::from_hours(48));
    assert_eq!(age.age, Some(HumanDuration(Duration::from_hours(48))));
}
