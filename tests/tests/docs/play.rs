//! Runs an example and judges what came of it.

use std::{path::Path, time::Duration};

use rackwright_engine::{
    Config, Engine, EngineError, ForkRequest, Outcome, RunId, RunRequest,
    calendar::Window,
    load::Library,
    machine::{ApprovalAnswer, Verdict},
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    demo::{Calls, registry},
    example::{Action, Example},
};

/// Far more than any example needs.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn play(path: &Path, example: &Example) -> Result<(), String> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let calls = Calls::default();
    let bundle = Library::new().load(path).map_err(|problems| problems.to_string())?;
    bundle.check(&registry(&calls)).map_err(|problems| problems.to_string())?;
    let name = bundle.root().ok_or_else(|| wrong("it is empty".to_owned()))?.workflow.name.clone();
    // What nobody owns is looked for by polling.
    let config = Config { poll: Duration::from_millis(50), ..Config::default() };
    let engine = Engine::builder().store("memory:").config(config).registry(registry(&calls));
    let engine = engine.label("site", "ams1");
    let engine = engine.build().await;
    let engine = engine.map_err(|error| wrong(error.to_string()))?;
    let worker = engine.worker("ams1").poll(Duration::from_millis(10)).start().await;
    let worker = worker.map_err(|error| wrong(error.to_string()))?;
    let played = async {
        for (name, window) in &example.windows {
            let window: Window = serde_json::from_value(window.clone())
                .map_err(|error| EngineError::Refused(format!("window {name}: {error}")))?;
            engine.put_window(name, &window, "docs").await?;
        }
        engine.deploy_bundle(&bundle).await?;
        let run = engine.start(RunRequest::new(&name).input(example.input.clone())).await?;
        let mut run = run.id();
        for action in &example.actions {
            run = act(&engine, run, action).await?;
        }
        // A run that waited for a person when the waiting began has gone on since.
        loop {
            let outcome = engine.run(run).wait().await?;
            if outcome.status.is_ended() || outcome.status.as_str() == example.expect {
                return Ok(outcome);
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let outcome = match timeout(PATIENCE, played).await {
        Ok(outcome) => outcome.map_err(|error: EngineError| wrong(error.to_string()))?,
        Err(_) => return Err(wrong("it does not come to its end".to_owned())),
    };
    worker.shutdown().await;
    engine.shutdown().await.map_err(|error| wrong(error.to_string()))?;
    judge(example, &outcome, &calls.paths()).map_err(wrong)
}

/// Does something from outside, as soon as the run is ready for it. Gives the run that goes on.
async fn act(engine: &Engine, run: RunId, action: &Action) -> Result<RunId, EngineError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match try_to(engine, run, action).await {
            Err(EngineError::Refused(_)) if Instant::now() < until => {
                sleep(Duration::from_millis(5)).await;
            }
            done => return done,
        }
    }
}

async fn try_to(engine: &Engine, run: RunId, action: &Action) -> Result<RunId, EngineError> {
    let (by, why) = ("docs", "as the example says");
    let not_yet = |what: String| Err(EngineError::Refused(what));
    match action {
        Action::Await { path, status } => {
            if !has_status(&engine.view(run).await?.tree(), path, status) {
                return not_yet(format!("`{path}` is not {status}"));
            }
        }
        Action::Rest { status } => {
            let record = engine.record(run).await?;
            if record.status.as_str() != status {
                return not_yet(format!("the run is {}, not {status}", record.status));
            }
        }
        Action::Override { path } => {
            engine.override_window(run, Some(path), by, why).await?;
        }
        Action::Cancel => drop(engine.cancel(run, by, Some(why)).await?),
        Action::Pause => drop(engine.pause(run, by, Some(why)).await?),
        Action::Resume => drop(engine.resume(run, by, Some(why)).await?),
        Action::Stop => drop(engine.emergency_stop(run, by, Some(why)).await?),
        Action::Release => drop(engine.release(run, by, Some(why)).await?),
        Action::Skip { path } => drop(engine.skip(run, path, by, why).await?),
        Action::Done { path, output } => {
            engine.mark_done(run, path, output.clone(), by, why).await?;
        }
        Action::Signal { name, payload } => engine.signal(run, name, payload.clone(), by).await?,
        Action::Answer { path, by, approved } => {
            // Whoever answers has looked.
            let questions = engine.view(run).await?.questions();
            let shown = questions.iter().find(|(asking, _)| asking == path);
            let shown = shown.map(|(_, ask)| ask.hash.clone());
            let (approved, by, reason) = (*approved, by.clone(), None);
            engine.approve(run, path, ApprovalAnswer { approved, by, reason, shown }).await?;
        }
        Action::Resolve { path, verdict, output } => {
            let verdict = match verdict.as_str() {
                "done" => Verdict::Done(output.clone()),
                "retry" => Verdict::Retry,
                _ => Verdict::Failed,
            };
            engine.resolve(run, path, verdict, by, why).await?;
        }
        Action::Retry => return Ok(engine.retry(run, by, Some(why)).await?.run),
        Action::Fork { path, input } => {
            let (from, input) = (Some(path.clone()), Some(input.clone()));
            let (by, reason) = (by.to_owned(), Some(why.to_owned()));
            return Ok(engine.fork(run, ForkRequest { from, input, by, reason }).await?.run);
        }
    }
    Ok(run)
}

fn has_status(tree: &[rackwright_engine::api::StepView], path: &str, status: &str) -> bool {
    tree.iter().any(|step| {
        (step.path == path && step.status == status) || has_status(&step.steps, path, status)
    })
}

fn judge(example: &Example, outcome: &Outcome, calls: &[String]) -> Result<(), String> {
    let errors = &outcome.errors;
    if outcome.status.as_str() != example.expect {
        let status = outcome.status;
        return Err(format!("it says `{}`, and ends as `{status}`: {errors:#?}", example.expect));
    }
    if let Some(output) = example.output.as_ref().filter(|output| **output != *outcome.output) {
        return Err(format!("it says that it gives {output}, and gives {}", outcome.output));
    }
    if let Some(code) = &example.error
        && !errors.iter().any(|error| error.error.code == *code)
    {
        return Err(format!("it says that it fails with `{code}`, and fails with {errors:#?}"));
    }
    if let Some(expected) = example.calls.as_ref().filter(|expected| **expected != *calls) {
        return Err(format!("it says that it calls {expected:?}, and calls {calls:?}"));
    }
    Ok(())
}
