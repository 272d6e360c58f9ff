//! A device that counts what is done to it, and executors that act on it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use rackwright_engine::{
    Describe, Effect, Executor, Observation, StepContext, StepError, executor_fn,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What happened to the device, by step path; survives the engines that act on it.
#[derive(Clone, Default)]
pub(crate) struct Device(Arc<Mutex<BTreeMap<String, Record>>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// How often the step's executor was called.
    pub(crate) calls: u32,
    /// How often the change was made.
    pub(crate) changes: u32,
    /// How often the device was observed.
    pub(crate) looks: u32,
}

impl Device {
    pub(crate) fn records(&self) -> BTreeMap<String, Record> {
        self.0.lock().unwrap().clone()
    }

    fn note(&self, path: &str, change: impl FnOnce(&mut Record)) {
        change(self.0.lock().unwrap().entry(path.to_owned()).or_default());
    }
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Flash {
    #[serde(default)]
    version: u32,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Flashed {
    version: u32,
}

/// `d.flash`: a change that must not be made twice.
pub(crate) struct FlashExecutor(pub(crate) Device);

impl Executor for FlashExecutor {
    type Input = Flash;
    type Output = Flashed;

    fn describe(&self) -> Describe {
        Describe::new("d.flash", Effect::Verify)
    }

    async fn run(&self, ctx: &StepContext, input: Flash) -> Result<Flashed, StepError> {
        self.0.note(ctx.path(), |it| it.calls += 1);
        ctx.fence()?;
        ctx.save(&json!({ "sent": input.version })).await?;
        ctx.fence()?;
        self.0.note(ctx.path(), |it| it.changes += 1);
        Ok(Flashed { version: input.version })
    }

    async fn observe(
        &self,
        ctx: &StepContext,
        input: Flash,
    ) -> Result<Observation<Flashed>, StepError> {
        self.0.note(ctx.path(), |it| it.looks += 1);
        let changed = self.0.records().get(ctx.path()).is_some_and(|it| it.changes > 0);
        Ok(if changed {
            Observation::Done(Flashed { version: input.version })
        } else {
            Observation::NotDone
        })
    }
}

/// `d.set`: a change that may be made again.
pub(crate) fn set(device: Device) -> impl Executor {
    executor_fn(
        Describe::new("d.set", Effect::Idempotent),
        move |ctx: StepContext, input: Value| {
            let device = device.clone();
            async move {
                device.note(ctx.path(), |it| {
                    it.calls += 1;
                    it.changes += 1;
                });
                Ok::<_, StepError>(input)
            }
        },
    )
}

/// `d.second`: fails the first time that it is tried.
pub(crate) fn second(device: Device) -> impl Executor {
    executor_fn(Describe::new("d.second", Effect::Idempotent), move |ctx: StepContext, _: Value| {
        let device = device.clone();
        async move {
            device.note(ctx.path(), |it| it.calls += 1);
            if ctx.attempt() == 1 {
                return Err(StepError::transient("d.first", "not the first time"));
            }
            Ok::<_, StepError>(json!("second"))
        }
    })
}
