//! The executors of the documentation's workflows.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rackwright_engine::{
    Describe, Effect, ErrorClass, Observation, Registry, StepContext, StepError, executor_fn,
    model::HumanDuration, step::Executor,
};
use serde_json::{Value, json};

/// The paths of the steps whose executors were called, in order. Attempts after the first are not
/// noted.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn note(&self, ctx: &StepContext) {
        if ctx.attempt() == 1 {
            self.0.lock().unwrap().push(ctx.path().to_owned());
        }
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// `demo.ok` does nothing, `demo.echo` gives back its input, `demo.fail` fails for good,
/// `demo.flaky` fails `failures` times, `demo.sleep` takes its time, `demo.count` says how often it
/// was called, `demo.lost` never knows whether it has done its work.
pub(crate) fn registry(calls: &Calls) -> Registry {
    let mut registry = Registry::new();
    let mut add = |name: &str, run: fn(&StepContext, Value) -> Result<Value, StepError>| {
        let calls = calls.clone();
        let executor = executor_fn(
            Describe::new(format!("demo.{name}"), Effect::Idempotent),
            move |ctx: StepContext, input: Value| {
                calls.note(&ctx);
                let result = run(&ctx, input);
                async move { result }
            },
        );
        registry.register(executor).unwrap();
    };
    add("ok", |_, _| Ok(json!({ "ok": true })));
    add("echo", |_, input| Ok(input));
    add("fail", |_, _| Err(StepError::permanent("demo.failed", "it is meant to fail")));
    add("flaky", |ctx, input| {
        if u64::from(ctx.attempt()) <= input["failures"].as_u64().unwrap_or(1) {
            return Err(StepError::transient("demo.flaky", "not yet"));
        }
        Ok(json!({ "attempt": ctx.attempt() }))
    });
    registry.register(sleep(calls.clone())).unwrap();
    registry.register(count(calls.clone())).unwrap();
    registry.register(Lost(calls.clone())).unwrap();
    registry
}

fn sleep(calls: Calls) -> impl Executor {
    executor_fn(
        Describe::new("demo.sleep", Effect::Idempotent),
        move |ctx: StepContext, input: Value| {
            calls.note(&ctx);
            let time = input["for"].as_str().and_then(|text| text.parse::<HumanDuration>().ok());
            async move {
                tokio::select! {
                    () = tokio::time::sleep(time.map_or(Duration::ZERO, |time| time.0)) => {}
                    () = ctx.cancelled() => {
                        return Err(StepError::new("demo.told", ErrorClass::Cancelled, "told to stop"));
                    }
                }
                Ok::<_, StepError>(json!({ "slept": input["for"] }))
            }
        },
    )
}

fn count(calls: Calls) -> impl Executor {
    let called = Arc::new(Mutex::new(0));
    executor_fn(
        Describe::new("demo.count", Effect::Idempotent),
        move |ctx: StepContext, _: Value| {
            calls.note(&ctx);
            let mut called = called.lock().unwrap();
            *called += 1;
            let count: u32 = *called;
            async move { Ok::<_, StepError>(json!({ "count": count })) }
        },
    )
}

struct Lost(Calls);

impl Executor for Lost {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("demo.lost", Effect::Verify)
    }

    async fn run(&self, ctx: &StepContext, _: Value) -> Result<Value, StepError> {
        self.0.note(ctx);
        let class = ErrorClass::UnknownOutcome;
        Err(StepError::new("demo.no_answer", class, "the connection broke before the answer"))
    }

    async fn observe(&self, _: &StepContext, _: Value) -> Result<Observation<Value>, StepError> {
        Ok(Observation::Unknown(json!("the target does not answer")))
    }
}
