//! The conformance kit passes what is sound and tells what is not.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rackwright_engine::{
    Describe, Effect, Executor, Observation, StepContext, StepError,
    testing::{
        VirtualTime,
        conformance::{Report, Rig, Seen, check},
    },
};
use serde_json::{Value, json};

/// How an executor is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// It writes without having checked the fence.
    NoFence,
    /// Its observation says that it is not done, always.
    BlindLook,
    /// Its observation writes.
    LookWrites,
    /// Performed again it does it again.
    Adds,
    /// It ignores being told to stop.
    Deaf,
    /// It says that it only reads.
    Lies,
}

#[derive(Clone, Default)]
struct Counter(Arc<Mutex<(u64, u64)>>);

impl Counter {
    fn change(&self, add: bool) {
        let mut counter = self.0.lock().unwrap();
        counter.0 += 1;
        counter.1 = if add { counter.1 + 1 } else { 1 };
    }

    fn seen(&self) -> Seen {
        let (changes, value) = *self.0.lock().unwrap();
        Seen { changes, done: value, state: json!(value) }
    }
}

struct Set {
    counter: Counter,
    effect: Effect,
    flaw: Flaw,
}

impl Executor for Set {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("t.set", if self.flaw == Flaw::Lies { Effect::Read } else { self.effect })
    }

    async fn run(&self, ctx: &StepContext, _: Value) -> Result<Value, StepError> {
        ctx.report("setting", None);
        ctx.save(&json!("begun")).await?;
        let wait = Duration::from_mins(2);
        if self.flaw == Flaw::Deaf {
            tokio::time::sleep(wait).await;
        } else {
            ctx.sleep(wait).await?;
        }
        if self.flaw != Flaw::NoFence {
            ctx.fence()?;
        }
        self.counter.change(self.effect == Effect::Verify || self.flaw == Flaw::Adds);
        ctx.report("set", Some(100));
        Ok(json!(1))
    }

    async fn observe(&self, _: &StepContext, _: Value) -> Result<Observation, StepError> {
        if self.flaw == Flaw::LookWrites {
            self.counter.change(false);
        }
        let done = self.counter.seen().done > 0 && self.flaw != Flaw::BlindLook;
        Ok(if done { Observation::Done(json!(1)) } else { Observation::NotDone })
    }
}

fn report(effect: Effect, flaw: Flaw) -> Report {
    let time = VirtualTime::new().unwrap();
    time.run(check(async || {
        let counter = Counter::default();
        let seen = counter.clone();
        let look = move || {
            let seen = seen.seen();
            async move { seen }
        };
        Rig::new(Set { counter, effect, flaw }, json!({}), look)
    }))
}

#[test]
fn what_is_sound_passes() {
    for effect in [Effect::Idempotent, Effect::Verify] {
        let report = report(effect, Flaw::None);
        report.expect_none();
        assert_eq!((report.calls, report.unknown), (4, 0));
        assert!(report.trials >= 4 * 4, "{report}");
    }
}

#[test]
fn each_flaw_is_told() {
    for (effect, flaw, told) in [
        (Effect::Idempotent, Flaw::NoFence, "without the right to"),
        (Effect::Verify, Flaw::NoFence, "without the right to"),
        (Effect::Verify, Flaw::BlindLook, "observed as not done, and it was done"),
        (Effect::Verify, Flaw::LookWrites, "its observation changes the device"),
        (Effect::Idempotent, Flaw::Adds, "performed again the device is"),
        (Effect::Verify, Flaw::Deaf, "does not stop"),
        (Effect::Idempotent, Flaw::Lies, "declared as `Read`"),
    ] {
        let report = report(effect, flaw);
        let found = report.violations.iter().any(|violation| violation.contains(told));
        assert!(found, "{effect} {flaw:?}: {report}");
    }
}
