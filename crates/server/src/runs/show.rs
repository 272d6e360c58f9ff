//! `rackwright runs show`.

use rackwright_engine::{
    Client, EngineError, RunId,
    api::{ObligationView, RunView},
    machine::{Inner, Order},
    model::Timestamp,
    store::{RunRecord, TaskRecord},
};
use serde_json::{Value, json};

use super::list::status;
use crate::{
    exit::{Exit, Outcome},
    follow::{Clock, Family, final_trees},
    output::Output,
    tree::{elapsed, report, window},
};

pub(super) async fn show(client: &Client, run: RunId, output: &Output) -> Outcome<Exit> {
    let record = client.record(run).await?;
    let family = read(client, run).await?;
    let now = Clock::read(client).await?.now();
    let Some((tree, view)) = family.tree().zip(family.view(run)) else {
        return Err(EngineError::UnknownRun(run).into());
    };
    if output.json() {
        output.object(&json!({
            "record": record,
            "input": view.state().created.input,
            "forked_from": view.state().created.forked_from.as_ref().map(|forked| json!({
                "run": forked.run,
                "from": forked.from,
                "by": forked.order.by,
                "reason": forked.order.reason,
                "taken_back": forked.taken_back,
            })),
            "ended_at": view.ended_at().map(|at| at.to_string()),
            "steps": tree.steps,
            "obligations": view.obligations(),
            "outcome": report::outcome(&family),
        }));
        return Ok(Exit::Completed);
    }
    header(&record, view, now, output);
    if let Some(line) = no_node(client, &record).await? {
        output.line(format_args!("waits     {line}"));
    }
    for line in pooled(client, view, run, now).await? {
        output.line(format_args!("pool      {line}"));
    }
    for line in crate::locks::waits_of(client, run, now).await? {
        output.line(format_args!("waits     {line}"));
    }
    for line in final_trees(&[tree], output, now) {
        output.line(line);
    }
    if !record.status.is_ended() {
        questions(&record, view, output);
        obligations(view, output);
    }
    for line in report::ending(&family, output.colour) {
        output.line(line);
    }
    let result = &view.state().output;
    if record.status.is_ended() && !result.is_null() {
        output.line(format_args!("\noutput:\n{}", indented(result)));
    }
    Ok(Exit::Completed)
}

fn header(record: &RunRecord, view: &RunView, now: Timestamp, output: &Output) {
    let line = |name: &str, value: &str| output.line(format_args!("{name:<9} {value}"));
    line("run", &record.id.to_string());
    if let Some(parent) = record.parent {
        line("parent", &parent.to_string());
    }
    if let Some(forked) = &view.state().created.forked_from {
        let from = forked.from.join(", ");
        let Order { by, reason } = &forked.order;
        let why = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        line("forked", &format!("from {} at {from}, by {by}{why}", forked.run));
    }
    line("workflow", &format!("{}  (version {:?})", record.workflow, record.version));
    line("status", &status(record));
    if let Some(at) = record.quarantined_at {
        quarantine(record, view, at, output);
    }
    line("created", &moment(record.created_at));
    match view.ended_at() {
        Some(ended) => {
            let took = elapsed(ended.since(record.created_at));
            line("ended", &format!("{}  (after {took})", moment(ended)));
        }
        None => line("for", &elapsed(now.since(record.created_at))),
    }
    if let Some(at) = record.wake_at.filter(|_| record.owner.is_none()) {
        line("wakes", &moment(at));
    }
    for (path, wait) in view.before_windows() {
        let who = path.map(|path| format!("{path} ")).unwrap_or_default();
        let opens = wait.opens.map(|at| format!("  ({})", moment(at))).unwrap_or_default();
        line("window", &format!("{who}{}{opens}", window(wait, now)));
    }
    for (name, value) in &record.requires {
        line("node", &format!("has {name}={value}"));
    }
    if let Some(key) = &record.idempotency_key {
        line("key", key);
    }
    for (name, value) in &record.labels {
        line("label", &format!("{name}={value}"));
    }
    let state = view.state();
    let by = |order: &Order| {
        let why = order.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("by {}{why}", order.by)
    };
    if let Some(pause) = &state.paused {
        line("paused", &format!("{}  (since {})", by(&pause.order), moment(pause.at)));
    }
    if let Some(emergency) = &state.emergency {
        line("stopped", &by(&emergency.order));
        if let Some(released) = &emergency.released {
            line("released", &by(released));
        }
    } else if let Some(cancel) = &state.cancel {
        line("cancelled", &by(cancel));
    }
    let input = &view.state().created.input;
    output.line(format_args!("\ninput:\n{}\n", indented(input)));
}

/// Says of a run that nobody has if no node can take it.
async fn no_node(client: &Client, record: &RunRecord) -> Outcome<Option<String>> {
    let free = record.owner.is_none() && !record.status.is_ended();
    if !free || record.requires.is_empty() {
        return Ok(None);
    }
    let nodes = client.nodes().await?;
    let fits = nodes.iter().any(|it| it.alive && it.node.fits(&record.requires));
    Ok((!fits).then(|| "for a node: no living one has the labels that it asks for".to_owned()))
}

/// What of a run is left to pools, and who has it.
async fn pooled(
    client: &Client,
    view: &RunView,
    run: RunId,
    now: Timestamp,
) -> Outcome<Vec<String>> {
    let line = |task: &TaskRecord| {
        let path = view.path_of_task(&task.task).unwrap_or_else(|| task.task.clone());
        let since = elapsed(now.since(task.put_at));
        match &task.worker {
            Some(worker) => format!("{path}: worker {worker} of {} has it ({since})", task.pool),
            None => format!("{path}: waits for a worker of {} ({since})", task.pool),
        }
    };
    Ok(client.pool_tasks(Some(run), 100).await?.iter().map(line).collect())
}

/// Why a run is in quarantine, and the way out.
fn quarantine(record: &RunRecord, view: &RunView, at: Timestamp, output: &Output) {
    let (count, since) = (record.takeovers, moment(at));
    output.line(format_args!(
        "          since {since}: taken over {count} times in a row from nodes that died, and it got \
         nowhere"
    ));
    let under_way = view.under_way();
    if !under_way.is_empty() {
        output.line(format_args!("          under way then: {}", under_way.join(", ")));
    }
    output.line(format_args!(
        "          rackwright runs release-quarantine {} --reason WHY",
        record.id
    ));
}

/// What people are asked, and how they answer.
fn questions(record: &RunRecord, view: &RunView, output: &Output) {
    for (path, ask) in view.questions() {
        output.line(format_args!("\napproval of {path}:\n  {}", ask.message));
        if !ask.shown.is_null() {
            output.line(indented(&ask.shown));
        }
        if !ask.approvers.is_empty() {
            output.line(format_args!("  by     {}", ask.approvers.join(", ")));
        }
        if let Some(until) = ask.until {
            output.line(format_args!("  until  {}", moment(until)));
        }
        output.line(format_args!("  hash   {}", ask.hash));
        let id = record.id;
        output.line(format_args!("  rackwright runs approve {id} {path} --shown {}", ask.hash));
    }
}

/// What the run still owes, and what of that is met already.
fn obligations(view: &RunView, output: &Output) {
    let owed = view.obligations();
    if owed.is_empty() {
        return;
    }
    output.line("\nobligations:");
    let width = owed.iter().map(|it| it.path.len()).max().unwrap_or_default();
    for ObligationView { path, uses, state, .. } in &owed {
        let uses = uses.as_deref().unwrap_or_default();
        let line = format!("  {path:<width$}  {:<18}  {uses}", state.as_str());
        output.line(line.trim_end());
    }
}

fn indented(value: &Value) -> String {
    let text = format!("{value:#}");
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// A point in time, to the second, in UTC.
pub(crate) fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split_once('.').map_or(text.as_str(), |(seconds, _)| seconds);
    format!("{}Z", seconds.replace('T', " "))
}

/// Reads a run and all runs below it.
async fn read(client: &Client, run: RunId) -> Outcome<Family> {
    let mut family = Family::read(run, client.view(run).await?);
    let mut open = vec![run];
    while let Some(parent) = open.pop() {
        for (path, child) in family.view(parent).map(children).unwrap_or_default() {
            family.expect(parent, &path, child);
            match client.view(child).await {
                Ok(view) => family.join(child, view),
                // It was about to be created when its parent's node went away.
                Err(EngineError::UnknownRun(_)) => continue,
                Err(error) => return Err(error.into()),
            }
            open.push(child);
        }
    }
    Ok(family)
}

/// The child runs that a run started, with the paths of their steps.
fn children(view: &RunView) -> Vec<(String, RunId)> {
    let steps = view.state().steps.iter().enumerate();
    steps
        .filter_map(|(number, step)| match step.inner {
            Inner::Child(child) => {
                let step = rackwright_engine::machine::StepRef(u32::try_from(number).ok()?);
                Some((view.state().path(view.plan(), step), child))
            }
            Inner::None
            | Inner::Scopes { .. }
            | Inner::Map(_)
            | Inner::Repeat(_)
            | Inner::Wait(_)
            | Inner::Signal
            | Inner::Approval(_) => None,
        })
        .collect()
}
