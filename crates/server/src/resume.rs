//! `rackwright resume`: carries on what is unfinished.

use std::collections::BTreeMap;

use rackwright_engine::{
    Client, RunId, RunStatus,
    store::{ClaimScope, RunFilter},
};
use serde_json::json;

use crate::{
    cli::{Common, ResumeArguments},
    exit::{Exit, Failure, Outcome},
    follow::{Clock, Ended, follow},
    home::Home,
    logs::Logs,
    nodes::{Node, Site},
    output::Output,
    run::finish,
    runs,
    signals::Signals,
};

pub(crate) async fn resume(
    common: &Common,
    arguments: &ResumeArguments,
    output: &Output,
    logs: &Logs,
) -> Outcome<Exit> {
    let home = Home::find(common)?;
    let store = home.open().await?;
    let client = Client::new(store.clone());
    let mut signals = Signals::catch()?;
    let unfinished = unfinished(&client, &arguments.runs).await?;
    if unfinished.is_empty() {
        output.note("nothing is unfinished");
        return Ok(Exit::Completed);
    }
    let mut worst = Exit::Completed;
    for (site, roots) in unfinished {
        let (roots, out) = leave_quarantined(&client, roots, output).await?;
        if out > 0 {
            worst = worse(worst, Exit::Attention);
        }
        if roots.is_empty() {
            continue;
        }
        let node =
            Node::start(common, &home, &site, site.lab_again().await?, store.clone()).await?;
        let since = Clock::read(&client).await?.then();
        for root in &roots {
            node.engine.take_over(ClaimScope::Root(*root)).await?;
        }
        let ended = match stuck(&node) {
            Some(failure) => Err(failure),
            None => follow(&node.engine, &roots, Some(since), output, logs, &mut signals).await,
        };
        let interrupted = matches!(ended, Ok(Ended::Interrupted));
        let exit = finish(node, ended, &roots, output, &mut signals).await?;
        if interrupted {
            return Ok(exit);
        }
        worst = worse(worst, exit);
    }
    Ok(worst)
}

/// Takes out the families of which a run is in quarantine, since they can't come to their end, and
/// says how it is let go. Gives the others, and how many were taken out.
async fn leave_quarantined(
    client: &Client,
    roots: Vec<RunId>,
    output: &Output,
) -> Outcome<(Vec<RunId>, usize)> {
    let (mut left, all) = (Vec::new(), roots.len());
    for root in roots {
        let resting = RunFilter {
            root: Some(root),
            status: vec![RunStatus::Attention],
            limit: u32::MAX,
            ..RunFilter::default()
        };
        let family = client.runs(&resting).await?;
        let mut quarantined = family.iter().filter(|it| it.quarantined_at.is_some()).peekable();
        if quarantined.peek().is_none() {
            left.push(root);
        }
        for run in quarantined {
            let id = run.id;
            output.note(format_args!(
                "run {id} is in quarantine: the nodes that had it died, {} in a row; `rackwright \
                 runs show {id}` tells what it did, and this lets it go on: rackwright runs \
                 release-quarantine {id} --reason WHY",
                run.takeovers,
            ));
            if output.json() {
                output.object(&json!({ "type": "quarantined", "run": id, "root": root }));
            }
        }
    }
    let out = all - left.len();
    Ok((left, out))
}

/// A failed run outweighs one that waits, and that one a cancelled one.
fn worse(one: Exit, other: Exit) -> Exit {
    [Exit::Failed, Exit::Attention, Exit::Cancelled]
        .into_iter()
        .find(|exit| [one, other].contains(exit))
        .unwrap_or(one)
}

/// Runs that were taken but can't be carried on here.
fn stuck(node: &Node) -> Option<Failure> {
    let stuck = node.engine.stuck();
    let lines: Vec<_> = stuck.iter().map(|(run, why)| format!("run {run}: {why}")).collect();
    (!lines.is_empty()).then(|| {
        Failure::unavailable(format!("can't be carried on here:\n  {}", lines.join("\n  ")))
    })
}

/// The runs at the top that have not ended, by what they act on.
async fn unfinished(client: &Client, named: &[String]) -> Outcome<BTreeMap<Site, Vec<RunId>>> {
    let mut found = BTreeMap::<Site, Vec<RunId>>::new();
    let mut add = |record: &rackwright_engine::store::RunRecord| {
        let roots = found.entry(Site::of(&record.labels)).or_default();
        if !roots.contains(&record.id) {
            roots.push(record.id);
        }
    };
    for name in named {
        let run = runs::find(client, name).await?;
        let record = client.record(client.record(run).await?.root).await?;
        if record.status.is_ended() {
            return Err(Failure::usage(format!("run {run} has ended: {}", record.status)));
        }
        add(&record);
    }
    if named.is_empty() {
        let open = RunStatus::ALL.into_iter().filter(|status| !status.is_ended()).collect();
        let mut filter = RunFilter { status: open, ..RunFilter::default() };
        loop {
            let page = client.runs(&filter).await?;
            page.iter().filter(|record| record.parent.is_none()).for_each(&mut add);
            match page.last() {
                Some(last) if page.len() == filter.limit as usize => filter.before = Some(last.id),
                Some(_) | None => break,
            }
        }
    }
    Ok(found)
}
