//! Attempts that fall silent, and those that said that they would.

use std::time::Duration;

use rackwright_engine::{
    Describe, Effect, Engine, Executor, Observation, RunRequest, RunStatus, StepContext, StepError,
};
use serde_json::{Value, json};

use crate::support::{Log, builder, paused_store, workflow};

/// Does what its input lists, one after the other: how it shows that it lives, and for how many
/// seconds it then does nothing.
struct Quiet(Log);

impl Executor for Quiet {
    type Input = Vec<(String, u64)>;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("b.quiet", Effect::Verify)
    }

    async fn run(&self, ctx: &StepContext, input: Self::Input) -> Result<Value, StepError> {
        for (sign, seconds) in input {
            match sign.as_str() {
                "beat" => ctx.heartbeat(),
                "report" => ctx.report("working", None),
                "save" => ctx.save(&seconds).await?,
                "reboot" => ctx.expect_silence(Duration::from_secs(100)),
                "up" => ctx.expect_silence(Duration::ZERO),
                _ => {}
            }
            if let Err(stopped) = ctx.sleep(Duration::from_secs(seconds)).await {
                self.0.push("told to stop");
                return Err(stopped);
            }
        }
        Ok(json!("done"))
    }

    async fn observe(
        &self,
        _: &StepContext,
        _: Self::Input,
    ) -> Result<Observation<Value>, StepError> {
        self.0.push("look");
        Ok(Observation::NotDone)
    }
}

/// Performs it with `heartbeat: 10s`: how it ends, and what happened.
async fn perform(input: Value) -> (RunStatus, Option<String>, Vec<String>) {
    let log = Log::default();
    let engine: Engine = builder(&log)
        .open_store(paused_store())
        .register(Quiet(log.clone()))
        .build()
        .await
        .unwrap();
    let timeout = json!({ "heartbeat": "10s" });
    let steps = json!([{ "id": "a", "uses": "b.quiet", "with": input, "timeout": timeout }]);
    engine.deploy(workflow(json!({ "workflow": "w", "steps": steps }))).await.unwrap();
    let outcome = engine.start(RunRequest::new("w")).await.unwrap().wait().await.unwrap();
    let code = outcome.errors.first().map(|error| error.error.code.clone());
    (outcome.status, code, log.lines())
}

#[tokio::test(start_paused = true)]
async fn who_gives_signs_may_take_any_time() {
    let signs = json!([["", 9], ["beat", 9], ["report", 9], ["save", 9], ["beat", 9]]);
    assert_eq!(perform(signs).await, (RunStatus::Completed, None, vec![]));
}

#[tokio::test(start_paused = true)]
async fn who_falls_silent_is_told_to_stop_and_looked_at() {
    for signs in [json!([["", 11]]), json!([["beat", 9], ["report", 11]]), json!([["save", 11]])] {
        let (status, code, log) = perform(signs).await;
        assert_eq!((status, code.as_deref()), (RunStatus::Failed, Some("engine.heartbeat")));
        assert_eq!(log, ["told to stop", "look"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_announced_silence_is_no_silence() {
    let through = json!([["reboot", 109], ["beat", 9]]);
    assert_eq!(perform(through).await.0, RunStatus::Completed);
    // A sign in between does not take the announcement back; a new one does.
    let signs = json!([["reboot", 1], ["beat", 100]]);
    assert_eq!(perform(signs).await.0, RunStatus::Completed);
    let up = json!([["reboot", 1], ["up", 11]]);
    assert_eq!(perform(up).await.1.as_deref(), Some("engine.heartbeat"));
    let too_long = json!([["reboot", 111]]);
    assert_eq!(perform(too_long).await.1.as_deref(), Some("engine.heartbeat"));
}
