//! A rack that remembers each change in order, and executors that must not repeat one.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rackwright_engine::{
    Config, Describe, Effect, Engine, ErrorClass, Executor, Observation, StepContext, StepError,
    executor_fn, store::Store,
};
use serde_json::{Value, json};

/// The changes that were made, by step path; survives the engines that make them.
#[derive(Clone, Default)]
pub(crate) struct Rack(Arc<Mutex<Vec<String>>>);

impl Rack {
    pub(crate) fn changes(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn change(&self, path: &str) {
        self.0.lock().unwrap().push(path.to_owned());
    }

    fn shows(&self, path: &str) -> bool {
        self.0.lock().unwrap().iter().any(|it| it == path)
    }
}

/// `o.act`: a change that must not be made twice. Gives back its input.
struct Act(Rack);

impl Executor for Act {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("o.act", Effect::Verify)
    }

    async fn run(&self, ctx: &StepContext, input: Value) -> Result<Value, StepError> {
        ctx.fence()?;
        ctx.save(&json!("begun")).await?;
        if ctx.is_cancelled() {
            return Err(StepError::new("o.stopped", ErrorClass::Cancelled, "told to stop"));
        }
        ctx.fence()?;
        self.0.change(ctx.path());
        Ok(input)
    }

    async fn observe(
        &self,
        ctx: &StepContext,
        input: Value,
    ) -> Result<Observation<Value>, StepError> {
        let done = self.0.shows(ctx.path());
        Ok(if done { Observation::Done(input) } else { Observation::NotDone })
    }
}

/// An engine that acts on a rack, with `o.act`, and `o.fail`, which does nothing but fail.
pub(crate) async fn engine(store: Arc<dyn Store>, rack: &Rack) -> Engine {
    let fail = executor_fn(
        Describe::new("o.fail", Effect::Idempotent),
        async |_: StepContext, _: Value| {
            Err::<Value, _>(StepError::permanent("o.broken", "it broke"))
        },
    );
    Engine::builder()
        .open_store(store)
        // A run that rests is looked for by polling.
        .config(Config { poll: Duration::from_millis(10), ..Config::default() })
        .register(Act(rack.clone()))
        .register(fail)
        .build()
        .await
        .unwrap()
}
