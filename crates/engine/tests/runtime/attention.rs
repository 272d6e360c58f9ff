//! Steps that must not be repeated blindly: what is observed decides, and a person where nothing
//! can be seen.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rackwright_engine::{
    Config, Describe, Effect, Engine, ErrorClass, Executor, Observation, RunHandle, RunRequest,
    RunStatus, StepContext, StepError, machine::Verdict,
};
use serde_json::{Value, json};

use crate::support::{Log, builder, workflow};

/// What `v.act` says and what a look at its target shows, call by call.
#[derive(Clone, Default)]
struct Script {
    log: Log,
    results: Arc<Mutex<Vec<Result<Value, StepError>>>>,
    looks: Arc<Mutex<Vec<Observation<Value>>>>,
}

impl Executor for Script {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("v.act", Effect::Verify)
    }

    async fn run(&self, ctx: &StepContext, _: Value) -> Result<Value, StepError> {
        self.log.push(format!("act#{} {}", ctx.attempt(), json!(ctx.saved())));
        let mut results = self.results.lock().unwrap();
        if results.is_empty() { Ok(json!("acted")) } else { results.remove(0) }
    }

    async fn observe(&self, _: &StepContext, _: Value) -> Result<Observation<Value>, StepError> {
        self.log.push("look");
        let mut looks = self.looks.lock().unwrap();
        Ok(if looks.is_empty() { Observation::NotDone } else { looks.remove(0) })
    }
}

fn unknown() -> Result<Value, StepError> {
    Err(StepError::new("v.lost", ErrorClass::UnknownOutcome, "the answer was lost"))
}

async fn start(script: &Script, retries: u32) -> (Engine, RunHandle) {
    let engine = builder(&script.log).register(script.clone()).build().await.unwrap();
    let retry = json!({ "max_attempts": retries, "delay": "1ms" });
    let steps = json!([{ "id": "act", "uses": "v.act", "retry": retry }]);
    engine.deploy(workflow(json!({ "workflow": "w", "steps": steps }))).await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    (engine, run)
}

#[tokio::test]
async fn an_unknown_outcome_that_turns_out_done_is_not_repeated() {
    let script = Script::default();
    script.results.lock().unwrap().push(unknown());
    script.looks.lock().unwrap().push(Observation::Done(json!("seen")));
    let (_engine, run) = start(&script, 3).await;
    assert_eq!(*run.wait().await.unwrap().output, json!("seen"));
    assert_eq!(script.log.lines(), ["act#1 null", "look"]);
}

#[tokio::test]
async fn one_that_was_not_done_is_repeated_and_one_under_way_is_carried_on() {
    let script = Script::default();
    script.results.lock().unwrap().extend([unknown(), unknown()]);
    script
        .looks
        .lock()
        .unwrap()
        .extend([Observation::NotDone, Observation::InProgress(json!("half"))]);
    let (_engine, run) = start(&script, 3).await;
    assert_eq!(run.wait().await.unwrap().status, RunStatus::Completed);
    assert_eq!(script.log.lines(), ["act#1 null", "look", "act#2 null", "look", "act#3 \"half\""]);
}

#[tokio::test]
async fn a_last_attempt_with_unknown_outcome_is_looked_at_too() {
    let script = Script::default();
    script.results.lock().unwrap().push(unknown());
    let (_engine, run) = start(&script, 1).await;
    let outcome = run.wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Failed);
    assert_eq!(outcome.errors[0].error.code, "v.lost");
    assert_eq!(script.log.lines(), ["act#1 null", "look"]);
}

async fn resolved(verdict: Verdict) -> (Vec<String>, rackwright_engine::Outcome) {
    let script = Script::default();
    script.results.lock().unwrap().push(unknown());
    script.looks.lock().unwrap().push(Observation::Unknown(json!({ "led": "off" })));
    let (engine, run) = start(&script, 3).await;
    let id = run.id();
    let outcome = run.wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Attention);
    let tree = engine.view(id).await.unwrap().tree();
    let evidence = tree[0].evidence.clone().unwrap();
    assert_eq!(evidence["seen"], json!({ "led": "off" }));
    let refused = engine.resolve(id, "other", Verdict::Retry, "me", "so").await.unwrap_err();
    assert!(refused.to_string().contains("those that do: act"), "{refused}");
    engine.resolve(id, "act", verdict, "me", "looked at it").await.unwrap();
    let mut events = engine.run(id).events();
    while let Some(event) = events.next().await {
        event.unwrap();
    }
    (script.log.lines(), engine.run(id).wait().await.unwrap())
}

#[tokio::test]
async fn a_person_decides_what_nobody_can_see() {
    let (lines, outcome) = resolved(Verdict::Retry).await;
    assert_eq!(outcome.status, RunStatus::Completed);
    assert_eq!(lines, ["act#1 null", "look", "act#2 null"]);

    let (lines, outcome) = resolved(Verdict::Done(json!("by hand"))).await;
    assert_eq!(*outcome.output, json!("by hand"));
    assert_eq!(lines, ["act#1 null", "look"]);

    let (_, outcome) = resolved(Verdict::Failed).await;
    assert_eq!(outcome.status, RunStatus::Failed);
    assert_eq!(outcome.errors[0].error.code, "engine.resolved_failed");
}

#[tokio::test]
async fn a_cleanup_that_fails_waits_for_a_person() {
    let engine = builder(&Log::default()).build().await.unwrap();
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "a", "uses": "t.echo", "cleanup": { "uses": "t.fail" } },
    ] }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    let id = run.id();
    assert_eq!(run.wait().await.unwrap().status, RunStatus::Attention);
    assert_eq!(engine.view(id).await.unwrap().in_attention(), ["a/cleanup"]);
    engine.resolve(id, "a/cleanup", Verdict::Done(json!(null)), "me", "by hand").await.unwrap();
    let mut events = engine.run(id).events();
    while let Some(event) = events.next().await {
        event.unwrap();
    }
    assert_eq!(engine.run(id).status().await.unwrap(), RunStatus::Completed);
}

/// Everything happens in the turn that creates the run, so its row is made in attention.
#[tokio::test]
async fn a_run_may_wait_for_a_person_from_its_first_turn_on() {
    let engine = builder(&Log::default()).build().await.unwrap();
    let cleanup = json!({ "uses": "t.echo", "with": "{{ input.nothing }}" });
    let flow = workflow(json!({ "workflow": "w", "steps": [
        { "id": "g", "steps": [{ "id": "s", "set": 1 }], "cleanup": cleanup },
    ] }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    let id = run.id();
    assert_eq!(run.wait().await.unwrap().status, RunStatus::Attention);
    assert_eq!(engine.record(id).await.unwrap().status, RunStatus::Attention);
    engine.resolve(id, "g/cleanup", Verdict::Failed, "me", "never mind").await.unwrap();
    let mut events = engine.run(id).events();
    while let Some(event) = events.next().await {
        event.unwrap();
    }
    assert_eq!(engine.run(id).status().await.unwrap(), RunStatus::Completed);
}

#[tokio::test]
async fn a_branch_that_waits_for_a_person_does_not_hold_up_the_others() {
    let script = Script::default();
    script.results.lock().unwrap().push(unknown());
    script.looks.lock().unwrap().push(Observation::Unknown(json!("dark")));
    let config =
        Config { park_after: Duration::ZERO, poll: Duration::from_millis(10), ..Config::default() };
    let engine = builder(&script.log).config(config).register(script.clone()).build();
    let engine = engine.await.unwrap();
    let retry = json!({ "max_attempts": 2, "delay": "60ms" });
    let flow = workflow(json!({ "workflow": "w", "steps": [{ "id": "both", "parallel": {
        "x": { "steps": [{ "id": "act", "uses": "v.act" }] },
        "y": { "steps": [{ "id": "f", "uses": "t.flaky", "with": { "times": 1 }, "retry": retry }] },
    } }] }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    let id = run.id();
    assert_eq!(run.wait().await.unwrap().status, RunStatus::Attention);
    let branches = engine.view(id).await.unwrap().tree()[0].steps.clone();
    let statuses: Vec<_> = branches.iter().map(|branch| branch.steps[0].status).collect();
    assert_eq!(statuses, ["attention", "completed"]);
}
