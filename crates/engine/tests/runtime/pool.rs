//! Steps that are left to the workers of a pool.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rackwright_engine::{
    Config, Describe, Effect, Engine, ErrorClass, Observation, Registry, RunId, RunRequest,
    RunStatus, StepContext, StepError, Worker, WorkerBuilder, Workflow,
    step::Executor,
    store::{MemoryStore, SqliteStore, Store},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::support::{Log, builder, workflow};

const POOL: &str = "ams";

/// An executor over a device that writes when it is let through, and can look whether it did.
#[derive(Clone)]
struct Flash {
    about: Describe,
    log: Log,
    inside: Arc<Notify>,
    go: Arc<Semaphore>,
    written: Arc<AtomicU32>,
    /// The contexts that it was called with.
    seen: Arc<Mutex<Vec<StepContext>>>,
}

impl Flash {
    fn new(effect: Effect, log: &Log) -> Self {
        Self {
            about: Describe::new("p.flash", effect),
            log: log.clone(),
            inside: Arc::default(),
            go: Arc::new(Semaphore::new(0)),
            written: Arc::default(),
            seen: Arc::default(),
        }
    }
}

impl Executor for Flash {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        self.about.clone()
    }

    async fn run(&self, ctx: &StepContext, _: Value) -> Result<Value, StepError> {
        self.log.push(format!("{}#{}", ctx.path(), ctx.attempt()));
        self.seen.lock().unwrap().push(ctx.clone());
        ctx.report("flashing", Some(10));
        ctx.save(&json!({ "job": 7 })).await?;
        self.inside.notify_one();
        tokio::select! {
            passed = self.go.acquire() => passed.unwrap().forget(),
            () = ctx.cancelled() => {
                self.log.push("stopped");
                return Err(StepError::new("p.stopped", ErrorClass::Cancelled, "told to stop"));
            }
        }
        ctx.fence()?;
        self.written.fetch_add(1, Ordering::SeqCst);
        Ok(json!("flashed"))
    }

    async fn observe(&self, _: &StepContext, _: Value) -> Result<Observation, StepError> {
        self.log.push("observed");
        Ok(match self.written.load(Ordering::SeqCst) {
            0 => Observation::NotDone,
            _ => Observation::Done(json!("was flashed")),
        })
    }
}

fn quick() -> Config {
    Config { lease: Duration::from_secs(2), poll: Duration::from_millis(10), ..Config::default() }
}

async fn engine(store: &Arc<dyn Store>, flash: &Flash, config: Config) -> Engine {
    let engine = builder(&flash.log).open_store(Arc::clone(store)).register(flash.clone());
    let engine = engine.config(config).build().await.unwrap();
    engine.deploy(flow()).await.unwrap();
    engine
}

fn flow() -> Workflow {
    workflow(json!({ "workflow": "w", "steps": [
        { "id": "flash", "uses": "p.flash", "pool": POOL },
        { "id": "after", "uses": "t.echo", "with": { "was": "{{ steps.flash.output }}" } },
    ] }))
}

fn worker(store: &Arc<dyn Store>, flash: &Flash, name: &str) -> WorkerBuilder {
    let mut registry = Registry::new();
    registry.register(flash.clone()).unwrap();
    let worker = Worker::builder(Arc::clone(store)).registry(registry).pool(POOL).name(name);
    worker.poll(Duration::from_millis(10)).lease(Duration::from_millis(400))
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), what).await.unwrap()
}

async fn names(engine: &Engine, run: RunId) -> Vec<String> {
    let rows = engine.journal(run, 0).await.unwrap();
    let events = rows.iter().flat_map(|row| {
        let events: Vec<Value> = serde_json::from_slice(&row.events).unwrap();
        events.into_iter().map(|it| match it.as_object() {
            Some(event) => event.keys().next().unwrap().clone(),
            None => it.as_str().unwrap().to_owned(),
        })
    });
    events.filter(|name| name != "reported").collect()
}

/// Runs a test on a store in memory and in a file.
async fn on_stores<F: Future<Output = ()>>(test: impl Fn(Arc<dyn Store>) -> F) {
    test(Arc::new(MemoryStore::new())).await;
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("test.db").display());
    test(Arc::new(SqliteStore::open(&url).await.unwrap())).await;
    if let Some(server) = crate::databases::server() {
        let url = crate::databases::new_database(&server).await;
        let store = rackwright_engine::store::open(&url).await.unwrap();
        test(store).await;
        crate::databases::drop_database(&server, &url).await;
    }
}

#[tokio::test]
async fn a_step_of_a_pool_waits_for_a_worker_and_what_it_says_counts() {
    on_stores(async |store| {
        let flash = Flash::new(Effect::Verify, &Log::default());
        let engine = engine(&store, &flash, quick()).await;
        let run = engine.start(RunRequest::new("w")).await.unwrap();
        let id = run.id();
        let tasks = engine.pool_tasks(Some(id), 10).await.unwrap();
        assert_eq!((tasks.len(), tasks[0].worker.as_deref()), (1, None), "nobody is there");
        assert_eq!(flash.log.lines(), [""; 0], "the engine has the executor and leaves it alone");
        let worker = worker(&store, &flash, "one").start().await.unwrap();
        flash.inside.notified().await;
        let tasks = engine.pool_tasks(Some(id), 10).await.unwrap();
        assert_eq!(tasks[0].worker.as_deref(), Some("one"));
        // Longer than its lease: it goes on as long as it lives.
        tokio::time::sleep(Duration::from_millis(600)).await;
        flash.go.add_permits(1);
        let outcome = soon(run.wait()).await.unwrap();
        assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
        assert_eq!(*outcome.output, json!({ "was": "flashed" }));
        assert_eq!(flash.log.lines(), ["flash#1", "after"]);
        let seen = names(&engine, id).await;
        assert!(seen.contains(&"saved".to_owned()), "{seen:?}");
        let view = engine.view(id).await.unwrap();
        let saved = view.state().steps[0].main.saved.clone();
        assert_eq!(saved.as_deref(), Some(&json!({ "job": 7 })));
        assert_eq!(engine.pool_tasks(None, 10).await.unwrap(), []);
        worker.shutdown().await;
        engine.shutdown().await.unwrap();
    })
    .await;
}

/// A step that must not be repeated blindly is observed by another worker first.
#[tokio::test]
async fn a_worker_that_dies_is_replaced_after_a_look() {
    on_stores(async |store| {
        let flash = Flash::new(Effect::Verify, &Log::default());
        let engine = engine(&store, &flash, quick()).await;
        let first = worker(&store, &flash, "one").start().await.unwrap();
        let run = engine.start(RunRequest::new("w")).await.unwrap();
        flash.inside.notified().await;
        drop(first);
        let second = worker(&store, &flash, "two").start().await.unwrap();
        flash.inside.notified().await;
        flash.go.add_permits(1);
        let outcome = soon(run.wait()).await.unwrap();
        assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
        assert_eq!(flash.log.lines(), ["flash#1", "observed", "flash#1", "after"]);
        assert_eq!(flash.written.load(Ordering::SeqCst), 1);
        second.shutdown().await;
        engine.shutdown().await.unwrap();
    })
    .await;
}

/// It was done when its worker died: it is not done again.
#[tokio::test]
async fn what_a_lost_worker_did_is_found_by_the_look() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let flash = Flash::new(Effect::Verify, &Log::default());
    let engine = engine(&store, &flash, quick()).await;
    let first = worker(&store, &flash, "one").start().await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    flash.inside.notified().await;
    flash.written.store(1, Ordering::SeqCst);
    drop(first);
    let _second = worker(&store, &flash, "two").start().await.unwrap();
    let outcome = soon(run.wait()).await.unwrap();
    assert_eq!(*outcome.output, json!({ "was": "was flashed" }));
    assert_eq!(flash.log.lines(), ["flash#1", "observed", "after"]);
}

/// A worker that was lost wakes up: it can neither act nor say anything.
#[tokio::test]
async fn a_result_that_comes_too_late_is_refused() {
    on_stores(async |store| {
        let flash = Flash::new(Effect::Idempotent, &Log::default());
        let engine = engine(&store, &flash, quick()).await;
        let slow = worker(&store, &flash, "one").start().await.unwrap();
        let run = engine.start(RunRequest::new("w")).await.unwrap();
        let id = run.id();
        flash.inside.notified().await;
        // What the first worker has, by another's hand.
        let stale = flash.seen.lock().unwrap()[0].clone();
        drop(slow);
        let next = worker(&store, &flash, "two").start().await.unwrap();
        flash.inside.notified().await;
        assert!(stale.fence().is_err(), "it may not act");
        assert!(stale.save(&json!("late")).await.is_err(), "nor say anything");
        flash.go.add_permits(1);
        let outcome = soon(run.wait()).await.unwrap();
        assert_eq!(outcome.status, RunStatus::Completed);
        let saved = engine.view(id).await.unwrap().state().steps[0].main.saved.clone();
        assert_eq!(saved.as_deref(), Some(&json!({ "job": 7 })));
        assert_eq!(flash.log.lines(), ["flash#1", "flash#1", "after"]);
        next.shutdown().await;
        engine.shutdown().await.unwrap();
    })
    .await;
}

/// What a worker does goes on, whoever owns the run.
#[tokio::test]
async fn a_worker_outlives_the_owner_of_the_run() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let flash = Flash::new(Effect::Verify, &Log::default());
    let first = engine(&store, &flash, quick()).await;
    let worker = worker(&store, &flash, "one").start().await.unwrap();
    let run = first.start(RunRequest::new("w")).await.unwrap().id();
    flash.inside.notified().await;
    drop(first);
    for node in store.nodes().await.unwrap() {
        store.expire(node.node.id).await.unwrap();
    }
    let second = engine(&store, &flash, quick()).await;
    second.recover().await.unwrap();
    flash.go.add_permits(1);
    let outcome = soon(second.run(run).wait()).await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
    assert_eq!(flash.log.lines(), ["flash#1", "after"], "neither observed nor repeated");
    worker.shutdown().await;
}

#[tokio::test]
async fn a_cancel_reaches_the_worker_and_takes_back_what_waits() {
    on_stores(async |store| {
        let flash = Flash::new(Effect::Idempotent, &Log::default());
        let engine = engine(&store, &flash, quick()).await;
        let waits = engine.start(RunRequest::new("w")).await.unwrap();
        waits.cancel("sam", None).await.unwrap();
        assert_eq!(soon(waits.wait()).await.unwrap().status, RunStatus::Cancelled);
        assert_eq!(engine.pool_tasks(None, 10).await.unwrap(), []);
        let worker = worker(&store, &flash, "one").start().await.unwrap();
        let runs = engine.start(RunRequest::new("w")).await.unwrap();
        flash.inside.notified().await;
        runs.cancel("sam", None).await.unwrap();
        assert_eq!(soon(runs.wait()).await.unwrap().status, RunStatus::Cancelled);
        assert_eq!(flash.log.lines(), ["flash#1", "stopped"]);
        worker.shutdown().await;
        engine.shutdown().await.unwrap();
    })
    .await;
}

/// A pause takes back what no worker has, and what was taken back is tried when it is resumed.
#[tokio::test]
async fn a_paused_run_gives_its_workers_nothing() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let flash = Flash::new(Effect::Idempotent, &Log::default());
    let engine = engine(&store, &flash, quick()).await;
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    engine.pause(run.id(), "sam", None).await.unwrap();
    soon(async {
        while !engine.pool_tasks(None, 10).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let _worker = worker(&store, &flash, "one").start().await.unwrap();
    flash.go.add_permits(1);
    engine.resume(run.id(), "sam", None).await.unwrap();
    assert_eq!(soon(run.wait()).await.unwrap().status, RunStatus::Completed);
    assert_eq!(flash.log.lines(), ["flash#1", "after"]);
}

/// A worker that stops in good order gives its calls back at once.
#[tokio::test]
async fn a_worker_that_stops_gives_its_calls_back() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let flash = Flash::new(Effect::Idempotent, &Log::default());
    let engine = engine(&store, &flash, quick()).await;
    let long = worker(&store, &flash, "one").lease(Duration::from_hours(1));
    let first = long.start().await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    flash.inside.notified().await;
    first.shutdown().await;
    let _second = worker(&store, &flash, "two").start().await.unwrap();
    flash.go.add_permits(1);
    assert_eq!(soon(run.wait()).await.unwrap().status, RunStatus::Completed);
    assert_eq!(flash.log.lines(), ["flash#1", "stopped", "flash#1", "after"]);
}

#[tokio::test]
async fn a_pool_has_a_limit() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let flash = Flash::new(Effect::Idempotent, &Log::default());
    let config = Config { pool_limits: [(POOL.to_owned(), 2)].into(), ..quick() };
    let engine = engine(&store, &flash, config).await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(engine.start(RunRequest::new("w")).await.unwrap());
    }
    soon(async {
        while engine.pool_tasks(None, 10).await.unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(engine.pool_tasks(None, 10).await.unwrap().len(), 2);
    let beside = engine.worker(POOL).slots(10).start().await.unwrap();
    flash.go.add_permits(5);
    for run in runs {
        assert_eq!(soon(run.wait()).await.unwrap().status, RunStatus::Completed);
    }
    beside.shutdown().await;
}

/// What stops an executor that is unknown to the worker is said plainly.
#[tokio::test]
async fn a_worker_without_the_executor_says_so() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let flash = Flash::new(Effect::Idempotent, &Log::default());
    let engine = engine(&store, &flash, quick()).await;
    let _worker = worker(&store, &flash, "bare").registry(Registry::new()).start().await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    let outcome = soon(run.wait()).await.unwrap();
    let said = &outcome.errors[0].error.message;
    assert_eq!(said, "worker `bare` has no executor `p.flash`");
}
