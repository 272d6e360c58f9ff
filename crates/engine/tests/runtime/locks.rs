//! Runs that share servers: one at a time, in order, whoever dies or gives up meanwhile.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rackwright_engine::{
    Config, Describe, Effect, Engine, EngineBuilder, ErrorClass, RunHandle, RunRequest, RunStatus,
    StepContext, StepError, executor_fn,
    store::{LockQuery, MemoryStore, SqliteStore, Store},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::support::{Log, builder, workflow};

/// Servers that notice when two act on them at once.
#[derive(Clone, Default)]
struct Rack(Arc<Mutex<BTreeMap<String, Server>>>);

#[derive(Clone, Copy, Default)]
struct Server {
    present: u32,
    most: u32,
    visits: u32,
}

impl Rack {
    fn change(&self, name: &str, change: impl FnOnce(&mut Server)) {
        change(self.0.lock().unwrap().entry(name.to_owned()).or_default());
    }

    fn enter(&self, name: &str) {
        self.change(name, |it| {
            it.present += 1;
            it.visits += 1;
            it.most = it.most.max(it.present);
        });
    }

    fn leave(&self, name: &str) {
        self.change(name, |it| it.present -= 1);
    }

    fn server(&self, name: &str) -> Server {
        self.0.lock().unwrap().get(name).copied().unwrap_or_default()
    }
}

/// A gate at which an executor waits until it is let through.
#[derive(Clone)]
struct Gate {
    reached: Arc<Notify>,
    open: Arc<Semaphore>,
}

fn gate() -> Gate {
    Gate { reached: Arc::default(), open: Arc::new(Semaphore::new(0)) }
}

/// `l.use` is on a server for a while; `l.hold` until it is let go.
fn site(store: &Arc<dyn Store>, rack: &Rack, gate: &Gate) -> EngineBuilder {
    let (on, gate) = (rack.clone(), gate.clone());
    let config =
        Config { park_after: Duration::ZERO, poll: Duration::from_millis(10), ..Config::default() };
    builder(&Log::default())
        .open_store(Arc::clone(store))
        .config(config)
        .register(executor_fn(
            Describe::new("l.use", Effect::Idempotent),
            move |_: StepContext, input: Value| {
                let rack = on.clone();
                async move {
                    let name = input["server"].as_str().unwrap_or("any").to_owned();
                    rack.enter(&name);
                    for _ in 0..20 {
                        tokio::task::yield_now().await;
                    }
                    rack.leave(&name);
                    Ok::<_, StepError>(Value::Null)
                }
            },
        ))
        .register(executor_fn(
            Describe::new("l.hold", Effect::Idempotent),
            move |_: StepContext, _: Value| {
                let gate = gate.clone();
                async move {
                    gate.reached.notify_one();
                    gate.open.acquire().await.unwrap().forget();
                    Ok::<_, StepError>(Value::Null)
                }
            },
        ))
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

async fn start(engine: &Engine, name: &str, server: &str) -> RunHandle {
    engine.start(RunRequest::new(name).input(json!({ "server": server }))).await.unwrap()
}

/// Waits until so many requests wait in the store.
async fn waiting(store: &Arc<dyn Store>, count: usize) {
    let look = async {
        loop {
            let all = store.locks(&LockQuery::All { limit: 1000 }).await.unwrap();
            if all.iter().filter(|it| it.granted_at.is_none()).count() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(20), look).await;
    assert!(came.is_ok(), "{count} do not come to wait");
}

async fn nothing_is_left(store: &Arc<dyn Store>) {
    assert_eq!(store.locks(&LockQuery::All { limit: 1000 }).await.unwrap(), []);
}

fn patch() -> Value {
    json!({ "workflow": "patch", "locks": ["server/{{ input.server }}"], "steps": [
        { "id": "one", "uses": "l.use", "with": { "server": "{{ input.server }}" } },
        { "id": "two", "uses": "l.use", "with": { "server": "{{ input.server }}" } },
    ] })
}

async fn one_at_a_time(store: Arc<dyn Store>) {
    let rack = Rack::default();
    let engine = site(&store, &rack, &gate()).build().await.unwrap();
    engine.deploy(workflow(patch())).await.unwrap();
    let by_step = json!({ "workflow": "by-step", "steps": [
        { "id": "map", "map": { "over": [0, 1, 2] }, "steps": [
            { "id": "use", "uses": "l.use", "with": { "server": "{{ input.server }}" },
              "locks": ["server/{{ input.server }}/bmc"] },
        ] },
    ] });
    engine.deploy(workflow(by_step)).await.unwrap();
    let mut runs = Vec::new();
    for n in 0..12 {
        let server = format!("srv{}", n % 2);
        runs.push(start(&engine, if n % 3 == 0 { "by-step" } else { "patch" }, &server).await);
    }
    for run in runs {
        let outcome = run.wait().await.unwrap();
        assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
    }
    for server in ["srv0", "srv1"] {
        let server = rack.server(server);
        // Four runs of two steps each, two of three items each.
        assert_eq!((server.most, server.visits, server.present), (1, 14, 0));
    }
    nothing_is_left(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_are_never_on_one_server_memory() {
    one_at_a_time(memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_are_never_on_one_server_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("t.db").display());
    one_at_a_time(Arc::new(SqliteStore::open(&url).await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_are_never_on_one_server_postgres() {
    let Some(server) = crate::databases::server() else { return };
    let url = crate::databases::new_database(&server).await;
    let store = rackwright_engine::store::open(&url).await.unwrap();
    one_at_a_time(store).await;
    crate::databases::drop_database(&server, &url).await;
}

/// A run keeps its lock when its node dies, and another node carries it on with it.
#[tokio::test]
async fn a_lock_stays_with_its_run_when_the_node_dies() {
    let (store, rack, first_gate, second_gate) = (memory(), Rack::default(), gate(), gate());
    let first = site(&store, &rack, &first_gate).build().await.unwrap();
    let flow = json!({ "workflow": "hold", "locks": ["server/{{ input.server }}"], "steps": [
        { "id": "hold", "uses": "l.hold" },
    ] });
    first.deploy(workflow(flow)).await.unwrap();
    first.deploy(workflow(patch())).await.unwrap();
    let holder = start(&first, "hold", "a").await.id();
    first_gate.reached.notified().await;
    let waiter = start(&first, "patch", "a").await.id();
    waiting(&store, 1).await;
    drop(first);
    for node in store.nodes().await.unwrap() {
        store.expire(node.node.id).await.unwrap();
    }
    let second = site(&store, &rack, &second_gate).build().await.unwrap();
    second.recover().await.unwrap();
    second_gate.reached.notified().await;
    let held = store.locks(&LockQuery::Run(holder)).await.unwrap();
    assert!(held[0].granted_at.is_some());
    waiting(&store, 1).await;
    assert_eq!(rack.server("a").visits, 0);
    second_gate.open.add_permits(1);
    assert_eq!(second.run(holder).wait().await.unwrap().status, RunStatus::Completed);
    assert_eq!(second.run(waiter).wait().await.unwrap().status, RunStatus::Completed);
    assert_eq!(rack.server("a").visits, 2);
    nothing_is_left(&store).await;
}

#[tokio::test]
async fn who_is_cancelled_while_waiting_leaves_the_line() {
    let (store, rack, gate) = (memory(), Rack::default(), gate());
    let engine = site(&store, &rack, &gate).build().await.unwrap();
    let flow = json!({ "workflow": "hold", "locks": ["rack/{{ input.server }}"], "steps": [
        { "id": "hold", "uses": "l.hold" },
    ] });
    let inner = json!({ "workflow": "inner", "steps": [
        { "id": "use", "uses": "l.use", "locks": ["rack"] },
        { "id": "after", "uses": "l.use" },
    ] });
    engine.deploy(workflow(flow)).await.unwrap();
    engine.deploy(workflow(inner)).await.unwrap();
    let holder = start(&engine, "hold", "a").await;
    gate.reached.notified().await;
    let wide = start(&engine, "inner", "a").await;
    waiting(&store, 1).await;
    // Another place in the rack is free, but somebody waits for the whole of it.
    let narrow = start(&engine, "hold", "b").await;
    waiting(&store, 2).await;
    wide.cancel("me", None).await.unwrap();
    assert_eq!(wide.wait().await.unwrap().status, RunStatus::Cancelled);
    gate.reached.notified().await;
    waiting(&store, 0).await;
    gate.open.add_permits(2);
    assert_eq!(holder.wait().await.unwrap().status, RunStatus::Completed);
    assert_eq!(narrow.wait().await.unwrap().status, RunStatus::Completed);
    assert_eq!(rack.server("any").visits, 0);
    nothing_is_left(&store).await;
}

#[tokio::test]
async fn waiting_too_long_fails() {
    let (store, gate) = (memory(), gate());
    let engine = site(&store, &Rack::default(), &gate).build().await.unwrap();
    for flow in [
        json!({ "workflow": "hold", "locks": ["a"], "steps": [{ "id": "hold", "uses": "l.hold" }] }),
        json!({ "workflow": "run", "locks": ["a"], "queue_timeout": "30ms",
                "steps": [{ "id": "use", "uses": "l.use" }] }),
        json!({ "workflow": "step", "steps": [
            { "id": "use", "uses": "l.use", "locks": ["a"], "timeout": { "queue": "30ms" } },
        ] }),
    ] {
        engine.deploy(workflow(flow)).await.unwrap();
    }
    let holder = start(&engine, "hold", "a").await;
    gate.reached.notified().await;
    for (name, path) in [("run", "locks"), ("step", "use")] {
        let outcome = start(&engine, name, "a").await.wait().await.unwrap();
        assert_eq!(outcome.status, RunStatus::Failed);
        let error = &outcome.errors[0];
        assert_eq!(
            (error.path.as_str(), error.error.code.as_str()),
            (path, "engine.queue_timeout")
        );
        assert_eq!(error.error.class, ErrorClass::Timeout);
        assert!(error.error.message.contains("for `a`"), "{}", error.error.message);
    }
    gate.open.add_permits(1);
    assert_eq!(holder.wait().await.unwrap().status, RunStatus::Completed);
    nothing_is_left(&store).await;
}

/// Steps inside of a holder, what comes after a step whose cleanup keeps its lock, and child runs
/// take what is held around them; siblings exclude each other all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_around_may_be_taken_again() {
    let (store, rack) = (memory(), Rack::default());
    let engine = site(&store, &rack, &gate()).build().await.unwrap();
    engine.deploy(workflow(patch())).await.unwrap();
    let parent = json!({ "workflow": "parent", "locks": ["server"], "steps": [
        { "id": "first", "uses": "l.use", "locks": ["server/a"], "cleanup": { "uses": "l.use" } },
        { "id": "second", "uses": "l.use", "locks": ["server/a"] },
        { "id": "kids", "map": { "over": ["a", "a", "b"], "as": "server" },
          "workflow": "patch", "with": { "server": "{{ server }}" } },
    ] });
    engine.deploy(workflow(parent)).await.unwrap();
    let (run, other) = (start(&engine, "parent", "").await, start(&engine, "patch", "a").await);
    for run in [run, other] {
        let outcome = run.wait().await.unwrap();
        assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
    }
    assert_eq!((rack.server("a").most, rack.server("a").visits), (1, 6));
    assert_eq!((rack.server("b").most, rack.server("b").visits), (1, 2));
    nothing_is_left(&store).await;
}

#[tokio::test]
async fn a_wrong_order_is_told_and_not_waited_for() {
    let store = memory();
    let engine = site(&store, &Rack::default(), &gate()).build().await.unwrap();
    let flow = json!({ "workflow": "w", "locks": ["b/{{ input.server }}"], "steps": [
        { "id": "use", "uses": "l.use", "locks": ["a/{{ input.server }}"] },
    ] });
    engine.deploy(workflow(flow)).await.unwrap();
    let outcome = start(&engine, "w", "1").await.wait().await.unwrap();
    let error = &outcome.errors[0].error;
    assert_eq!((error.code.as_str(), error.class), ("engine.lock_order", ErrorClass::Permanent));
    assert!(error.message.contains("`a/1` can't be taken while `b/1` is held"), "{error}");
    nothing_is_left(&store).await;
}

#[tokio::test]
async fn a_name_that_is_none_fails_with_its_place() {
    let store = memory();
    let engine = site(&store, &Rack::default(), &gate()).build().await.unwrap();
    engine.deploy(workflow(patch())).await.unwrap();
    let outcome = start(&engine, "patch", "no such/").await.wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Failed);
    let error = &outcome.errors[0];
    assert_eq!((error.path.as_str(), error.error.code.as_str()), ("locks", "engine.lock_name"));
    nothing_is_left(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_workflows_steps_and_executors_hold() {
    let (store, rack) = (memory(), Rack::default());
    let engine = site(&store, &rack, &gate()).limit_executor("l.use", 3).build().await.unwrap();
    let use_ =
        |id: &str, server: &str| json!({ "id": id, "uses": "l.use", "with": { "server": server } });
    let mut limited = use_("limited", "limited");
    limited["limits"] =
        json!([{ "name": "vc/{{ input.server }}", "max": 2, "key": "{{ run.id }}" }]);
    let flow = json!({ "workflow": "w", "concurrency": { "max": 4 }, "steps": [
        limited, use_("free", "free"),
    ] });
    let free = json!({ "workflow": "free", "steps": [use_("free", "free")] });
    engine.deploy(workflow(flow)).await.unwrap();
    engine.deploy(workflow(free)).await.unwrap();
    let mut runs = Vec::new();
    for n in 0..16 {
        runs.push(start(&engine, if n % 2 == 0 { "w" } else { "free" }, "a").await);
    }
    for run in runs {
        let outcome = run.wait().await.unwrap();
        assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
    }
    let (limited, free) = (rack.server("limited"), rack.server("free"));
    assert_eq!((limited.visits, free.visits), (8, 16));
    assert!(limited.most <= 2, "{}", limited.most);
    assert!(free.most <= 3, "{}", free.most);
    nothing_is_left(&store).await;
}

#[tokio::test]
async fn a_higher_priority_is_served_first() {
    let (store, gate) = (memory(), gate());
    let log = Log::default();
    let noted = log.clone();
    let engine = site(&store, &Rack::default(), &gate)
        .register(executor_fn(
            Describe::new("l.note", Effect::Idempotent),
            move |_: StepContext, input: Value| {
                let log = noted.clone();
                async move {
                    log.push(input["server"].as_str().unwrap_or_default());
                    Ok::<_, StepError>(Value::Null)
                }
            },
        ))
        .build()
        .await
        .unwrap();
    for flow in [
        json!({ "workflow": "hold", "locks": ["a"], "steps": [{ "id": "hold", "uses": "l.hold" }] }),
        json!({ "workflow": "note", "locks": ["a"], "priority": 2, "steps": [
            { "id": "note", "uses": "l.note", "with": { "server": "{{ input.server }}" } },
        ] }),
    ] {
        engine.deploy(workflow(flow)).await.unwrap();
    }
    let holder = start(&engine, "hold", "a").await;
    gate.reached.notified().await;
    let mut runs = Vec::new();
    for (count, (name, priority)) in
        (1..).zip([("first", None), ("low", Some(1)), ("second", None), ("urgent", Some(9))])
    {
        let mut request = RunRequest::new("note").input(json!({ "server": name }));
        if let Some(priority) = priority {
            request = request.priority(priority);
        }
        runs.push(engine.start(request).await.unwrap());
        waiting(&store, count).await;
    }
    gate.open.add_permits(1);
    assert_eq!(holder.wait().await.unwrap().status, RunStatus::Completed);
    for run in runs {
        run.wait().await.unwrap();
    }
    assert_eq!(log.lines(), ["urgent", "first", "second", "low"]);
}
