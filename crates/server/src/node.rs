//! `rackwright node`: a process that goes on, carries runs on and fires schedules.

use std::{collections::HashMap, time::Duration};

use rackwright_engine::{
    Client, Config, RunId, RunStatus,
    store::{ClaimScope, RunFilter, RunRecord},
};
use serde_json::json;

use crate::{
    cli::{Common, NodeArguments},
    exit::{Exit, Outcome},
    fleet,
    home::Home,
    nodes::{Node, Site},
    output::Output,
    signals::Signals,
};

/// How often the runs are looked at, to tell of them.
const LOOK: Duration = Duration::from_secs(1);
/// How many of the newest runs are told of.
const TOLD: u32 = 200;

pub(crate) async fn node(
    common: &Common,
    arguments: &NodeArguments,
    output: &Output,
) -> Outcome<Exit> {
    let home = Home::find(common)?;
    if let Some(command) = &arguments.command {
        return fleet::fleet(&Client::new(home.open().await?), command, output).await;
    }
    let mut signals = Signals::catch()?;
    let store = home.open().await?;
    let site = Site::default();
    let node = Node::start_as(common, &home, &site, None, store, config(arguments)).await?;
    let mut teller = Teller::default();
    teller.look(&node.engine, None).await?;
    let taken = node.engine.take_over(ClaimScope::All).await?;
    if output.json() {
        let metrics = node.metrics;
        output.object(&json!({ "type": "node", "taken_over": taken, "metrics": metrics }));
    } else {
        if let Some(address) = node.metrics {
            output.line(format_args!("metrics: http://{address}/metrics"));
        }
        output.line(format_args!(
            "works: carries runs on ({taken} taken over) and fires schedules, until Ctrl-C"
        ));
    }
    loop {
        tokio::select! {
            () = signals.next() => break,
            () = node.engine.drained() => {
                output.note("somebody drained this node, and it is empty");
                break;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        teller.tell_now(&node.engine, output).await;
    }
    // What came about since the last look.
    teller.tell_now(&node.engine, output).await;
    if !output.json() {
        output.line("stops: what runs is finished or left to the next node");
    }
    tokio::select! {
        stopped = node.stop() => stopped?,
        () = signals.next() => {}
    }
    Ok(Exit::Completed)
}

fn config(arguments: &NodeArguments) -> Config {
    let given = Config::default();
    Config {
        name: arguments.name.clone().unwrap_or(given.name),
        labels: arguments.labels.iter().cloned().collect(),
        max_active: arguments.capacity.unwrap_or(given.max_active),
        ..Config::default()
    }
}

/// Remembers how the runs stood.
#[derive(Debug, Default)]
struct Teller(HashMap<RunId, RunStatus>);

impl Teller {
    async fn tell_now(&mut self, client: &Client, output: &Output) {
        if let Err(failure) = self.look(client, Some(output)).await {
            // The engine itself tries again as long as its lease holds.
            tracing::warn!(error = failure.message, "the runs can't be looked at now");
        }
    }

    /// Looks at the newest runs; tells of those that stand otherwise than before.
    async fn look(&mut self, client: &Client, output: Option<&Output>) -> Outcome<()> {
        let filter = RunFilter { limit: TOLD, ..RunFilter::default() };
        let mut runs = client.runs(&filter).await?;
        runs.retain(|record| record.parent.is_none());
        for record in runs.iter().rev() {
            let before = self.0.get(&record.id).copied();
            if let (Some(output), true) = (output, before != Some(record.status)) {
                tell(record, output);
            }
        }
        self.0 = runs.iter().map(|record| (record.id, record.status)).collect();
        Ok(())
    }
}

fn tell(record: &RunRecord, output: &Output) {
    if output.json() {
        let (run, status) = (record.id, record.status.as_str());
        let labels = &record.labels;
        output.object(&json!({
            "type": "run", "run": run, "workflow": record.workflow, "status": status,
            "labels": labels,
        }));
        return;
    }
    let why = record.labels.get("schedule").map(|name| format!("  (schedule {name})"));
    let why = why.unwrap_or_default();
    output.line(format_args!("run {} {}: {}{why}", record.id, record.workflow, record.status));
}
