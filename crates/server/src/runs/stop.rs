//! `rackwright runs stop --emergency`: of one run, or of all that carry some labels.

use std::time::Duration;

use rackwright_engine::{Client, Heard, store::RunFilter};
use serde_json::json;
use tokio::time::Instant;

use super::{
    find,
    tell::{PATIENCE, carried_on, who},
};
use crate::{
    cli::StopArguments,
    exit::{Exit, Failure, Outcome},
    output::Output,
};

/// Tells all runs first, then asks each what became of it.
pub(super) async fn stop(
    client: &Client,
    arguments: &StopArguments,
    output: &Output,
) -> Outcome<Exit> {
    let (by, reason) = (who(arguments.said.by.as_ref()), arguments.said.reason.as_deref());
    let sent = if let Some(run) = &arguments.run {
        let run = find(client, run).await?;
        vec![client.emergency_stop(run, &by, reason).await?]
    } else {
        let labels = arguments.labels.iter().cloned().collect();
        let filter = RunFilter { labels, limit: 1000, ..RunFilter::default() };
        client.emergency_stop_all(&filter, &by, reason).await?
    };
    if sent.is_empty() {
        output.note("no run that has not ended carries these labels");
        return Ok(Exit::Completed);
    }
    let deadline = Instant::now() + PATIENCE;
    let (mut stopped, mut silent) = (0, Vec::new());
    for sent in &sent {
        let patience = if carried_on(client, sent.run).await? {
            deadline.saturating_duration_since(Instant::now())
        } else {
            Duration::ZERO
        };
        let word = match client.heard(sent, patience).await? {
            Heard::Followed => "stopped".to_owned(),
            Heard::Ended(status) => format!("has ended: {status}"),
            Heard::Refused(why) => why,
            Heard::NotYet => {
                silent.push(sent.run);
                "told; it has not answered".to_owned()
            }
        };
        stopped += usize::from(word == "stopped");
        if output.json() {
            output.object(&json!({ "type": "emergency_stop", "run": sent.run, "told": word }));
        } else {
            output.line(format_args!("run {}: {word}", sent.run));
        }
    }
    output.note(format_args!("{stopped} of {} runs are stopped", sent.len()));
    if silent.is_empty() {
        return Ok(Exit::Completed);
    }
    Err(Failure::unavailable(format!("{} runs have not answered", silent.len()))
        .hint("they stop when a node carries them on: look at their nodes, or at the machines"))
}
