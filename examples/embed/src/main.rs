//! Rackwright in a program of your own: a typed executor, a workflow in Rust, a run on SQLite.
//!
//! `cargo run -p rackwright-example-embed` runs it; started again after a crash, it carries on what it had begun.

use std::time::Duration;

use rackwright_engine::{
    Describe, Effect, Engine, Executor, RunRequest, StepContext, StepError, Workflow,
    model::{Retry, Step},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
struct Host {
    /// The host's name.
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct Greeting {
    text: String,
}

struct Greet;

impl Executor for Greet {
    type Input = Host;
    type Output = Greeting;

    fn describe(&self) -> Describe {
        Describe::new("demo.greet", Effect::Read).about("Greets a host")
    }

    async fn run(&self, ctx: &StepContext, host: Host) -> Result<Greeting, StepError> {
        ctx.report(format!("Greeting {}", host.name), None);
        Ok(Greeting { text: format!("hello, {}", host.name) })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = std::env::args().nth(1).unwrap_or_else(|| "sqlite:embed.db".to_owned());
    let engine = Engine::builder().store(store).register(Greet).build().await?;
    let retry = Retry::attempts(3).exponential(Duration::from_secs(1));
    let hello = Step::task("hello", "demo.greet").with(json!({ "name": "{{ input.host }}" }));
    let workflow = Workflow::builder("greet")
        .step(hello.retry(retry))
        .output(json!("{{ steps.hello.output.text }}"))
        .build();
    engine.deploy(workflow).await?;
    let run = engine.start(RunRequest::new("greet").input(json!({ "host": "srv001" }))).await?;
    let outcome = run.wait().await?;
    println!("{}: {}", outcome.status, outcome.output);
    Ok(engine.shutdown().await?)
}
