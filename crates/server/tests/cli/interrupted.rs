//! Killed, interrupted, cancelled, left to the background.

use std::process::{Child, Command};

use serde_json::Value;

use crate::support::{Sandbox, has, shipped, stderr, stdout};

/// Sends a signal to a process that the test started.
pub(crate) fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
}

/// Waits until the newest run has got so far that MAAS commissions the machine.
pub(crate) fn commissioning(sandbox: &Sandbox) -> Value {
    Sandbox::until("a commissioning", || {
        let run = sandbox.last_run()?;
        let told = run["steps"][0]["attempts"][0]["subtasks"].to_string();
        told.contains("Commissioning: ").then_some(run)
    })
}

/// A commissioning at this speed takes seconds.
const SLOW: &str = "60";

fn run(file: &str) -> [&str; 7] {
    ["run", file, "--lab=1", "--lab-speed", SLOW, "-i", "server_id=srv001"]
}

#[test]
fn a_killed_run_comes_back_to_the_same_rack() {
    let sandbox = Sandbox::new();
    let file = shipped("provision-server.yaml");
    let mut first = sandbox.spawn(&run(&file));
    let begun = commissioning(&sandbox);
    first.kill().unwrap();
    first.wait().unwrap();
    let told = stdout(&sandbox.rackwright(&["resume"]).code(0));
    has(&told, &["commission  looking at the target", "under way", "✔ finalise"]);
    assert!(
        !told.contains("Looking up the machine in MAAS\n     0ms"),
        "history is not told again"
    );
    let ended = sandbox.last_run().unwrap();
    assert_eq!(ended["record"]["id"], begun["record"]["id"]);
    assert_eq!(ended["outcome"]["status"], "completed");
    let lab = ended["record"]["labels"]["lab"].as_str().unwrap();
    let requests = std::fs::read_to_string(format!("{lab}/lab-requests.jsonl")).unwrap();
    let asked = requests.lines().filter(|line| line.contains("op-commission")).count();
    assert_eq!(asked, 1, "the machine was commissioned once: {requests}");
}

#[test]
fn ctrl_c_stops_gently_and_says_how_to_go_on() {
    let sandbox = Sandbox::new();
    let file = shipped("provision-server.yaml");
    let child = sandbox.spawn(&run(&file));
    let begun = commissioning(&sandbox);
    let held = sandbox.rackwright(&["run", &file, "--lab=1", "-i", "server_id=srv001"]).code(5);
    has(&stderr(&held), &["is in use by", "runs watch last"]);
    signal(&child, "INT");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let id = begun["record"]["id"].as_str().unwrap();
    let hint = format!("rackwright resume {id}");
    has(&String::from_utf8(ended.stderr).unwrap(), &["stopping", &hint]);
    sandbox.rackwright(&["resume", id]).code(0);
}

#[test]
fn a_detached_run_is_watched_and_cancelled() {
    let sandbox = Sandbox::new();
    let file = shipped("provision-server.yaml");
    let mut arguments = run(&file).to_vec();
    arguments.push("--detach");
    let told = stdout(&sandbox.rackwright(&arguments).code(0));
    let id = told.trim();
    assert_eq!(id.len(), 36, "{told}");
    commissioning(&sandbox);
    let watch = sandbox.spawn(&["runs", "watch", id]);
    let cancel = ["runs", "cancel", id, "--reason", "enough"];
    has(&stdout(&sandbox.rackwright(&cancel).code(0)), &["asked run", "to stop"]);
    let watched = watch.wait_with_output().unwrap();
    assert_eq!(watched.status.code(), Some(3));
    let told = String::from_utf8(watched.stdout).unwrap();
    // What is under way at the machine can't be broken off: it is seen to its end.
    has(&told, &["cancelled by tester: enough", "✔ commission", "– address"]);
    let shown = stdout(&sandbox.rackwright(&["runs", "show", id]).code(0));
    has(&shown, &["status    cancelled", "cancelled by tester: enough"]);
}

#[test]
fn what_the_background_refuses_is_told() {
    let sandbox = Sandbox::new();
    let run = ["run", &shipped("provision-server.yaml"), "--lab=1", "--detach"];
    let told = stderr(&sandbox.rackwright(&run).code(2));
    has(&told, &["which machine?", "srv001"]);
}
