//! What attempts hold on their target is revoked before anything else happens there.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use rackwright_engine::{
    Config, Describe, Effect, Engine, Executor, Holding, Observation, RunRequest, RunStatus,
    StepContext, StepError,
    machine::Verdict,
    store::{MemoryStore, Store},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::support::{Log, builder, paused_store, workflow};

/// A target with sessions: a write with a dead one is refused.
#[derive(Clone)]
struct Target {
    log: Log,
    sessions: Arc<Mutex<BTreeSet<String>>>,
    /// An attempt has checked the fence and is about to write.
    checked: Arc<Notify>,
    /// It goes on once it gets a permit; without `stops` it does so at once.
    go: Arc<Semaphore>,
    stops: bool,
    /// What the attempts say, one after the other; then they succeed.
    failures: Arc<Mutex<Vec<StepError>>>,
    /// How often revoking fails before it succeeds.
    stuck: Arc<Mutex<u32>>,
    releases: bool,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            log: Log::default(),
            sessions: Arc::default(),
            checked: Arc::default(),
            go: Arc::new(Semaphore::new(0)),
            stops: false,
            failures: Arc::default(),
            stuck: Arc::default(),
            releases: false,
        }
    }
}

impl Executor for Target {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("h.flash", Effect::Verify).revocable()
    }

    async fn run(&self, ctx: &StepContext, _: Value) -> Result<Value, StepError> {
        let number = self.log.lines().iter().filter(|line| line.starts_with("session")).count();
        let session = format!("s{}", number + 1);
        self.log.push(format!("session {session}"));
        self.sessions.lock().unwrap().insert(session.clone());
        let holding = ctx.hold("session", session.as_str()).await?;
        ctx.fence()?;
        self.checked.notify_one();
        if self.stops {
            self.go.acquire().await.unwrap().forget();
        }
        let alive = self.sessions.lock().unwrap().contains(&session);
        self.log.push(format!("{} {session}", if alive { "writes with" } else { "refused" }));
        let next = self.failures.lock().unwrap().pop();
        if self.releases {
            self.sessions.lock().unwrap().remove(&session);
            ctx.release(&holding).await?;
        }
        next.map_or(Ok(json!("flashed")), Err)
    }

    async fn observe(&self, _: &StepContext, _: Value) -> Result<Observation<Value>, StepError> {
        let alive = self.sessions.lock().unwrap().len();
        self.log.push(format!("look, {alive} alive"));
        Ok(Observation::NotDone)
    }

    async fn revoke(&self, _: &StepContext, _: Value, it: &Holding) -> Result<(), StepError> {
        {
            let mut stuck = self.stuck.lock().unwrap();
            if *stuck > 0 {
                *stuck -= 1;
                return Err(StepError::transient("h.busy", "the BMC is busy"));
            }
        }
        self.log.push(format!("revoke {it}"));
        self.sessions.lock().unwrap().remove(it.token.as_str().unwrap());
        Ok(())
    }
}

fn flow(attempts: u32) -> rackwright_engine::Workflow {
    let retry = json!({ "max_attempts": attempts, "delay": "1ms" });
    let steps = json!([{ "id": "flash", "uses": "h.flash", "retry": retry }]);
    workflow(json!({ "workflow": "w", "steps": steps }))
}

async fn engine(target: &Target, store: &Arc<dyn Store>) -> Engine {
    let config = Config { poll: Duration::from_millis(20), ..Config::default() };
    let builder = builder(&target.log).open_store(Arc::clone(store)).config(config);
    builder.register(target.clone()).build().await.unwrap()
}

/// The zombie stands between its fence check and its request while its run is taken over.
#[tokio::test]
async fn a_zombie_meets_a_dead_token() {
    let target = Target { stops: true, ..Target::default() };
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = engine(&target, &store).await;
    first.deploy(flow(1)).await.unwrap();
    let id = first.start(RunRequest::new("w")).await.unwrap().id();
    target.checked.notified().await;
    let held = first.view(id).await.unwrap().tree()[0].holdings.clone();
    assert_eq!(held, [Holding::new("session", "s1")], "saved before it is used");

    for node in store.nodes().await.unwrap() {
        store.expire(node.node.id).await.unwrap();
    }
    let second = engine(&target, &store).await;
    assert_eq!(second.recover().await.unwrap(), 1);
    target.checked.notified().await;
    // Permits go to the waiting attempts in their order: the zombie writes first.
    target.go.add_permits(2);
    let outcome = second.run(id).wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed);
    let expected = [
        "session s1",
        "revoke session s1",
        "look, 0 alive",
        "session s2",
        "refused s1",
        "writes with s2",
    ];
    assert_eq!(target.log.lines(), expected);
    assert!(second.view(id).await.unwrap().tree()[0].holdings.is_empty());
}

#[tokio::test]
async fn a_failed_attempt_leaves_nothing_behind_unless_it_gave_it_back() {
    for releases in [false, true] {
        let target = Target { releases, ..Target::default() };
        let failure = || StepError::transient("h.refused", "not now");
        target.failures.lock().unwrap().extend([failure(), failure()]);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let engine = engine(&target, &store).await;
        engine.deploy(flow(2)).await.unwrap();
        let run = engine.start(RunRequest::new("w")).await.unwrap();
        let outcome = run.wait().await.unwrap();
        assert_eq!(outcome.errors[0].error.code, "h.refused");
        let revokes: Vec<_> =
            target.log.lines().into_iter().filter(|line| line.starts_with("revoke")).collect();
        let expected: &[&str] =
            if releases { &[] } else { &["revoke session s1", "revoke session s2"] };
        assert_eq!(revokes, expected);
        assert!(target.sessions.lock().unwrap().is_empty(), "also after the last attempt");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_revoked_is_tried_again_and_then_a_person_is_asked() {
    for (stuck, asked) in [(5, false), (6, true)] {
        let target = Target::default();
        target.failures.lock().unwrap().push(StepError::transient("h.refused", "not now"));
        *target.stuck.lock().unwrap() = stuck;
        let store = paused_store();
        let engine = engine(&target, &store).await;
        engine.deploy(flow(2)).await.unwrap();
        let id = engine.start(RunRequest::new("w")).await.unwrap().id();
        let mut outcome = engine.run(id).wait().await.unwrap();
        if asked {
            assert_eq!(outcome.status, RunStatus::Attention);
            let evidence = engine.view(id).await.unwrap().tree()[0].evidence.clone().unwrap();
            assert_eq!(evidence["holdings"], json!([{ "kind": "session", "token": "s1" }]));
            assert_eq!(evidence["error"]["code"], json!("h.busy"));
            assert!(!target.log.lines().contains(&"session s2".to_owned()));
            engine.resolve(id, "flash", Verdict::Retry, "me", "unplugged").await.unwrap();
            let mut events = engine.run(id).events();
            while let Some(event) = events.next().await {
                event.unwrap();
            }
            outcome = engine.run(id).wait().await.unwrap();
        }
        assert_eq!(outcome.status, RunStatus::Completed);
        let lines = target.log.lines();
        let expected =
            ["session s1", "writes with s1", "revoke session s1", "session s2", "writes with s2"];
        assert_eq!(lines, expected);
    }
}

/// Holds without having declared that it can revoke.
struct Careless;

impl Executor for Careless {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("h.careless", Effect::Idempotent)
    }

    async fn run(&self, ctx: &StepContext, _: Value) -> Result<Value, StepError> {
        ctx.hold("session", "s1").await?;
        Ok(json!("used it"))
    }
}

#[tokio::test]
async fn nothing_is_held_that_nobody_can_revoke() {
    let log = Log::default();
    let engine = builder(&log).register(Careless).build().await.unwrap();
    let steps = json!([{ "id": "a", "uses": "h.careless" }]);
    engine.deploy(workflow(json!({ "workflow": "w", "steps": steps }))).await.unwrap();
    let outcome = engine.start(RunRequest::new("w")).await.unwrap().wait().await.unwrap();
    assert_eq!(outcome.errors[0].error.code, "engine.not_revocable");
}
