//! Leases, parked runs, runs that this node can't carry on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rackwright_engine::{
    Config, Describe, Effect, Engine, RunRequest, RunStatus, StepContext, StepError, executor_fn,
    store::{ClaimScope, MemoryStore, Store},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::support::{Log, builder, workflow};

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

async fn quick(store: &Arc<dyn Store>, log: &Log) -> Engine {
    let config =
        Config { park_after: Duration::ZERO, poll: Duration::from_millis(10), ..Config::default() };
    builder(log).open_store(Arc::clone(store)).config(config).build().await.unwrap()
}

#[tokio::test]
async fn a_run_that_waits_leaves_the_memory_and_comes_back() {
    let (log, store) = (Log::default(), memory());
    let engine = quick(&store, &log).await;
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "f", "uses": "t.flaky", "with": { "times": 1 },
          "retry": { "max_attempts": 2, "delay": "80ms" } },
    ] }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    let id = run.id();
    let mut statuses = Vec::new();
    let mut events = run.events();
    while let Some(event) = events.next().await {
        event.unwrap();
        let record = store.run(id).await.unwrap().unwrap();
        statuses.push((record.status, record.owner.is_some(), record.epoch));
    }
    assert!(statuses.contains(&(RunStatus::Waiting, false, 1)), "{statuses:?}");
    assert_eq!(run.wait().await.unwrap().status, RunStatus::Completed);
    assert_eq!(store.run(id).await.unwrap().unwrap().epoch, 2, "it was claimed again");
    assert_eq!(log.lines(), ["f#1", "f#2"]);
}

/// A parked run does not wait for the next look around.
#[tokio::test]
async fn a_parked_run_wakes_at_its_time() {
    let (log, store) = (Log::default(), memory());
    let config =
        Config { park_after: Duration::ZERO, poll: Duration::from_hours(1), ..Config::default() };
    let engine = builder(&log).open_store(store).config(config).build().await.unwrap();
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "f", "uses": "t.flaky", "with": { "times": 3 },
          "retry": { "max_attempts": 4, "delay": "30ms" } },
    ] }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_mins(1), run.wait());
    assert_eq!(ended.await.expect("it wakes").unwrap().status, RunStatus::Completed);
}

/// Very many runs may be due at once: a node takes over no more than it has room for.
#[tokio::test]
async fn a_node_takes_over_what_it_has_room_for() {
    let (log, store) = (Log::default(), memory());
    let (inside, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let make = |config: Config| {
        let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
        let slow = executor_fn(
            Describe::new("o.slow", Effect::Idempotent),
            move |ctx: StepContext, _: Value| {
                let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
                async move {
                    if ctx.attempt() == 1 {
                        return Err(StepError::transient("o.later", "later"));
                    }
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, StepError>(Value::Null)
                }
            },
        );
        builder(&log).open_store(Arc::clone(&store)).register(slow).config(config).build()
    };
    let config = Config { park_after: Duration::ZERO, claims: None, ..Config::default() };
    let first = make(config.clone()).await.unwrap();
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "a", "uses": "o.slow", "retry": { "max_attempts": 2, "delay": "1ms" } },
    ] }));
    first.deploy(flow).await.unwrap();
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(first.start(RunRequest::new("w")).await.unwrap().id());
    }
    first.shutdown().await.unwrap();

    let poll = Duration::from_millis(5);
    let config = Config { max_active: 3, poll, claims: Some(ClaimScope::All), ..config };
    let second = make(config).await.unwrap();
    for run in runs {
        assert_eq!(second.run(run).wait().await.unwrap().status, RunStatus::Completed);
    }
    // What is started on it beyond its room waits in the store.
    let mut started = Vec::new();
    for _ in 0..20 {
        started.push(second.start(RunRequest::new("w")).await.unwrap());
    }
    for run in started {
        assert_eq!(run.wait().await.unwrap().status, RunStatus::Completed);
    }
    let most = most.load(Ordering::SeqCst);
    assert!((1..=3).contains(&most), "{most} runs at once");
}

/// The step asks for the fence after its node's life has ended.
#[tokio::test]
async fn a_node_that_lost_its_lease_does_not_act() {
    let (log, store) = (Log::default(), memory());
    let (inside, go) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let make = |lease: Duration| {
        let (log, inside, go) = (log.clone(), inside.clone(), go.clone());
        let config = Config { lease, poll: Duration::from_millis(20), ..Config::default() };
        builder(&log)
            .open_store(Arc::clone(&store))
            .config(config)
            .register(executor_fn(
                Describe::new("o.act", Effect::Idempotent),
                move |ctx: StepContext, _: Value| {
                    let (log, inside, go) = (log.clone(), inside.clone(), go.clone());
                    async move {
                        inside.notify_one();
                        go.acquire().await.unwrap().forget();
                        log.push(if ctx.fence().is_ok() { "acts" } else { "is fenced" });
                        ctx.fence()?;
                        Ok::<_, StepError>(json!("acted"))
                    }
                },
            ))
            .build()
    };
    let first = make(Duration::from_mins(1)).await.unwrap();
    let flow = workflow(json!({ "workflow": "w", "steps": [{ "id": "a", "uses": "o.act" }] }));
    first.deploy(flow).await.unwrap();
    let id = first.start(RunRequest::new("w")).await.unwrap().id();
    inside.notified().await;

    // Another node takes the run over; the first does not know yet.
    for node in store.nodes().await.unwrap() {
        store.expire(node.node.id).await.unwrap();
    }
    let second = make(Duration::from_mins(1)).await.unwrap();
    assert_eq!(second.recover().await.unwrap(), 1);
    inside.notified().await;
    // The second node's attempt ends and its run with it.
    go.add_permits(2);
    let outcome = second.run(id).wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed);
    // The zombie's result is not in the journal: one start at each epoch, one completion.
    let names: Vec<String> = second
        .journal(id, 0)
        .await
        .unwrap()
        .iter()
        .flat_map(|row| {
            let events: Vec<Value> = serde_json::from_slice(&row.events).unwrap();
            events.into_iter().map(|it| it.as_object().unwrap().keys().next().unwrap().clone())
        })
        .collect();
    assert_eq!(
        names,
        ["created", "claimed", "started", "claimed", "started", "completed", "ended"]
    );
}

#[tokio::test]
async fn a_lease_that_runs_out_fences_and_the_node_goes_on_as_a_new_one() {
    let (log, store) = (Log::default(), memory());
    let inside = Arc::new(Notify::new());
    let entered = Arc::clone(&inside);
    let (fenced, entries) = (log.clone(), Arc::new(AtomicU32::new(0)));
    let config = Config {
        lease: Duration::from_millis(200),
        poll: Duration::from_millis(20),
        ..Config::default()
    };
    let engine = builder(&log)
        .open_store(Arc::clone(&store))
        .config(config)
        .register(executor_fn(
            Describe::new("o.patient", Effect::Idempotent),
            move |ctx: StepContext, _: Value| {
                let (log, inside) = (fenced.clone(), entered.clone());
                let first = entries.fetch_add(1, Ordering::SeqCst) == 0;
                async move {
                    inside.notify_one();
                    // The first attempt acts for as long as it may; losing the run may also end it.
                    while first && ctx.fence().is_ok() {
                        tokio::task::yield_now().await;
                    }
                    log.push(if ctx.fence().is_ok() { "again" } else { "fenced" });
                    ctx.fence()?;
                    Ok::<_, StepError>(json!(1))
                }
            },
        ))
        .build()
        .await
        .unwrap();
    let flow = workflow(json!({ "workflow": "w", "steps": [{ "id": "a", "uses": "o.patient" }] }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    inside.notified().await;
    for node in store.nodes().await.unwrap() {
        store.expire(node.node.id).await.unwrap();
    }
    let outcome = run.wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
    assert_eq!(log.lines().last().unwrap(), "again");
}

#[tokio::test]
async fn a_run_whose_executor_is_missing_is_said_to_be_stuck() {
    let (log, store) = (Log::default(), memory());
    let (running, wait) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let told = Arc::clone(&running);
    let first = builder(&log)
        .open_store(Arc::clone(&store))
        .register(executor_fn(
            Describe::new("only.here", Effect::Idempotent),
            move |_: StepContext, _: Value| {
                let (running, wait) = (told.clone(), wait.clone());
                async move {
                    running.notify_one();
                    wait.notified().await;
                    Ok::<Value, StepError>(Value::Null)
                }
            },
        ))
        .build()
        .await
        .unwrap();
    let flow = workflow(json!({ "workflow": "w", "steps": [{ "id": "a", "uses": "only.here" }] }));
    first.deploy(flow).await.unwrap();
    let id = first.start(RunRequest::new("w")).await.unwrap().id();
    running.notified().await;
    drop(first);
    for node in store.nodes().await.unwrap() {
        store.expire(node.node.id).await.unwrap();
    }
    let second = quick(&store, &log).await;
    second.recover().await.unwrap();
    let stuck = second.stuck();
    assert_eq!(stuck[0].0, id);
    assert!(stuck[0].1.contains("there is no executor `only.here`"), "{}", stuck[0].1);
}
