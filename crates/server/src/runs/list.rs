//! `rackwright runs list`.

use comfy_table::{ContentArrangement, Table, presets};
use rackwright_engine::{
    Client,
    store::{RunFilter, RunRecord},
};

use super::show::moment;
use crate::{
    cli::ListArguments,
    exit::{Exit, Outcome},
    follow::Clock,
    nodes::Site,
    output::Output,
    tree::elapsed,
};

pub(super) async fn list(
    client: &Client,
    arguments: &ListArguments,
    output: &Output,
) -> Outcome<Exit> {
    let records = read(client, arguments).await?;
    if output.json() {
        for record in &records {
            output.object(record);
        }
        return Ok(Exit::Completed);
    }
    if records.is_empty() {
        output.note("there are no such runs");
        return Ok(Exit::Completed);
    }
    let now = Clock::read(client).await?.now();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["RUN", "WORKFLOW", "STATUS", "CREATED", "TIME", "LABELS"]);
    for record in &records {
        let ended = if record.status.is_ended() { record.updated_at } else { now };
        table.add_row([
            record.id.to_string(),
            record.workflow.clone(),
            status(record),
            moment(record.created_at),
            elapsed(ended.since(record.created_at)),
            labels(record),
        ]);
    }
    output.line(table.trim_fmt());
    Ok(Exit::Completed)
}

/// Where it stands; what is in quarantine waits for a person, too.
pub(super) fn status(record: &RunRecord) -> String {
    if record.quarantined_at.is_some() {
        return "quarantined".to_owned();
    }
    record.status.to_string()
}

/// The labels that people gave, and whether it is of the lab.
fn labels(record: &RunRecord) -> String {
    let shown = record.labels.iter().filter(|(name, _)| !Site::LABELS.contains(&name.as_str()));
    let mut labels: Vec<_> = shown.map(|(name, value)| format!("{name}={value}")).collect();
    if Site::of(&record.labels).lab.is_some() {
        labels.push("lab".to_owned());
    }
    labels.join(" ")
}

/// Runs at the top, or all, page by page until there are enough.
async fn read(client: &Client, arguments: &ListArguments) -> Outcome<Vec<RunRecord>> {
    let limit = arguments.limit as usize;
    let mut filter = RunFilter {
        status: arguments.status.clone(),
        workflow: arguments.workflow.clone(),
        labels: arguments.labels.iter().cloned().collect(),
        limit: arguments.limit.clamp(100, 1000),
        ..RunFilter::default()
    };
    let mut records = Vec::new();
    loop {
        let page = client.runs(&filter).await?;
        let last = page.last().map(|record| record.id);
        let full = page.len() == filter.limit as usize;
        records.extend(page.into_iter().filter(|it| arguments.all || it.parent.is_none()));
        if records.len() >= limit || !full {
            records.truncate(limit);
            return Ok(records);
        }
        filter.before = last;
    }
}
