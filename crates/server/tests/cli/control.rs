//! Orders to a run that another process carries on.

use std::process::Child;

use crate::support::{Sandbox, has, objects, shipped, stderr, stdout};

/// A process with a run whose first step takes so long that it can't end by itself.
fn started(sandbox: &Sandbox) -> (Child, String) {
    let file = shipped("provision-server.yaml");
    let run = ["run", &file, "--lab=1", "--lab-speed", "1", "-i", "server_id=srv001"];
    let process = sandbox.spawn(&run);
    let id = Sandbox::until("a commissioning", || {
        let run = sandbox.last_run()?;
        let told = run["steps"][0]["attempts"][0]["subtasks"].to_string();
        let id = run["record"]["id"].as_str()?.to_owned();
        told.contains("Commissioning").then_some(id)
    });
    (process, id)
}

#[test]
fn a_run_is_paused_resumed_stopped_at_once_and_released() {
    let sandbox = Sandbox::new();
    let (mut process, id) = started(&sandbox);
    let say = |arguments: &[&str]| stdout(&sandbox.rackwright(arguments).code(0));
    has(&say(&["runs", "pause", &id, "--reason", "a closer look"]), &["starts nothing more"]);
    let again = sandbox.rackwright(&["runs", "pause", &id]).code(2);
    has(&stderr(&again), &["it is paused already, by tester"]);
    has(&say(&["runs", "show", &id]), &["paused    by tester: a closer look"]);
    let told = objects(&sandbox.rackwright(&["runs", "resume", &id, "--json"]).code(0));
    assert_eq!(told[0]["recorded"], true, "{told:?}");
    let told = sandbox.rackwright(&["runs", "skip", &id, "comission", "--reason", "so"]).code(2);
    has(&stderr(&told), &["it has no step `comission`; did you mean `commission`?"]);
    let told = sandbox.rackwright(&["runs", "skip", &id, "commission", "--reason", "so"]).code(2);
    has(&stderr(&told), &["`commission` is under way (running)"]);
    has(&say(&["runs", "skip", &id, "push-bios", "--reason", "as it is"]), &["told run"]);
    let mark =
        ["runs", "mark-done", &id, "configure-ipmi", "--output", "{}", "--reason", "by hand"];
    has(&say(&mark), &["told run"]);
    let told = sandbox.rackwright(&["runs", "stop", &id]).code(2);
    has(&stderr(&told), &["--emergency"]);
    let lab = sandbox.last_run().unwrap()["record"]["labels"]["lab"].as_str().unwrap().to_owned();
    let label = format!("lab={lab}");
    let stop = ["runs", "stop", "--emergency", "--label", &label, "--reason", "smoke", "--json"];
    let told = objects(&sandbox.rackwright(&stop).code(0));
    assert_eq!((told.len(), &told[0]["run"]), (1, &serde_json::json!(id)));
    assert_eq!(told[0]["told"], "stopped");
    has(&say(&["runs", "show", &id]), &["stopped   by tester: smoke"]);
    let journal = say(&["runs", "journal", &id]);
    has(&journal, &["paused  {", "resumed  {", "skipped_by  {", "marked_done  {", "\"smoke\""]);
    let listed =
        objects(&sandbox.rackwright(&["runs", "list", "--label", &label, "--json"]).code(0));
    assert_eq!(listed.len(), 1);
    let none =
        objects(&sandbox.rackwright(&["runs", "list", "--label", "lab=no", "--json"]).code(0));
    assert_eq!(none.len(), 0);
    // The step had begun, so the target has to be looked at: that waits for a word.
    Sandbox::until("a run at rest", || {
        (sandbox.last_run()?["record"]["status"] == "attention").then_some(())
    });
    has(&say(&["runs", "show", &id]), &["rackwright runs release"]);
    // The process has nothing to do any more; whoever carries the run on reads the order.
    assert_eq!(process.wait().unwrap().code(), Some(4));
    let told = sandbox.rackwright(&["runs", "release", &id]).code(0);
    has(&stdout(&told), &["does what it owes"]);
    has(&stderr(&told), &["nobody carries it on now", &format!("rackwright resume {id}")]);
    sandbox.rackwright(&["runs", "stop", "--emergency", "--label", "lab=no"]).code(0);
}
