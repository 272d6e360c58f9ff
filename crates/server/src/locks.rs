//! `rackwright locks`: who has what, and who waits for it.

use std::collections::BTreeMap;

use rackwright_engine::{
    Client, RunId,
    model::{LockClaim, Slot, Timestamp},
    store::{LockQuery, LockRecord},
};
use serde_json::json;

use crate::{
    cli::{Common, LocksArguments, LocksCommand},
    exit::{Exit, Outcome},
    follow::Clock,
    home::Home,
    output::Output,
    tree::elapsed,
};

pub(crate) async fn locks(
    common: &Common,
    command: &LocksCommand,
    output: &Output,
) -> Outcome<Exit> {
    let client = Client::new(Home::find(common)?.open().await?);
    match command {
        LocksCommand::List(arguments) => list(&client, arguments, output).await,
    }
}

/// Those who have or want one thing, by ticket.
#[derive(Default)]
struct Line<'a> {
    max: Option<u32>,
    holders: Vec<&'a LockRecord>,
    waiters: Vec<&'a LockRecord>,
}

async fn list(client: &Client, arguments: &LocksArguments, output: &Output) -> Outcome<Exit> {
    let query = match &arguments.name {
        Some(name) => LockQuery::Touching(vec![
            LockClaim::lock(name.clone()),
            LockClaim { name: name.clone(), slot: Some(Slot { max: 1, key: String::new() }) },
        ]),
        None => LockQuery::All { limit: arguments.limit },
    };
    let mut requests = client.locks(&query).await?;
    requests.truncate(arguments.limit as usize);
    let now = Clock::read(client).await?.now();
    let lines = lines(&requests);
    if output.json() {
        for ((is_limit, name), line) in &lines {
            output.object(&json!({
                (if *is_limit { "limit" } else { "lock" }): name,
                "max": line.max,
                "holders": line.holders,
                "waiters": line.waiters,
            }));
        }
        return Ok(Exit::Completed);
    }
    if lines.is_empty() {
        output.note("nothing is held or waited for");
    }
    for ((is_limit, name), line) in &lines {
        match line.max.filter(|_| *is_limit) {
            Some(max) => output.line(format_args!("{name}  ({} of {max})", line.holders.len())),
            None => output.line(name),
        }
        for holder in &line.holders {
            let since = holder.granted_at.unwrap_or(holder.wanted_at);
            output.line(format_args!("  held by  {}", who(holder, since, now)));
        }
        for waiter in &line.waiters {
            output.line(format_args!("  waits    {}", who(waiter, waiter.wanted_at, now)));
        }
    }
    Ok(Exit::Completed)
}

fn lines(requests: &[LockRecord]) -> BTreeMap<(bool, String), Line<'_>> {
    let mut lines: BTreeMap<(bool, String), Line<'_>> = BTreeMap::new();
    for request in requests {
        for claim in &request.claims {
            let key = (claim.slot.is_some(), claim.name.to_string());
            let line = lines.entry(key).or_default();
            line.max = claim.slot.as_ref().map(|slot| slot.max);
            match request.granted_at {
                Some(_) => line.holders.push(request),
                None => line.waiters.push(request),
            }
        }
    }
    for line in lines.values_mut() {
        line.waiters.sort_by_key(|it| (std::cmp::Reverse(it.priority), it.ticket));
    }
    lines
}

/// For what a run and its steps wait, who has it, and how many come before.
pub(crate) async fn waits_of(client: &Client, run: RunId, now: Timestamp) -> Outcome<Vec<String>> {
    let mut lines = Vec::new();
    for request in client.locks(&LockQuery::Run(run)).await? {
        if request.granted_at.is_some() {
            continue;
        }
        let others = client.locks(&LockQuery::Touching(request.claims.clone())).await?;
        let others = others.iter().filter(|it| it.ticket != request.ticket);
        let (held, waiting): (Vec<_>, Vec<_>) = others.partition(|it| it.granted_at.is_some());
        let place = |it: &LockRecord| (std::cmp::Reverse(it.priority), it.ticket);
        let before = waiting.iter().filter(|it| place(it) < place(&request)).count();
        let names: Vec<_> = request.claims.iter().map(ToString::to_string).collect();
        let whose = if request.label.is_empty() { "the run" } else { request.label.as_str() };
        let since = elapsed(now.since(request.wanted_at));
        lines.push(format!("{whose} for {}, {since}; {before} before it", names.join(", ")));
        for holder in held.into_iter().filter(|it| !request.within.contains(&it.holder)) {
            let since = holder.granted_at.unwrap_or(holder.wanted_at);
            lines.push(format!("  held by {}", who(holder, since, now)));
        }
    }
    Ok(lines)
}

fn who(request: &LockRecord, since: Timestamp, now: Timestamp) -> String {
    let run = request.holder.run;
    let of = if request.label.is_empty() { String::new() } else { format!("  {}", request.label) };
    let priority = match request.priority {
        0 => String::new(),
        priority => format!("  priority {priority}"),
    };
    format!("{run}{of}  for {}{priority}", elapsed(now.since(since)))
}
