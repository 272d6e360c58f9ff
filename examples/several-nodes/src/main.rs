//! Three nodes and a worker on one store: runs placed by labels, a step left to a pool, a node that
//! is drained, one that dies.
//!
//! `cargo run -p rackwright-example-several-nodes postgres://USER@HOST/DATABASE` runs it on
//! PostgreSQL, and without an address in memory. In real life each node is a process of its own.

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    Config, Describe, Effect, Engine, EngineError, RunRequest, StepContext, StepError, Workflow,
    executor_fn,
    model::Step,
    store::{Store, open},
};
use serde_json::{Value, json};

async fn node(store: &Arc<dyn Store>, name: &'static str) -> Result<Engine, EngineError> {
    let visit = executor_fn(
        Describe::new("demo.visit", Effect::Idempotent),
        move |ctx: StepContext, _: Value| async move {
            ctx.sleep(Duration::from_millis(100)).await?;
            Ok::<_, StepError>(json!(name))
        },
    );
    // Short, so that the example is: others wait for the whole lease of a node that vanishes.
    let (lease, poll) = (Duration::from_secs(2), Duration::from_millis(50));
    let config = Config { name: name.to_owned(), lease, poll, ..Config::default() };
    let builder = Engine::builder().open_store(Arc::clone(store)).config(config);
    builder.label("name", name).register(visit).build().await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let store = open(&url).await?;
    let (one, two, three) =
        (node(&store, "one").await?, node(&store, "two").await?, node(&store, "three").await?);
    let tour = Workflow::builder("tour")
        .step(Step::task("first", "demo.visit"))
        .step(Step::task("second", "demo.visit"))
        .step(Step::task("pooled", "demo.visit").pool("lab"))
        .output(json!("{{ steps.second.output }}, then {{ steps.pooled.output }}"))
        .build();
    one.deploy(tour).await?;
    let worker = three.worker("lab").name("worker").start().await?;

    // Whoever starts a run need not be who carries it on.
    let placed = one.start(RunRequest::new("tour").requires("name", "two")).await?;
    println!("placed: {}", placed.wait().await?.output);

    // A drained node finishes what is under way and hands the rest over.
    let run = one.start(RunRequest::new("tour")).await?;
    two.drain("one", "an operator").await?;
    one.drained().await;
    let named =
        |name: &'static str| move |it: &&rackwright_engine::store::NodeStatus| it.node.name == name;
    let nodes = two.nodes().await?;
    println!("drained: one has {} runs", nodes.iter().find(named("one")).map_or(0, |it| it.runs));
    println!("handed over: {}", two.run(run.id()).wait().await?.status);

    // A node that dies: its runs are taken over when its lease has run out.
    let orphan = two.start(RunRequest::new("tour")).await?.id();
    drop(two);
    println!("taken over: {}", three.run(orphan).wait().await?.status);

    worker.shutdown().await;
    one.shutdown().await?;
    Ok(three.shutdown().await?)
}
