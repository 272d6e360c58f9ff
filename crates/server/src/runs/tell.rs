//! Orders to one run: each waits until the journal says what became of it.

use std::time::Duration;

use rackwright_engine::{Client, Heard, RunId, Sent, machine::Verdict};
use serde_json::{Value, json};

use super::find;
use crate::{
    cli::{
        MarkDoneArguments, OrderArguments, OverrideArguments, ReleaseArguments, ResolveArguments,
        SkipArguments, VerdictWord,
    },
    exit::{Exit, Failure, Outcome},
    output::Output,
};

/// How long an order may take to show in the journal before the command gives up waiting.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Who says it: whom the command names, else the user of this terminal.
pub(crate) fn who(by: Option<&String>) -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = by.cloned().or(user);
    user.filter(|user| !user.is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

pub(super) async fn cancel(
    client: &Client,
    OrderArguments { run, said }: &OrderArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, run).await?;
    let sent = client.cancel(run, &who(said.by.as_ref()), said.reason.as_deref()).await?;
    told(client, &sent, ("cancel_requested", "asked run {} to stop"), output).await
}

pub(super) async fn pause(
    client: &Client,
    OrderArguments { run, said }: &OrderArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, run).await?;
    let sent = client.pause(run, &who(said.by.as_ref()), said.reason.as_deref()).await?;
    told(client, &sent, ("paused", "run {} starts nothing more; what runs is finished"), output)
        .await
}

pub(super) async fn resume(
    client: &Client,
    OrderArguments { run, said }: &OrderArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, run).await?;
    let sent = client.resume(run, &who(said.by.as_ref()), said.reason.as_deref()).await?;
    told(client, &sent, ("resumed", "run {} goes on"), output).await
}

pub(super) async fn release(
    client: &Client,
    OrderArguments { run, said }: &OrderArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, run).await?;
    let sent = client.release(run, &who(said.by.as_ref()), said.reason.as_deref()).await?;
    told(client, &sent, ("released", "run {} does what it owes"), output).await
}

pub(super) async fn skip(
    client: &Client,
    SkipArguments { run, step, by, reason }: &SkipArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, run).await?;
    let sent = client.skip(run, step, &who(by.as_ref()), reason).await?;
    told(client, &sent, ("skipped", "told run {}"), output).await
}

pub(super) async fn mark_done(
    client: &Client,
    MarkDoneArguments { skip, output: given }: &MarkDoneArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, &skip.run).await?;
    let by = who(skip.by.as_ref());
    let sent = client.mark_done(run, &skip.step, json_of(given)?, &by, &skip.reason).await?;
    told(client, &sent, ("marked_done", "told run {}"), output).await
}

pub(super) async fn resolve(
    client: &Client,
    arguments: &ResolveArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, &arguments.run).await?;
    let verdict = verdict(arguments)?;
    let by = who(arguments.by.as_ref());
    let sent = client.resolve(run, &arguments.step, verdict, &by, &arguments.reason).await?;
    told(client, &sent, ("resolved", "told run {}"), output).await
}

fn json_of(text: &str) -> Outcome<Value> {
    serde_json::from_str(text)
        .map_err(|error| Failure::usage(format!("--output is not JSON: {error}")))
}

pub(super) async fn override_window(
    client: &Client,
    arguments: &OverrideArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, &arguments.run).await?;
    let by = who(arguments.by.as_ref());
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

pub(super) async fn release_quarantine(
    client: &Client,
    arguments: &ReleaseArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, &arguments.run).await?;
    let by = who(arguments.by.as_ref());
    client.release_quarantine(run, &by, &arguments.reason).await?;
    if output.json() {
        output.object(&json!({ "type": "quarantine_released", "run": run }));
    } else {
        output.line(format_args!("run {run} may go on"));
        hint_if_unowned(client, run, output).await?;
    }
    Ok(Exit::Completed)
}

fn verdict(arguments: &ResolveArguments) -> Outcome<Verdict> {
    let given = arguments.output.as_deref().map(json_of).transpose()?;
    match (arguments.verdict, given) {
        (VerdictWord::Done, given) => Ok(Verdict::Done(given.unwrap_or_default())),
        (VerdictWord::Retry | VerdictWord::Failed, Some(_)) => {
            Err(Failure::usage("--output is for a step that is done"))
        }
        (VerdictWord::Retry, None) => Ok(Verdict::Retry),
        (VerdictWord::Failed, None) => Ok(Verdict::Failed),
    }
}

/// Waits for what becomes of an order, and says it. `{}` stands for the run.
pub(crate) async fn told(
    client: &Client,
    sent: &Sent,
    (kind, text): (&str, &str),
    output: &Output,
) -> Outcome<Exit> {
    let run = sent.run;
    let patience = if carried_on(client, run).await? { PATIENCE } else { Duration::ZERO };
    let heard = client.heard(sent, patience).await?;
    let recorded = match heard {
        Heard::Followed => true,
        Heard::NotYet => false,
        Heard::Refused(why) => return Err(Failure::usage(format!("run {run}: {why}"))),
        Heard::Ended(status) => {
            return Err(Failure::usage(format!("run {run} has ended meanwhile: {status}")));
        }
    };
    if output.json() {
        output.object(&json!({ "type": kind, "run": run, "recorded": recorded }));
        return Ok(Exit::Completed);
    }
    output.line(text.replace("{}", &run.to_string()));
    if !recorded && !patience.is_zero() {
        output.note("its node has not answered yet: `runs journal` will tell");
    } else if !recorded {
        hint_if_unowned(client, run, output).await?;
    }
    Ok(Exit::Completed)
}

/// A message to a run that nobody carries on is read when somebody does.
pub(super) async fn hint_if_unowned(client: &Client, run: RunId, output: &Output) -> Outcome<()> {
    if !carried_on(client, run).await? {
        let root = client.record(run).await?.root;
        output.note(format_args!(
            "nobody carries it on now, it learns of that when somebody does: rackwright resume {root}"
        ));
    }
    Ok(())
}

/// Whether there is a node that may read the order soon.
pub(super) async fn carried_on(client: &Client, run: RunId) -> Outcome<bool> {
    let record = client.record(run).await?;
    let nodes = client.store().nodes().await?;
    let alive = |node: &rackwright_engine::store::NodeStatus| node.alive;
    Ok(match record.owner {
        Some(owner) => nodes.iter().any(|node| node.node.id == owner && node.alive),
        None => nodes.iter().any(alive),
    })
}
