//! `rackwright runs journal`.

use rackwright_engine::{Client, RunId};
use serde_json::{Value, json};

use crate::{
    exit::{Exit, Failure, Outcome},
    output::Output,
};

pub(super) async fn journal(client: &Client, run: RunId, output: &Output) -> Outcome<Exit> {
    for row in client.journal(run, 0).await? {
        let events: Value = serde_json::from_slice(&row.events).map_err(|error| {
            Failure::unavailable(format!("row {} of the journal of {run}: {error}", row.seq))
        })?;
        if output.json() {
            let (seq, epoch, at) = (row.seq, row.epoch, row.at.to_string());
            output.object(&json!({ "seq": seq, "epoch": epoch, "at": at, "events": events }));
            continue;
        }
        output.line(format_args!("{:>5}  epoch {}  {}", row.seq, row.epoch, row.at));
        for event in events.as_array().map_or(&[][..], Vec::as_slice) {
            output.line(format_args!("       {}", told(event)));
        }
    }
    Ok(Exit::Completed)
}

/// `{"started": {"step": 3}}` as `started {"step":3}`.
fn told(event: &Value) -> String {
    match event.as_object().and_then(|event| event.iter().next()) {
        Some((name, content)) => format!("{name}  {content}"),
        None => event.to_string(),
    }
}
