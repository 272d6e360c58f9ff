//! Nodes and workers, as their operators see them.

use std::process::Child;

use serde_json::Value;

use crate::{
    interrupted::signal,
    support::{SUM, Sandbox, has, objects, stderr, stdout},
};

fn nodes(sandbox: &Sandbox) -> Vec<Value> {
    objects(&sandbox.rackwright(&["node", "list", "--json"]).code(0))
}

fn started(sandbox: &Sandbox, arguments: &[&str], name: &str) -> Child {
    let node = sandbox.spawn(&[&["node", "--name", name], arguments].concat());
    Sandbox::until("the node's lease", || {
        nodes(sandbox)
            .iter()
            .any(|it| it["node"]["name"] == name && it["alive"] == true)
            .then_some(())
    });
    node
}

#[test]
fn a_node_is_listed_drained_and_ends_when_it_is_empty() {
    let sandbox = Sandbox::new();
    has(&stderr(&sandbox.rackwright(&["node", "list"]).code(0)), &["there are no nodes"]);
    let unknown = sandbox.rackwright(&["node", "drain", "nobody"]).code(2);
    has(&stderr(&unknown), &["nobody"]);
    let arguments = ["--label", "site=ams1", "--capacity", "7"];
    let node = started(&sandbox, &arguments, "left");
    let told = stdout(&sandbox.rackwright(&["node", "list"]).code(0));
    has(&told, &["left", "works", "0 of 7", "site=ams1"]);
    let drained = stdout(&sandbox.rackwright(&["node", "drain", "left"]).code(0));
    has(&drained, &["left (", "takes nothing more", "it has 0 runs"]);
    let ended = node.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    has(&String::from_utf8(ended.stderr).unwrap(), &["drained this node, and it is empty"]);
    assert_eq!(nodes(&sandbox), Vec::<Value>::new());
}

#[test]
fn a_schedule_asks_for_labels_of_its_node() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("sum.yaml", SUM);
    let add = ["schedules", "add", "yearly", &file, "--cron", "0 0 1 1 *", "-i", "left=1"];
    let add = [&add[..], &["--require", "site=ams1"]].concat();
    sandbox.rackwright(&add).code(0);
    sandbox.rackwright(&["schedules", "run-now", "yearly"]).code(0);
    let elsewhere = started(&sandbox, &["--label", "site=fra2"], "right");
    let made = Sandbox::until("the run of the schedule", || sandbox.last_run());
    assert_eq!(made["record"]["requires"]["site"], "ams1");
    assert_eq!(made["record"]["status"], "pending", "no node is fit for it");
    signal(&elsewhere, "TERM");
    assert!(elsewhere.wait_with_output().unwrap().status.success());
    let fit = started(&sandbox, &["--label", "site=ams1"], "left");
    Sandbox::until("its end", || {
        sandbox.last_run().filter(|run| run["outcome"]["status"] == "completed")
    });
    signal(&fit, "TERM");
    assert!(fit.wait_with_output().unwrap().status.success());
}

/// A workflow that leaves its step to a pool.
const POOLED: &str = "\
workflow: pooled
steps:
  - id: load
    uses: device_type.load
    with: { device_type: dell-r750 }
    pool: ams1
";

#[test]
fn a_worker_makes_the_calls_of_its_pool() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("pooled.yaml", POOLED);
    let run = sandbox.spawn(&["run", &file]);
    Sandbox::until("the call in the queue", || {
        sandbox.last_run()?;
        let told = stdout(&sandbox.rackwright(&["runs", "show", "last"]));
        told.contains("load: waits for a worker of ams1").then_some(())
    });
    sandbox.rackwright(&["worker"]).code(2);
    let worker = sandbox.spawn(&["worker", "--pool", "ams1", "--name", "w1", "--slots", "2"]);
    let ended = run.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    signal(&worker, "TERM");
    let ended = worker.wait_with_output().unwrap();
    assert!(ended.status.success());
    let told = String::from_utf8(ended.stdout).unwrap();
    has(&told, &["w1 works for ams1", "stops: what runs is finished or given back"]);
}
