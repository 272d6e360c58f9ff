//! Signals and approvals through stores, crashes and parking.

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    Client, Config, Engine, EngineError, RunId, RunRequest, RunStatus,
    machine::{ApprovalAnswer, ApprovalEvent, Event, SignalEvent},
    store::{MemoryStore, Store},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    cut::{Cut, CutStore},
    support::{Log, builder, workflow},
};

const SOON: Duration = Duration::from_secs(20);

fn answer(approved: bool, by: &str, shown: Option<&str>) -> ApprovalAnswer {
    ApprovalAnswer { approved, by: by.to_owned(), reason: None, shown: shown.map(str::to_owned) }
}

fn asking() -> rackwright_engine::Workflow {
    workflow(json!({ "workflow": "ask", "steps": [
        { "id": "parts", "signal": { "name": "parts_arrived",
          "schema": { "type": "object", "required": ["count"],
                      "properties": { "count": { "type": "integer" } } } } },
        { "id": "go", "approval": { "message": "Flash?", "show": "{{ steps.parts.output }}",
                                    "approvers": ["anna"] } },
        { "id": "flash", "uses": "t.echo" },
    ], "output": { "count": "{{ steps.parts.output.count }}", "by": "{{ steps.go.output.by }}" } }))
}

async fn engine(store: &Arc<dyn Store>, log: &Log) -> Engine {
    let config =
        Config { park_after: Duration::ZERO, poll: Duration::from_millis(10), ..Config::default() };
    let engine = builder(log).open_store(Arc::clone(store)).config(config).build().await.unwrap();
    engine.deploy(asking()).await.unwrap();
    engine
}

/// Waits until the run asks; the hash of what it shows.
async fn question(client: &Client, run: RunId) -> String {
    let until = Instant::now() + SOON;
    loop {
        let questions = client.view(run).await.unwrap().questions();
        if let Some((_, ask)) = questions.first() {
            return ask.hash.clone();
        }
        assert!(Instant::now() < until, "nothing is asked");
        sleep(Duration::from_millis(5)).await;
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, EngineError>) -> String {
    match result {
        Err(EngineError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn who_tells_a_run_something_wrong_is_told_so() {
    let (log, store) = (Log::default(), Arc::new(MemoryStore::new()) as Arc<dyn Store>);
    let engine = engine(&store, &log).await;
    let run = engine.start(RunRequest::new("ask")).await.unwrap();
    let id = run.id();
    let client = Client::new(Arc::clone(&store));
    let why = refused(client.signal(id, "parts_arived", json!({ "count": 1 }), "me").await);
    assert!(why.contains("did you mean `parts_arrived`?"), "{why}");
    let why = refused(client.signal(id, "parts_arrived", json!({ "count": "many" }), "me").await);
    assert!(why.contains("count"), "{why}");
    let why = refused(client.approve(id, "go", answer(true, "anna", None)).await);
    assert!(why.contains("those that do: none"), "{why}");
    client.signal(id, "parts_arrived", json!({ "count": 3 }), "me").await.unwrap();

    let hash = question(&client, id).await;
    let why = refused(client.approve(id, "goo", answer(true, "anna", None)).await);
    assert!(why.contains("those that do: go"), "{why}");
    let why = refused(client.approve(id, "go", answer(true, "eve", None)).await);
    assert!(why.contains("who may: anna"), "{why}");
    let why = refused(client.approve(id, "go", answer(true, "anna", Some("0000"))).await);
    assert!(why.contains(&hash), "{why}");
    // Parked: nobody owns it while it asks.
    let until = Instant::now() + SOON;
    while store.run(id).await.unwrap().unwrap().status != RunStatus::Waiting {
        assert!(Instant::now() < until, "it does not park");
        sleep(Duration::from_millis(5)).await;
    }
    client.approve(id, "go", answer(true, "anna", Some(&hash))).await.unwrap();
    let outcome = engine.run(id).wait().await.unwrap();
    assert_eq!(*outcome.output, json!({ "count": 3, "by": "anna" }), "{:?}", outcome.errors);
    assert_eq!(log.lines(), ["flash"]);
    let why = refused(client.signal(id, "parts_arrived", json!({ "count": 1 }), "me").await);
    assert!(why.contains("has ended"), "{why}");
    engine.shutdown().await.unwrap();
}

/// Tells the run everything, again and again, until it has ended.
async fn tell_all(store: &Arc<dyn Store>, run: RunId) {
    let client = Client::new(Arc::clone(store));
    let until = Instant::now() + SOON;
    while !client.record(run).await.unwrap().status.is_ended() {
        let count = json!({ "count": 3 });
        let _ = client.signal_once(run, "parts_arrived", count, "me", Some("1")).await;
        for approved in [true, false] {
            let _ = client.approve(run, "go", answer(approved, "anna", None)).await;
        }
        assert!(Instant::now() < until, "run {run} does not end");
        sleep(Duration::from_millis(2)).await;
    }
}

async fn events(store: &Arc<dyn Store>, run: RunId) -> Vec<Event> {
    let rows = Client::new(Arc::clone(store)).journal(run, 0).await.unwrap();
    rows.iter().flat_map(|row| serde_json::from_slice::<Vec<Event>>(&row.events).unwrap()).collect()
}

/// Whatever is cut, what was sent is taken once and the first answer counts.
#[tokio::test]
async fn what_was_sent_is_met_exactly_once_over_every_cut() {
    for after in [false, true] {
        for commits in 1.. {
            let (log, store) = (Log::default(), Arc::new(MemoryStore::new()) as Arc<dyn Store>);
            let cut = Cut::new(commits, after);
            let cutting: Arc<dyn Store> = Arc::new(CutStore(Arc::clone(&store), cut.clone()));
            let first = engine(&cutting, &log).await;
            let id = first.start(RunRequest::new("ask")).await.unwrap().id();
            let cut_off = tokio::select! {
                () = cut.reached.notified() => true,
                () = tell_all(&store, id) => false,
            };
            drop(first);
            if cut_off {
                for node in store.nodes().await.unwrap() {
                    store.expire(node.node.id).await.unwrap();
                }
                let second = engine(&store, &log).await;
                second.recover().await.unwrap();
                tell_all(&store, id).await;
                second.shutdown().await.unwrap();
            }
            let events = events(&store, id).await;
            let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
            assert_eq!(
                count(|it| matches!(it, Event::Signal { what: SignalEvent::Received(_), .. })),
                1
            );
            assert_eq!(count(|it| matches!(it, Event::Signal { what: SignalEvent::Taken, .. })), 1);
            assert_eq!(
                count(|it| matches!(it, Event::Approval { what: ApprovalEvent::Asked(_), .. })),
                1
            );
            let answered =
                |it: &Event| matches!(it, Event::Approval { what: ApprovalEvent::Answered(_), .. });
            assert_eq!(events.iter().filter(|event| answered(event)).count(), 1);
            let ended = Client::new(store).run(id).wait().await.unwrap();
            assert_eq!(ended.status, RunStatus::Completed);
            if !cut_off {
                assert!(commits > 2, "there has to be something to cut");
                break;
            }
        }
    }
}
