//! On the lab.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use crate::support::{Sandbox, has, objects, shipped, stderr, stdout};

#[test]
fn a_machine_has_to_be_named() {
    let sandbox = Sandbox::new();
    let file = shipped("provision-server.yaml");
    let told = stderr(&sandbox.rackwright(&["run", &file, "--lab=2"]).code(2));
    has(&told, &["which machine?", "srv001", "dell-r750", "srv002"]);
    let other = ["run", &file, "--lab=2", "-i", "server_id=srv003"];
    has(&stderr(&sandbox.rackwright(&other).code(2)), &["the lab has no machine `srv003`"]);
    let firmware = ["run", &file, "--lab=2", "-i", "server_id=srv001", "-i", "firmware_first=true"];
    let told = stderr(&sandbox.rackwright(&firmware).code(2));
    has(&told, &["firmware_first", "not possible yet"]);
    let labs = std::fs::read_dir(sandbox.path("data/labs")).unwrap().count();
    assert_eq!(labs, 0, "labs of runs that never came to be are removed");
}

#[test]
fn a_server_is_provisioned_and_the_run_tells_every_step() {
    let sandbox = Sandbox::new();
    let file = shipped("provision-server.yaml");
    let run = ["run", &file, "--lab=1", "--lab-speed", "300", "-i", "server_id=srv001"];
    let told = stdout(&sandbox.rackwright(&run).code(0));
    for step in [
        "commission",
        "address",
        "pull-bios",
        "modify-bios",
        "push-bios",
        "configure-ipmi",
        "finalise",
    ] {
        has(&told, &[&format!("✔ {step}"), &format!("{step}  completed in")]);
    }
    let shown = sandbox.last_run().unwrap();
    assert_eq!(shown["record"]["labels"]["lab_speed"], "300");
    for step in shown["steps"].as_array().unwrap() {
        let attempt = &step["attempts"][0];
        assert!(attempt["started_at"].is_i64() && attempt["ended_at"].is_i64(), "{step}");
        assert!(!attempt["subtasks"].as_array().unwrap().is_empty(), "{step}");
    }
}

#[test]
fn the_inputs_say_how_often_and_how_long() {
    let sandbox = Sandbox::new();
    let file = shipped("provision-server.yaml");
    let fault = ["--lab-fault", "commission_always_fails"];
    let run = ["run", &file, "--lab=1", "--lab-speed", "300", "-i", "server_id=srv001"];
    let once = [&run[..], &fault, &["-i", "retry_count=0"]].concat();
    has(&stdout(&sandbox.rackwright(&once).code(1)), &["commission  (1 attempt, "]);
    let short = [&run[..], &["-i", "retry_count=0", "-i", "timeout=300ms"]].concat();
    // The time-out does not stop MAAS: what is still under way is nobody's to begin again.
    let told = stdout(&sandbox.rackwright(&short).code(4));
    has(&told, &["maas.commission did not end within 300ms", "still under way after the last"]);
    let wrong = [&run[..], &["-i", "retry_count=-1", "-i", "timeout=soon"]].concat();
    has(&stderr(&sandbox.rackwright(&wrong).code(2)), &["input.retry_count", "input.timeout"]);
}

#[test]
fn a_rack_goes_on_past_a_machine_that_fails() {
    let sandbox = Sandbox::new();
    let file = shipped("lab-rack.yaml");
    let faults = ["commission_fails_once@srv001", "commission_always_fails@srv002"];
    let speed = ["--lab-speed", "300"];
    let mut run = vec!["run", &file, "--lab=3", speed[0], speed[1]];
    run.extend(faults.iter().flat_map(|fault| ["--lab-fault", fault]));
    let told = stdout(&sandbox.rackwright(&run).code(1));
    has(&told, &["next attempt in", "tried again after", "✔ [0] srv001", "✖ [1] srv002", "✔ [2]"]);
    let errors = told.split_once("1 error:").unwrap().1;
    has(
        errors,
        &["machines[1]/provision-server/commission  (srv002, 3 attempts", "while: ", "hint: "],
    );
    has(errors, &["maas.commission_failed: srv002: "]);
    let outcome = sandbox.last_run().unwrap()["outcome"].clone();
    assert_eq!(outcome["status"], "failed");
    assert_eq!(outcome["errors"].as_array().map(Vec::len), Some(1));
}

/// The connection dies in the middle of a command that can't be looked for afterwards.
#[test]
fn a_person_decides_about_what_nobody_can_know() {
    let sandbox = Sandbox::new();
    let text = "\
workflow: touch
input: { properties: { machines: {}, known_hosts: { type: string } } }
steps:
  - id: commission
    uses: maas.commission
    with: { machine: srv001, enable_ssh: true, poll: 200ms }
  - id: touch
    uses: ssh.exec
    with:
      host: 127.0.0.1
      port: \"{{ input.machines[0].ssh_port }}\"
      credential: ssh
      known_hosts: \"{{ input.known_hosts }}\"
      command: hostname
";
    let file = sandbox.file("touch.yaml", text);
    let run = ["run", &file, "--lab=1", "--lab-speed", "300", "--lab-fault", "ssh_drops"];
    let told = stdout(&sandbox.rackwright(&run).code(4));
    has(&told, &["! touch", "touch waits for a person:", "rackwright runs resolve", "touch retry"]);
    let shown = stdout(&sandbox.rackwright(&["runs", "show", "last"]).code(0));
    has(&shown, &["status    attention", "touch waits for a person:"]);
    let other =
        sandbox.rackwright(&["runs", "resolve", "last", "x", "done", "--reason", "y"]).code(2);
    has(&stderr(&other), &["no step `x`", "touch"]);
    let resume = sandbox.rackwright(&["resume"]).code(4);
    has(&stdout(&resume), &["touch waits for a person:"]);
    let done =
        ["runs", "resolve", "last", "touch", "done", "--reason", "seen", "--output", "{\"a\":1}"];
    has(&stderr(&sandbox.rackwright(&done).code(0)), &["rackwright resume"]);
    let told = stdout(&sandbox.rackwright(&["resume"]).code(0));
    has(&told, &["touch  tester says done: seen", "touch  completed"]);
    assert_eq!(sandbox.last_run().unwrap()["outcome"]["output"]["a"], 1);
}

#[test]
fn the_lab_runs_alone() {
    let sandbox = Sandbox::new();
    let mut lab = sandbox.spawn(&["lab", "3", "--json"]);
    let mut line = String::new();
    BufReader::new(lab.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(told["inventory"]["machines"].as_array().map(Vec::len), Some(3));
    assert!(told["maas"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    let second = sandbox.rackwright(&["lab"]).code(5);
    has(&stderr(&second), &["is another process serving this lab?"]);
    crate::interrupted::signal(&lab, "INT");
    assert_eq!(lab.wait().unwrap().code(), Some(0));
    let sized = sandbox.rackwright(&["lab", "4"]).code(2);
    has(&stderr(&sized), &["has 3 machines, not 4"]);
    assert_eq!(objects(&sandbox.rackwright(&["runs", "list", "--json"]).code(0)).len(), 0);
}
