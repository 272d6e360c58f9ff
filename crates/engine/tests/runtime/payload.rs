//! What comes from outside is bounded, on the byte.

use rackwright_engine::{
    Config, Describe, Effect, Engine, EngineError, ErrorClass, Executor, Observation, Outcome,
    RunRequest, RunStatus, StepContext, StepError, model::PayloadTooLarge,
};
use serde_json::{Value, json};

use crate::support::{Log, builder, workflow};

const LIMIT: usize = 1000;

/// A text of so many bytes as JSON.
fn of(bytes: usize) -> Value {
    json!("x".repeat(bytes - 2))
}

/// Does as its input says: gives, saves, holds or reports a value of that many bytes.
struct Big;

impl Executor for Big {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("t.big", Effect::Verify).revocable()
    }

    async fn run(&self, ctx: &StepContext, input: Value) -> Result<Value, StepError> {
        let bytes = usize::try_from(input["bytes"].as_u64().unwrap_or(2)).unwrap();
        match input["how"].as_str().unwrap_or_default() {
            "save" => ctx.save(&of(bytes)).await?,
            "hold" => {
                let around = json!({ "kind": "k", "token": "" }).to_string().len() - 2;
                ctx.hold("k", of(bytes - around)).await?;
            }
            "fail" => return Err(StepError::permanent("t.no", "no").details(of(bytes))),
            "look" if ctx.attempt() == 1 => {
                return Err(StepError::new("t.lost", ErrorClass::UnknownOutcome, "who knows"));
            }
            "look" => return Ok(json!("again")),
            _ => return Ok(of(bytes)),
        }
        Ok(json!("done"))
    }

    async fn observe(
        &self,
        _: &StepContext,
        input: Value,
    ) -> Result<Observation<Value>, StepError> {
        let bytes = usize::try_from(input["bytes"].as_u64().unwrap_or(2)).unwrap();
        Ok(Observation::Done(of(bytes)))
    }

    async fn revoke(
        &self,
        _: &StepContext,
        _: Value,
        _: &rackwright_engine::Holding,
    ) -> Result<(), StepError> {
        Ok(())
    }
}

async fn engine(store: std::sync::Arc<dyn rackwright_engine::store::Store>) -> Engine {
    let config = Config { max_payload: LIMIT, ..Config::default() };
    let engine =
        builder(&Log::default()).open_store(store).config(config).register(Big).build().await;
    let engine = engine.unwrap();
    let flow = json!({
        "workflow": "big",
        "steps": [{ "id": "a", "uses": "t.big", "with": "{{ input }}" }],
    });
    engine.deploy(workflow(flow)).await.unwrap();
    engine
}

async fn run(engine: &Engine, input: Value) -> Outcome {
    engine.start(RunRequest::new("big").input(input)).await.unwrap().wait().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_step_brings_is_bounded() {
    let engine = engine(crate::support::paused_store()).await;
    for (how, what) in [
        ("give", "the output of `t.big`"),
        ("save", "the saved progress of step `a`"),
        ("hold", "the holding of step `a`"),
    ] {
        let fits = run(&engine, json!({ "how": how, "bytes": LIMIT })).await;
        assert_eq!(fits.status, RunStatus::Completed, "{how}: {:?}", fits.errors);
        let outcome = run(&engine, json!({ "how": how, "bytes": LIMIT + 1 })).await;
        assert_eq!(outcome.status, RunStatus::Failed, "{how}");
        let error = &outcome.errors[0].error;
        assert_eq!(
            (error.code.as_str(), error.class),
            (PayloadTooLarge::CODE, ErrorClass::Permanent)
        );
        assert_eq!(
            error.message,
            format!("{what} is 1001 bytes as JSON, and the limit is 1000 bytes")
        );
        assert_eq!(error.hint.as_deref(), Some(PayloadTooLarge::HINT));
        assert_eq!(error.details, json!({ "size": 1001, "limit": 1000 }));
    }
    let outcome = run(&engine, json!({ "how": "fail", "bytes": LIMIT + 1 })).await;
    let error = &outcome.errors[0].error;
    assert_eq!((error.code.as_str(), &error.details["dropped"]["size"]), ("t.no", &json!(1001)));
}

#[tokio::test(start_paused = true)]
async fn a_person_is_asked_about_what_an_observation_brings() {
    let engine = engine(crate::support::paused_store()).await;
    let fits = run(&engine, json!({ "how": "look", "bytes": LIMIT })).await;
    assert_eq!(*fits.output, of(LIMIT), "{:?}", fits.errors);
    let handle = engine
        .start(RunRequest::new("big").input(json!({ "how": "look", "bytes": LIMIT + 1 })))
        .await
        .unwrap();
    let id = handle.id();
    assert_eq!(handle.wait().await.unwrap().status, RunStatus::Attention);
    let done = rackwright_engine::machine::Verdict::Done;
    let told = engine.resolve(id, "a", done(of(LIMIT + 1)), "me", "seen").await.unwrap_err();
    assert!(matches!(told, EngineError::TooLarge(_)), "{told}");
    engine.resolve(id, "a", done(of(LIMIT)), "me", "seen").await.unwrap();
    let mut events = engine.run(id).events();
    while let Some(event) = events.next().await {
        event.unwrap();
    }
    assert_eq!(*engine.run(id).wait().await.unwrap().output, of(LIMIT));
}

#[tokio::test(start_paused = true)]
async fn inputs_and_signals_are_bounded_before_anything_is_stored() {
    let engine = engine(crate::support::paused_store()).await;
    let flow = json!({
        "workflow": "waits",
        "steps": [{ "id": "s", "signal": { "name": "go" } }],
    });
    engine.deploy(workflow(flow)).await.unwrap();
    let around = json!({ "text": "" }).to_string().len() - 2;
    let input = |bytes: usize| json!({ "text": of(bytes - around) });
    let refused = engine.start(RunRequest::new("waits").input(input(LIMIT + 1))).await.err();
    let text = refused.unwrap().to_string();
    assert!(text.starts_with("the input of workflow `waits` is 1001 bytes as JSON, and the limit"));
    assert!(text.ends_with(PayloadTooLarge::HINT), "{text}");
    let run = engine.start(RunRequest::new("waits").input(input(LIMIT))).await.unwrap();
    let refused = engine.signal(run.id(), "go", of(LIMIT + 1), "me").await.unwrap_err();
    assert!(refused.to_string().starts_with("what signal `go` carries is 1001 bytes"), "{refused}");
    engine.signal(run.id(), "go", of(LIMIT), "me").await.unwrap();
    assert_eq!(*run.wait().await.unwrap().output, of(LIMIT));
}

#[tokio::test(start_paused = true)]
async fn what_goes_to_a_child_and_comes_back_is_bounded() {
    let engine = engine(crate::support::paused_store()).await;
    let joined = "{{ input.half ~ input.half ~ input.rest }}";
    for (name, output) in [("gives", joined), ("takes", "{{ input.text | length }}")] {
        let child = json!({ "workflow": name, "steps": [{ "id": "c", "set": output }] });
        engine.deploy(workflow(child)).await.unwrap();
    }
    for (name, child, with) in
        [("given", "gives", json!("{{ input }}")), ("taken", "takes", json!({ "text": joined }))]
    {
        let step = json!({ "id": "p", "workflow": child, "with": with });
        engine.deploy(workflow(json!({ "workflow": name, "steps": [step] }))).await.unwrap();
    }
    let around = json!({ "text": "" }).to_string().len();
    for (parent, rest, errors) in [
        ("given", LIMIT - 802, vec![]),
        ("given", LIMIT - 801, vec!["p/output"]),
        ("taken", LIMIT - 800 - around, vec![]),
        ("taken", LIMIT - 799 - around, vec!["p/input"]),
    ] {
        let input = json!({ "half": "x".repeat(400), "rest": "y".repeat(rest) });
        let outcome = engine.start(RunRequest::new(parent).input(input)).await.unwrap();
        let outcome = outcome.wait().await.unwrap();
        let paths: Vec<_> = outcome.errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, errors, "{parent} {rest}: {:?}", outcome.errors);
        let codes = outcome.errors.iter().all(|error| error.error.code == PayloadTooLarge::CODE);
        assert!(codes, "{:?}", outcome.errors);
    }
}
