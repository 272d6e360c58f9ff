//! A firmware roll-out: a canary, then waves, a gate behind each; a bad host halts it before it
//! reaches the rest.
//!
//! `cargo run -p rackwright-example-rollout` runs it.

use rackwright_engine::{
    Describe, Effect, Engine, RunRequest, StepContext, StepError, Workflow, executor_fn,
    model::{Rollout, Step},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Host {
    host: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flash = executor_fn(
        Describe::new("demo.flash", Effect::Idempotent),
        async |_: StepContext, Host { host }: Host| {
            if host.starts_with("bad") {
                return Err(StepError::permanent("demo.refused", format!("{host} refuses it")));
            }
            Ok(json!(format!("{host} flashed")))
        },
    );
    let healthy = executor_fn(
        Describe::new("demo.healthy", Effect::Read),
        async |_: StepContext, _: Value| Ok::<_, StepError>(json!(true)),
    );
    let engine = Engine::builder().store("memory:").register(flash).register(healthy);
    let engine = engine.build().await?;
    // One first, then two at a time; the first failure halts it.
    let rollout = Rollout::over("{{ input.hosts }}").named("host").canary(1).wave(2);
    let flash = Step::task("flash", "demo.flash").with(json!({ "host": "{{ host }}" }));
    let gate = Step::task("healthy", "demo.healthy");
    let flow = Workflow::builder("firmware")
        .step(Step::rollout("fleet", rollout, [flash]).gate([gate]))
        .build();
    engine.deploy(flow).await?;
    for hosts in [json!(["a", "b", "c", "d"]), json!(["a", "bad", "c", "d", "e"])] {
        let request = RunRequest::new("firmware").input(json!({ "hosts": hosts }));
        let run = engine.start(request).await?;
        let id = run.id();
        let outcome = run.wait().await?;
        let steps = engine.view(id).await?.tree();
        let items = steps.first().and_then(|fleet| fleet.items);
        let (all, tried, failed) = items.unwrap_or_default();
        println!("{}: {tried} of {all} hosts tried, {failed} failed", outcome.status);
        for error in &outcome.errors {
            println!("  {}: {}", error.path, error.error.message);
        }
    }
    Ok(engine.shutdown().await?)
}
