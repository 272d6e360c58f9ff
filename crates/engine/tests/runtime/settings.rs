//! Policies that are templates.

use std::time::Duration;

use rackwright_engine::{
    Describe, Effect, ErrorClass, RunRequest, RunStatus, StepContext, StepError, executor_fn,
};
use serde_json::{Value, json};

use crate::support::{Log, builder, workflow};

#[tokio::test]
async fn the_input_says_how_often_and_how_long() {
    let log = Log::default();
    let wait = executor_fn(
        Describe::new("t.wait", Effect::Idempotent),
        async |ctx: StepContext, _: Value| {
            ctx.sleep(Duration::from_mins(10)).await?;
            Ok::<Value, StepError>(json!("waited"))
        },
    );
    let engine = builder(&log).register(wait).build().await.unwrap();
    let flow = workflow(json!({
        "workflow": "computed",
        "defaults": { "retry": { "max_attempts": "{{ input.attempts }}", "delay": "1ms" } },
        "steps": [
            { "id": "f", "uses": "t.flaky", "with": { "times": 2 }, "on_error": "continue" },
            { "id": "w", "uses": "t.wait", "timeout": "{{ input.timeout }}",
              "retry": { "max_attempts": 1 } },
        ],
    }));
    engine.deploy(flow).await.unwrap();
    let run = async |attempts: Value, timeout: Value| {
        let input = json!({ "attempts": attempts, "timeout": timeout });
        let run = engine.start(RunRequest::new("computed").input(input)).await.unwrap();
        run.wait().await.unwrap()
    };
    let outcome = run(json!(2), json!("20ms")).await;
    assert_eq!(outcome.status, RunStatus::Failed);
    assert_eq!(log.lines(), ["f#1", "f#2"]);
    let classes: Vec<_> = outcome.errors.iter().map(|it| it.error.class).collect();
    assert_eq!(classes, [ErrorClass::Transient, ErrorClass::Timeout]);

    for (attempts, timeout) in [(json!(0), json!("soon")), (json!("2"), json!(5))] {
        let outcome = run(attempts, timeout).await;
        let codes: Vec<_> = outcome.errors.iter().map(|it| it.error.code.as_str()).collect();
        assert_eq!(codes, ["engine.setting", "engine.setting"], "{:?}", outcome.errors);
    }
    assert_eq!(log.lines().len(), 2, "what can't be had is told before the first attempt");
}
