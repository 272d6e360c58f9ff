//! `rackwright runs cancel` and `rackwright runs resolve`.

use rackwright_engine::{Client, machine::Verdict};
use serde_json::{Value, json};

use super::find;
use crate::{
    cli::{CancelArguments, OverrideArguments, ResolveArguments, VerdictWord},
    exit::{Exit, Failure, Outcome},
    output::Output,
};

/// Who says it: the user of this terminal.
pub(crate) fn who() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    user.filter(|user| !user.is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

pub(super) async fn cancel(
    client: &Client,
    arguments: &CancelArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, &arguments.run).await?;
    client.cancel(run, &who(), arguments.reason.as_deref()).await?;
    if output.json() {
        output.object(&json!({ "type": "cancel_requested", "run": run }));
    } else {
        output.line(format_args!("asked run {run} to stop"));
        hint_if_unowned(client, run, output).await?;
    }
    Ok(Exit::Completed)
}

pub(super) async fn resolve(
    client: &Client,
    arguments: &ResolveArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, &arguments.run).await?;
    let verdict = verdict(arguments)?;
    client.resolve(run, &arguments.step, verdict, &who(), &arguments.reason).await?;
    if output.json() {
        output.object(&json!({ "type": "resolved", "run": run, "step": arguments.step }));
    } else {
        output.line(format_args!("told run {run}"));
        hint_if_unowned(client, run, output).await?;
    }
    Ok(Exit::Completed)
}

pub(super) async fn override_window(
    client: &Client,
    arguments: &OverrideArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, &arguments.run).await?;
    let by = arguments.by.clone().unwrap_or_else(who);
    let step =
        client.override_window(run, arguments.step.as_deref(), &by, &arguments.reason).await?;
    if output.json() {
        output.object(&json!({ "type": "window_overridden", "run": run, "step": step }));
    } else {
        output.line(format_args!("told run {run} not to wait for the window"));
        hint_if_unowned(client, run, output).await?;
    }
    Ok(Exit::Completed)
}

fn verdict(arguments: &ResolveArguments) -> Outcome<Verdict> {
    let given = match &arguments.output {
        Some(text) => Some(
            serde_json::from_str::<Value>(text)
                .map_err(|error| Failure::usage(format!("--output is not JSON: {error}")))?,
        ),
        None => None,
    };
    match (arguments.verdict, given) {
        (VerdictWord::Done, given) => Ok(Verdict::Done(given.unwrap_or_default())),
        (VerdictWord::Retry | VerdictWord::Failed, Some(_)) => {
            Err(Failure::usage("--output is for a step that is done"))
        }
        (VerdictWord::Retry, None) => Ok(Verdict::Retry),
        (VerdictWord::Failed, None) => Ok(Verdict::Failed),
    }
}

/// A message to a run that nobody carries on is read when somebody does.
pub(super) async fn hint_if_unowned(
    client: &Client,
    run: rackwright_engine::RunId,
    output: &Output,
) -> Outcome<()> {
    let record = client.record(run).await?;
    if record.owner.is_none() {
        output.note(format_args!("nobody carries it on now: rackwright resume {}", record.root));
    }
    Ok(())
}
