//! Runs that go on from runs that have ended.

use crate::support::{Sandbox, has, objects, stderr, stdout};

const FLOW: &str = "\
workflow: w
steps:
  - id: a
    set: \"{{ input.zero }}\"
  - id: b
    set: \"{{ [steps.a.output, 1 // input.zero] }}\"
";

#[test]
fn a_failed_run_is_retried_and_forked() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("w.yaml", FLOW);
    sandbox.rackwright(&["run", &file, "-i", "zero=0"]).code(1);
    let old = sandbox.last_run().unwrap()["record"]["id"].as_str().unwrap().to_owned();

    let retry = sandbox.rackwright(&["runs", "retry", &old, "--reason", "once more"]).code(0);
    let new = stdout(&retry).trim().to_owned();
    let hint = format!("rackwright resume {new}");
    has(&stderr(&retry), &["goes on from b, with 1 results", &hint]);
    let shown = stdout(&sandbox.rackwright(&["runs", "show", &new]).code(0));
    has(&shown, &[&format!("forked    from {old} at b, by tester: once more")]);
    // Nothing is different, so it fails again.
    sandbox.rackwright(&["resume", &new]).code(1);

    let fork = ["runs", "fork", &old, "--from", "b", "-i", "zero=2", "--json"];
    let told = objects(&sandbox.rackwright(&fork).code(0)).remove(0);
    assert_eq!((told["forked_from"].as_str(), &told["from"][0]), (Some(&*old), &"b".into()));
    let third = told["run"].as_str().unwrap();
    has(&stdout(&sandbox.rackwright(&["resume", third]).code(0)), &["✔ a", "✔ b"]);
    let shown = objects(&sandbox.rackwright(&["runs", "show", third, "--json"]).code(0)).remove(0);
    assert_eq!(shown["outcome"]["output"], serde_json::json!([0, 0]), "{shown:#}");
    assert_eq!((&shown["input"]["zero"], &shown["forked_from"]["run"]), (&2.into(), &old.into()));

    let told = sandbox.rackwright(&["runs", "fork", third, "--from", "c"]).code(2);
    has(&stderr(&told), &["it has no step `c`"]);
    let told = sandbox.rackwright(&["runs", "retry", third]).code(2);
    has(&stderr(&told), &["it has completed: fork it from a step"]);
}
