//! Cancel, time-outs, shutdown.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rackwright_engine::{
    Config, Describe, Effect, Engine, ErrorClass, Executor, Observation, RunRequest, RunStatus,
    StepContext, StepError, executor_fn,
    machine::Event,
    store::{MemoryStore, Store},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Log, builder, workflow};

/// An engine with `s.wait`, which tells that it runs and then waits until it is told to stop, and
/// `s.deaf`, which does not listen.
async fn engine(store: &Arc<dyn Store>, log: &Log, running: &Arc<Notify>) -> Engine {
    let (waits, deaf) = (log.clone(), log.clone());
    let (waiting, deafness) = (Arc::clone(running), Arc::clone(running));
    let config = Config { stop_grace: Duration::from_millis(50), ..Config::default() };
    builder(log)
        .open_store(Arc::clone(store))
        .config(config)
        .register(executor_fn(
            Describe::new("s.wait", Effect::Idempotent),
            move |ctx: StepContext, _: Value| {
                let (log, running) = (waits.clone(), waiting.clone());
                async move {
                    log.push(format!("{} waits", ctx.path()));
                    running.notify_one();
                    ctx.cancelled().await;
                    Err::<Value, _>(StepError::new("s.stop", ErrorClass::Cancelled, "stopped"))
                }
            },
        ))
        .register(executor_fn(
            Describe::new("s.deaf", Effect::Idempotent),
            move |_: StepContext, _: Value| {
                let (log, running) = (deaf.clone(), deafness.clone());
                async move {
                    log.push("deaf");
                    running.notify_one();
                    std::future::pending::<()>().await;
                    Ok::<Value, StepError>(Value::Null)
                }
            },
        ))
        .build()
        .await
        .unwrap()
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

#[tokio::test]
async fn cancel_stops_attempts_and_meets_obligations() {
    let (log, running) = (Log::default(), Arc::new(Notify::new()));
    let engine = engine(&memory(), &log, &running).await;
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "a", "uses": "t.echo", "cleanup": { "uses": "t.echo" } },
        { "id": "b", "uses": "s.wait" },
        { "id": "c", "uses": "t.echo" },
    ] }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    let id = run.id();
    running.notified().await;
    engine.cancel(id, "me", Some("wrong rack")).await.unwrap();
    let outcome = run.wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Cancelled);
    assert_eq!(log.lines(), ["a", "b waits", "a/cleanup"]);
    let refused = engine.cancel(id, "me", None).await.unwrap_err();
    assert!(refused.to_string().contains("has ended: cancelled"), "{refused}");
}

#[tokio::test]
async fn cancel_reaches_child_runs() {
    let (log, running) = (Log::default(), Arc::new(Notify::new()));
    let engine = engine(&memory(), &log, &running).await;
    let child = json!({ "workflow": "child", "steps": [{ "id": "b", "uses": "s.wait" }] });
    engine.deploy(workflow(child)).await.unwrap();
    let parent = json!({ "workflow": "parent", "steps": [{ "id": "c", "workflow": "child" }] });
    engine.deploy(workflow(parent)).await.unwrap();
    let run = engine.start(RunRequest::new("parent")).await.unwrap();
    running.notified().await;
    run.cancel("me", None).await.unwrap();
    assert_eq!(run.wait().await.unwrap().status, RunStatus::Cancelled);
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_broken_off_and_retried() {
    let (log, running) = (Log::default(), Arc::new(Notify::new()));
    let engine = engine(&memory(), &log, &running).await;
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "d", "uses": "s.deaf", "timeout": "20ms",
          "retry": { "max_attempts": 2, "delay": "1ms" } },
    ] }));
    engine.deploy(flow).await.unwrap();
    let outcome = engine.start(RunRequest::new("w")).await.unwrap().wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Failed);
    assert_eq!(outcome.errors[0].error.class, ErrorClass::Timeout);
    assert!(outcome.errors[0].error.message.contains("20ms"), "{}", outcome.errors[0].error);
    assert_eq!(log.lines(), ["deaf", "deaf"]);
}

#[tokio::test]
async fn a_group_that_takes_too_long_stops_what_is_in_it() {
    let (log, running) = (Log::default(), Arc::new(Notify::new()));
    let engine = engine(&memory(), &log, &running).await;
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "g", "timeout": "30ms", "on_error": "continue",
          "steps": [{ "id": "b", "uses": "s.wait", "cleanup": { "uses": "t.echo" } }] },
        { "id": "after", "set": "{{ steps.g.error.code }}" },
    ] }));
    engine.deploy(flow).await.unwrap();
    let outcome = engine.start(RunRequest::new("w")).await.unwrap().wait().await.unwrap();
    assert_eq!(*outcome.output, json!("engine.timeout"), "{:?}", outcome.errors);
    assert_eq!(log.lines(), ["g/b waits", "g/b/cleanup"]);
}

#[tokio::test]
async fn shutdown_leaves_work_to_the_next_engine() {
    let (log, running) = (Log::default(), Arc::new(Notify::new()));
    let store = memory();
    let first = engine(&store, &log, &running).await;
    let flow = json!({ "workflow": "w", "steps": [
        { "id": "a", "uses": "t.echo", "with": 1 },
        { "id": "b", "uses": "s.wait", "retry": { "max_attempts": 1 } },
    ] });
    first.deploy(workflow(flow)).await.unwrap();
    let id = first.start(RunRequest::new("w")).await.unwrap().id();
    running.notified().await;
    first.shutdown().await.unwrap();
    assert_eq!(first.run(id).status().await.unwrap(), RunStatus::Running);
    let late = first.start(RunRequest::new("w")).await;
    assert!(late.is_err_and(|error| error.to_string().contains("shut down")));

    let second = engine(&store, &log, &running).await;
    assert_eq!(second.recover().await.unwrap(), 1);
    running.notified().await;
    second.cancel(id, "me", None).await.unwrap();
    let outcome = second.run(id).wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Cancelled);
    assert_eq!(log.lines(), ["a", "b waits", "b waits"]);
    let tree = second.view(id).await.unwrap().tree();
    assert_eq!(tree[1].attempts.len(), 1, "an interruption does not use up an attempt");
}

/// `s.flash`: never ends the first time that it is called; a look says that nothing was done.
struct Flash {
    running: Arc<Notify>,
    calls: Arc<AtomicU32>,
}

impl Executor for Flash {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("s.flash", Effect::Verify)
    }

    async fn run(&self, _: &StepContext, _: Value) -> Result<Value, StepError> {
        self.running.notify_one();
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            std::future::pending::<()>().await;
        }
        Ok(json!("flashed"))
    }

    async fn observe(&self, _: &StepContext, _: Value) -> Result<Observation<Value>, StepError> {
        Ok(Observation::NotDone)
    }
}

#[tokio::test]
async fn shutdown_does_not_use_up_the_only_attempt() {
    let (log, running, calls) = (Log::default(), Arc::new(Notify::new()), Arc::default());
    let store = memory();
    let config = Config { stop_grace: Duration::from_millis(20), ..Config::default() };
    let make = || {
        let flash = Flash { running: Arc::clone(&running), calls: Arc::clone(&calls) };
        let engine = builder(&log).open_store(Arc::clone(&store)).config(config.clone());
        engine.register(flash).build()
    };
    let first = make().await.unwrap();
    let flow = json!({ "workflow": "w", "steps": [{ "id": "a", "uses": "s.flash" }] });
    first.deploy(workflow(flow)).await.unwrap();
    let id = first.start(RunRequest::new("w")).await.unwrap().id();
    running.notified().await;
    first.shutdown().await.unwrap();
    let second = make().await.unwrap();
    second.recover().await.unwrap();
    let outcome = second.run(id).wait().await.unwrap();
    assert_eq!(*outcome.output, json!("flashed"), "{:?}", outcome.errors);
}

#[tokio::test]
async fn shutdown_waits_for_what_must_not_be_interrupted() {
    let (running, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (started, may_end) = (Arc::clone(&running), Arc::clone(&go));
    let flash = executor_fn(
        Describe::new("s.sacred", Effect::Verify).uninterruptible(),
        move |_: StepContext, _: Value| {
            let (started, may_end) = (Arc::clone(&started), Arc::clone(&may_end));
            async move {
                started.notify_one();
                may_end.notified().await;
                Ok::<_, StepError>(json!("whole"))
            }
        },
    );
    let config = Config { stop_grace: Duration::from_millis(5), ..Config::default() };
    let log = Log::default();
    let engine = builder(&log).config(config).register(flash).build().await.unwrap();
    let flow = json!({ "workflow": "w", "steps": [{ "id": "a", "uses": "s.sacred" }] });
    engine.deploy(workflow(flow)).await.unwrap();
    let id = engine.start(RunRequest::new("w")).await.unwrap().id();
    running.notified().await;
    let shutdown = engine.shutdown();
    tokio::pin!(shutdown);
    // Long past both graces it still waits.
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut shutdown).await.is_err());
    go.notify_one();
    shutdown.await.unwrap();
    let tree = engine.view(id).await.unwrap().tree();
    assert_eq!(tree[0].status, "completed");
}

/// `s.sacred`: nothing may interrupt it. It hears that its time is over, and goes on until it may
/// end.
async fn sacred(go: &Arc<Notify>, heard: &Arc<Notify>, fails: bool) -> Engine {
    let (go, heard) = (Arc::clone(go), Arc::clone(heard));
    let config = Config { stop_grace: Duration::from_millis(1), ..Config::default() };
    let sacred = executor_fn(
        Describe::new("s.sacred", Effect::Idempotent).uninterruptible(),
        move |ctx: StepContext, _: Value| {
            let (go, heard) = (go.clone(), heard.clone());
            async move {
                ctx.report("writing the boot block", None);
                ctx.cancelled().await;
                heard.notify_one();
                go.notified().await;
                if fails {
                    return Err(StepError::new("s.late", ErrorClass::Cancelled, "gave up"));
                }
                Ok::<Value, StepError>(json!("written"))
            }
        },
    );
    builder(&Log::default())
        .open_store(memory())
        .config(config)
        .register(sacred)
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_time_out_waits_for_what_must_not_be_interrupted() {
    for (fails, status) in [(false, RunStatus::Completed), (true, RunStatus::Failed)] {
        let (go, heard) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let engine = sacred(&go, &heard, fails).await;
        let step = json!({ "id": "flash", "uses": "s.sacred", "timeout": "5ms" });
        engine.deploy(workflow(json!({ "workflow": "w", "steps": [step] }))).await.unwrap();
        let run = engine.start(RunRequest::new("w")).await.unwrap();
        let mut events = run.events();
        heard.notified().await;
        let told = loop {
            let event = events.next().await.unwrap().unwrap();
            if let Event::Reported { report, .. } = event.event
                && report.title.starts_with("over its time")
            {
                break report.title;
            }
        };
        assert_eq!(told, "over its time of 5ms; it must not be interrupted: waiting for it");
        assert!(!engine.view(run.id()).await.unwrap().state().status.is_ended());
        go.notify_one();
        let outcome = run.wait().await.unwrap();
        assert_eq!(outcome.status, status);
        if fails {
            let error = &outcome.errors[0].error;
            assert_eq!(error.code, "engine.timeout");
            assert_eq!(error.subtask.as_deref(), Some("writing the boot block"));
        }
    }
}

#[tokio::test]
async fn a_parked_run_wakes_when_its_time_is_over() {
    let log = Log::default();
    let config = Config { park_after: Duration::ZERO, ..Config::default() };
    let store = memory();
    let engine = builder(&log).open_store(Arc::clone(&store)).config(config).build().await.unwrap();
    let flow = workflow(json!({ "workflow": "w", "timeout": "300ms", "steps": [
        { "id": "a", "uses": "t.echo", "undo": { "uses": "t.echo" } },
        { "id": "b", "uses": "t.flaky", "with": { "times": 9 },
          "retry": { "max_attempts": 3, "delay": "1h" } },
    ], "finally": [{ "id": "tell", "uses": "t.echo", "with": "{{ run.errors[0].error.code }}" }] }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(20), run.wait()).await.unwrap().unwrap();
    assert_eq!(outcome.status, RunStatus::Failed);
    assert_eq!(outcome.errors[0].error.code, "engine.run_timeout");
    assert_eq!(log.lines(), ["a", "b#1", "a/undo", "finally/tell"]);
}
