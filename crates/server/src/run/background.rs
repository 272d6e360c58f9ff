//! `run --detach`: the same command again in a process of its own, which says its run's id.

use std::{
    ffi::OsString,
    fs::File,
    io::{Write, stdout},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use rackwright_engine::RunId;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    exit::{Exit, Failure, Outcome},
    home::Home,
    output::Output,
};

/// Starts the process, and waits until its run is durable.
pub(super) async fn start(home: &Home, output: &Output) -> Outcome<Exit> {
    Home::make(home.dir())?;
    let log = home.dir().join(format!("background-{}.log", std::process::id()));
    let cannot = |error: std::io::Error| {
        Failure::unavailable(format!("the run can't be left to the background: {error}"))
    };
    let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
    command
        .args(std::env::args_os().skip(1).map(background))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&log).map_err(cannot)?)
        // A group of its own: Ctrl-C in this terminal is not meant for it.
        .process_group(0);
    let mut child = tokio::process::Command::from(command).spawn().map_err(cannot)?;
    let Some(said) = child.stdout.take() else {
        return Err(Failure::unavailable("the process in the background can't be heard"));
    };
    let id = BufReader::new(said).lines().next_line().await.map_err(cannot)?;
    let Some(id) = id else {
        let status = child.wait().await.map_err(cannot)?;
        let told = std::fs::read_to_string(&log).unwrap_or_default();
        // What it said is all that matters of it.
        let _ = std::fs::remove_file(&log);
        let exit = if status.code() == Some(i32::from(Exit::Usage.number())) {
            Exit::Usage
        } else {
            Exit::Unavailable
        };
        return Err(Failure { exit, message: told, rendered: true, hint: None });
    };
    if output.json() {
        output.object(&json!({ "type": "detached", "run": id, "process": child.id(), "log": log }));
    } else {
        output.line(&id);
        output.note(format_args!("watch it with: rackwright runs watch {id}"));
    }
    Ok(Exit::Completed)
}

fn background(argument: OsString) -> OsString {
    if argument == "--detach" { "--background".into() } else { argument }
}

/// Says the run's id to the process that waits for it.
pub(super) fn announce(run: RunId) {
    let _ = writeln!(stdout(), "{run}");
}
