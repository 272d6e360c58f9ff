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
    output::Output,
    tree::elapsed,
};

pub(super) async fn list(
    client: &Client,
    arguments: &ListArguments,
    output: &Output,
) -> Outcome<Exit> {
    let records = read(client, arguments).await?;
    if output.json {
        records.iter().for_each(|record| output.object(record));
        return Ok(Exit::Completed);
    }
    if records.is_empty() {
        output.note("there are no such runs");
        return Ok(Exit::Completed);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["RUN", "WORKFLOW", "STATUS", "CREATED", "TIME", "LABELS"]);
    for record in &records {
        let labels: Vec<_> = record.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        table.add_row([
            record.id.to_string(),
            record.workflow.clone(),
            record.status.to_string(),
            moment(record.created_at),
            elapsed(record.updated_at.since(record.created_at)),
            labels.join(" "),
        ]);
    }
    output.line(table.trim_fmt());
    Ok(Exit::Completed)
}

/// Runs at the top, or all, page by page until there are enough.
async fn read(client: &Client, arguments: &ListArguments) -> Outcome<Vec<RunRecord>> {
    let limit = arguments.limit as usize;
    let mut filter = RunFilter {
        status: arguments.status.clone(),
        workflow: arguments.workflow.clone(),
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
