//! Engines for tests: stores, executors that count, workflows from JSON.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use rackwright_engine::{
    Describe, Effect, Engine, EngineBuilder, StepContext, StepError, Workflow, executor_fn,
    model::Timestamp,
    store::{Clock, MemoryStore, Store},
};
use serde_json::{Value, json};

/// What the executors of a test did.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn push(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A clock that goes with tokio's, which a test may have paused.
struct PausedClock(tokio::time::Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_000_000).after(self.0.elapsed())
    }
}

/// A store in memory whose time passes with tokio's.
pub(crate) fn paused_store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::with_clock(Arc::new(PausedClock(tokio::time::Instant::now()))))
}

/// A workflow from its JSON form.
pub(crate) fn workflow(value: Value) -> Workflow {
    serde_json::from_value(value).unwrap()
}

/// An engine with the executors that the tests use:
/// `t.echo` gives back its input, `t.fail` fails as it is told, `t.flaky` fails a number of times.
pub(crate) fn builder(log: &Log) -> EngineBuilder {
    let (echo, fail, flaky) = (log.clone(), log.clone(), log.clone());
    let failures = Arc::new(AtomicU32::new(0));
    Engine::builder()
        .store("memory:")
        .register(executor_fn(
            Describe::new("t.echo", Effect::Idempotent),
            move |ctx: StepContext, input: Value| {
                let log = echo.clone();
                async move {
                    log.push(ctx.path());
                    Ok::<_, StepError>(input)
                }
            },
        ))
        .register(executor_fn(
            Describe::new("t.fail", Effect::Idempotent),
            move |ctx: StepContext, _: Value| {
                let log = fail.clone();
                async move {
                    log.push(format!("{} fails", ctx.path()));
                    ctx.report("breaking", Some(10));
                    Err::<Value, _>(StepError::permanent("t.broken", "it broke").hint("mend it"))
                }
            },
        ))
        .register(executor_fn(
            Describe::new("t.flaky", Effect::Idempotent),
            move |ctx: StepContext, input: Value| {
                let (log, failures) = (flaky.clone(), failures.clone());
                async move {
                    log.push(format!("{}#{}", ctx.path(), ctx.attempt()));
                    let times = input["times"].as_u64().unwrap_or(1);
                    if u64::from(failures.fetch_add(1, Ordering::SeqCst)) < times {
                        return Err(StepError::transient("t.flaky", "not yet"));
                    }
                    Ok::<_, StepError>(json!({ "attempt": ctx.attempt() }))
                }
            },
        ))
}
