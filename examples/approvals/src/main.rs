//! A run that asks two people before it acts: what they saw and who said what is in its journal.
//!
//! `cargo run -p rackwright-example-approvals` runs it. In real life they answer with `rackwright
//! runs approve` or from a page of yours, days later; meanwhile the run is a row in the store.

use std::time::Duration;

use rackwright_engine::{
    Describe, Effect, Engine, RunId, RunRequest, StepContext, StepError, Workflow, executor_fn,
    machine::ApprovalAnswer,
    model::{Approval, HumanDuration, OnTimeout, Step},
};
use serde_json::{Value, json};

/// Waits until the run asks something, and answers it.
async fn answer(
    engine: &Engine,
    run: RunId,
    (by, approved): (&str, bool),
) -> Result<(), Box<dyn std::error::Error>> {
    loop {
        let questions = engine.view(run).await?.questions();
        if let Some((path, ask)) = questions.first() {
            println!("{by} is asked: {} ({})", ask.message, ask.shown);
            // Bound to what was shown: an answer to something else would be refused.
            let shown = Some(ask.hash.clone());
            let answer = ApprovalAnswer { approved, by: by.to_owned(), reason: None, shown };
            engine.approve(run, path, answer).await?;
            // Until it is taken in, the same question would be found again.
            while engine.view(run).await?.questions().iter().any(|(other, _)| other == path) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let about = Describe::new("demo.flash", Effect::Idempotent);
    let flash =
        executor_fn(about, async |_: StepContext, _: Value| Ok::<_, StepError>(json!("flashed")));
    let engine = Engine::builder().store("memory:").register(flash).build().await?;
    let ask = |who: &str| {
        let day = HumanDuration(Duration::from_hours(24));
        Approval::ask("Flash {{ input.host }}?")
            .show(json!({ "host": "{{ input.host }}" }))
            .approvers([who])
            .timeout(day, OnTimeout::Reject)
    };
    let flow = Workflow::builder("careful")
        .step(Step::approval("owner", ask("eva")))
        .step(Step::approval("operations", ask("sam")))
        .step(Step::task("flash", "demo.flash"))
        .build();
    engine.deploy(flow).await?;
    for (sam_says, host) in [(true, "srv1"), (false, "srv2")] {
        let request = RunRequest::new("careful").input(json!({ "host": host }));
        let run = engine.start(request).await?;
        answer(&engine, run.id(), ("eva", true)).await?;
        answer(&engine, run.id(), ("sam", sam_says)).await?;
        let outcome = run.wait().await?;
        let why = outcome.errors.first().map_or("all said yes", |it| &it.error.message);
        println!("{host}: {}, {why}", outcome.status);
    }
    Ok(engine.shutdown().await?)
}
