//! `rackwright migrate`: runs move to other versions of their workflows.

use std::{collections::HashMap, path::Path};

use rackwright_engine::{
    Client,
    machine::{Ahead, Obstacle},
    model::Version,
};
use serde_json::json;

use crate::{
    cli::{Common, MigrateArguments},
    exit::{Exit, Failure, Outcome},
    home::Home,
    output::Output,
    runs::{find, told, who},
    workflows,
};

pub(crate) async fn migrate(
    common: &Common,
    arguments: &MigrateArguments,
    output: &Output,
) -> Outcome<Exit> {
    let home = Home::find(common)?;
    let client = Client::new(home.open().await?);
    let run = find(&client, &arguments.run).await?;
    let workflow = client.record(run).await?.workflow;
    let version = version(&client, &home, &workflow, &arguments.to, output).await?;
    if arguments.check {
        let looked = client.movable(run, version).await?;
        let movable = looked.is_ok();
        if output.json() {
            let (ahead, obstacles) = (looked.as_ref().ok(), looked.as_ref().err());
            output.object(&json!({
                "type": "movable", "run": run, "version": version, "movable": movable,
                "ahead": ahead, "obstacles": obstacles,
            }));
        } else {
            output.line(said(version, &looked));
        }
        return Ok(if movable { Exit::Completed } else { Exit::Usage });
    }
    let by = who(arguments.said.by.as_ref());
    let sent = client.migrate(run, version, &by, arguments.said.reason.as_deref()).await?;
    let text = format!("run {{}} is one of version {version:?} now");
    told(&client, &sent, ("migrated", &text), output).await
}

/// The version that is meant; that of a file is kept in the store.
async fn version(
    client: &Client,
    home: &Home,
    workflow: &str,
    to: &str,
    output: &Output,
) -> Outcome<Version> {
    if Path::new(to).is_file() {
        return keep(client, home, Path::new(to), output).await;
    }
    let known = client.versions(workflow).await?;
    let found: Vec<_> = match to {
        "newest" => known.iter().take(1).copied().collect(),
        prefix => known.iter().filter(|it| it.to_string().starts_with(prefix)).copied().collect(),
    };
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            let shown: Vec<_> = known.iter().map(|version| format!("{version:?}")).collect();
            Err(Failure::usage(format!("workflow `{workflow}` has no version `{to}`"))
                .hint(format!("the store has {}, the newest first", shown.join(", "))))
        }
        _ => Err(Failure::usage(format!("several versions begin with `{to}`"))),
    }
}

async fn keep(client: &Client, home: &Home, file: &Path, output: &Output) -> Outcome<Version> {
    let types = workflows::device_types(home, workflows::device_types_beside(file).as_deref())?;
    let bundle = workflows::load(file, &workflows::registry(types)?)
        .map_err(|problems| workflows::invalid(&problems, output))?;
    let mut versions = HashMap::new();
    let mut last = None;
    for mut loaded in bundle.workflows {
        loaded.workflow.pin(&|name| versions.get(name).copied());
        let version = client.keep(&loaded.workflow).await?;
        versions.insert(loaded.workflow.name, version);
        last = Some(version);
    }
    last.ok_or_else(|| Failure::usage("the file holds no workflow"))
}

fn said(version: Version, looked: &Result<Ahead, Vec<Obstacle>>) -> String {
    let lines = match looked {
        Err(obstacles) => {
            let lines: Vec<_> = obstacles.iter().map(|it| format!("  {it}")).collect();
            return format!("can't move to version {version:?}:\n{}", lines.join("\n"));
        }
        Ok(Ahead { added, removed, changed }) => {
            let each = |sign: char, paths: &std::collections::BTreeSet<String>| {
                let lines: Vec<_> = paths.iter().map(|path| format!("\n  {sign} {path}")).collect();
                lines.concat()
            };
            each('+', added) + &each('-', removed) + &each('~', changed)
        }
    };
    let what = if lines.is_empty() { ", and nothing ahead differs" } else { "; ahead of it:" };
    format!("can move to version {version:?}{what}{lines}")
}
