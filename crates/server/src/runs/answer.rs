//! `rackwright runs signal`, `rackwright runs approve` and `rackwright runs reject`.

use rackwright_engine::{Client, machine::ApprovalAnswer};
use serde_json::{Value, json};

use super::{
    find,
    tell::{hint_if_unowned, who},
};
use crate::{
    cli::{AnswerArguments, SignalArguments},
    exit::{Exit, Failure, Outcome},
    output::Output,
};

pub(super) async fn signal(
    client: &Client,
    arguments: &SignalArguments,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, &arguments.run).await?;
    let data = match &arguments.data {
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Failure::usage(format!("--data is not JSON: {error}")))?,
        None => Value::Null,
    };
    let by = who(arguments.by.as_ref());
    client.signal_once(run, &arguments.name, data, &by, arguments.id.as_deref()).await?;
    if output.json() {
        output.object(&json!({ "type": "signalled", "run": run, "signal": arguments.name }));
    } else {
        output.line(format_args!("sent `{}` to run {run}", arguments.name));
        hint_if_unowned(client, run, output).await?;
    }
    Ok(Exit::Completed)
}

pub(super) async fn answer(
    client: &Client,
    arguments: &AnswerArguments,
    approved: bool,
    output: &Output,
) -> Outcome<Exit> {
    let run = find(client, &arguments.run).await?;
    let answer = ApprovalAnswer {
        approved,
        by: who(arguments.by.as_ref()),
        reason: arguments.reason.clone(),
        shown: arguments.shown.clone(),
    };
    client.approve(run, &arguments.step, answer).await?;
    let word = if approved { "approved" } else { "rejected" };
    if output.json() {
        output.object(&json!({ "type": word, "run": run, "step": arguments.step }));
    } else {
        output.line(format_args!("{word} `{}` of run {run}", arguments.step));
        hint_if_unowned(client, run, output).await?;
    }
    Ok(Exit::Completed)
}
