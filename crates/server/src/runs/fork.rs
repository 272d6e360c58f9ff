//! New runs that go on from old ones.

use rackwright_engine::{Client, EngineError, ForkRequest, ForkedRun, Workflow, api::RunView};
use serde_json::{Map, Value, json};

use super::{find, tell::who};
use crate::{
    cli::{ForkArguments, OrderArguments},
    exit::{Exit, Outcome},
    inputs,
    output::Output,
};

pub(super) async fn retry(
    client: &Client,
    OrderArguments { run, said }: &OrderArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, run).await?;
    let new = client.retry(run, &who(said.by.as_ref()), said.reason.as_deref()).await?;
    Ok(tell(&new, output))
}

pub(super) async fn fork(
    client: &Client,
    arguments: &ForkArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, &arguments.run).await?;
    let view = client.view(run).await?;
    let request = ForkRequest {
        from: Some(arguments.from.clone()),
        input: input(client, &view, arguments).await?,
        by: who(arguments.said.by.as_ref()),
        reason: arguments.said.reason.clone(),
    };
    let new = client.fork(run, request).await?;
    Ok(tell(&new, output))
}

/// The old run's input with what is to be different; none: nothing is.
async fn input(
    client: &Client,
    view: &RunView,
    arguments: &ForkArguments,
) -> Outcome<Option<Value>> {
    let file = arguments.input_file.as_deref();
    if arguments.inputs.is_empty() && file.is_none() {
        return Ok(None);
    }
    let old = &view.state().created;
    let definition = client.store().definition(old.version).await.map_err(EngineError::from)?;
    let definition =
        definition.ok_or_else(|| EngineError::UnknownWorkflow(old.workflow.clone()))?;
    let workflow: Workflow =
        serde_json::from_slice(&definition.canonical).map_err(|error| EngineError::Journal {
            run: old.run,
            reason: format!("its workflow can't be read: {error}"),
        })?;
    let before = old.input.as_object().cloned().unwrap_or_else(Map::new);
    let input = inputs::change(&workflow, before, file, &arguments.inputs)?;
    inputs::check(&workflow, input).map(Some)
}

fn tell(new: &ForkedRun, output: &Output) -> Exit {
    let ForkedRun { run, forked } = new;
    if output.json() {
        output.object(&json!({
            "type": "forked",
            "run": run,
            "forked_from": forked.run,
            "from": forked.from,
            "taken_back": forked.taken_back,
        }));
        return Exit::Completed;
    }
    output.line(run);
    let from = if forked.from.is_empty() { "its end".to_owned() } else { forked.from.join(", ") };
    output.note(format_args!("goes on from {from}, with {} results", forked.results.len()));
    if !forked.taken_back.is_empty() {
        let gone = forked.taken_back.join(", ");
        output.note(format_args!("these took back what was done before it: {gone}"));
    }
    output.note(format_args!("nobody carries it on yet: rackwright resume {run}"));
    Exit::Completed
}
