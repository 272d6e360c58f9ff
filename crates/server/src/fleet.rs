//! `rackwright node list`, `drain` and `undrain`.

use comfy_table::{ContentArrangement, Table, presets};
use rackwright_engine::{Client, model::Timestamp, store::NodeStatus};
use serde_json::json;

use crate::{
    cli::NodeCommand,
    exit::{Exit, Outcome},
    follow::Clock,
    output::Output,
    runs::who,
    tree::elapsed,
};

pub(crate) async fn fleet(
    client: &Client,
    command: &NodeCommand,
    output: &Output,
) -> Outcome<Exit> {
    match command {
        NodeCommand::List => list(client, output).await,
        NodeCommand::Drain(one) => {
            let nodes = client.drain(&one.node, &who(None)).await?;
            tell(&nodes, "drained", "takes nothing more and hands its runs over", output);
            Ok(Exit::Completed)
        }
        NodeCommand::Undrain(one) => {
            let nodes = client.undrain(&one.node).await?;
            tell(&nodes, "undrained", "takes runs again", output);
            Ok(Exit::Completed)
        }
    }
}

fn tell(nodes: &[NodeStatus], what: &str, does: &str, output: &Output) {
    for NodeStatus { node, runs, .. } in nodes {
        if output.json() {
            output.object(&json!({ "type": what, "node": node.id, "name": node.name }));
        } else {
            output.line(format_args!("{} ({}) {does}; it has {runs} runs", node.name, node.id));
        }
    }
}

async fn list(client: &Client, output: &Output) -> Outcome<Exit> {
    let nodes = client.nodes().await?;
    if output.json() {
        for node in &nodes {
            output.object(node);
        }
        return Ok(Exit::Completed);
    }
    if nodes.is_empty() {
        output.note("there are no nodes: start one with `rackwright node`");
        return Ok(Exit::Completed);
    }
    let now = Clock::read(client).await?.now();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["NODE", "NAME", "STATE", "RUNS", "HEARD OF", "LABELS"]);
    for status in &nodes {
        table.add_row([
            status.node.id.to_string(),
            status.node.name.clone(),
            state(status),
            format!("{} of {}", status.runs, status.node.capacity),
            heard(status, now),
            labels(status),
        ]);
    }
    output.line(table.trim_fmt());
    Ok(Exit::Completed)
}

fn state(status: &NodeStatus) -> String {
    match (&status.draining, status.alive) {
        (_, false) => "gone".to_owned(),
        (Some(by), true) => format!("drained by {by}"),
        (None, true) => "works".to_owned(),
    }
}

fn heard(status: &NodeStatus, now: Timestamp) -> String {
    format!("{} ago", elapsed(now.since(status.renewed_at)))
}

fn labels(status: &NodeStatus) -> String {
    let labels = status.node.labels.iter().map(|(name, value)| format!("{name}={value}"));
    labels.collect::<Vec<_>>().join(" ")
}
