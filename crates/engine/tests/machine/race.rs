//! `parallel` with `wait_for`.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use rackwright_engine::RunStatus;
use serde_json::{Value, json};

use crate::scripted::Script;

fn race(wait_for: Value) -> Script {
    let branch = |id: &str| {
        json!({ "steps": [{ "id": id, "uses": "x.idem",
        "cleanup": { "uses": "x.idem" } }] })
    };
    Script::new(json!([{
        "id": "p", "wait_for": wait_for,
        "parallel": { "a": branch("s"), "b": branch("s"), "c": branch("s") },
    }]))
}

#[test]
fn the_first_branch_wins_and_the_others_are_stopped() {
    let mut run = race(json!("any"));
    run.done("p/b/s");
    assert_eq!(run.told, Vec::<String>::new(), "b still owes its cleanup");
    run.done("p/b/s/cleanup");
    assert_eq!(run.told, ["p/a/s", "p/c/s"]);
    run.stop("p/c/s");
    run.stop("p/a/s");
    assert_eq!(run.open(), ["p/c/s/cleanup", "p/a/s/cleanup"], "what they owe is met");
    run.done("p/a/s/cleanup");
    assert_eq!(run.first().0, "running");
    run.done("p/c/s/cleanup");
    assert_eq!(run.first(), ("completed", json!({ "a": null, "b": "p/b/s", "c": null })));
    run.ended(RunStatus::Completed);
    assert!(run.state.errors.is_empty(), "{:?}", run.state.errors);
}

#[test]
fn a_branch_that_did_not_hear_it_counts_as_what_it_is() {
    let mut run = race(json!(1));
    for branch in ["a", "b", "c"] {
        run.done(&format!("p/{branch}/s"));
        run.done(&format!("p/{branch}/s/cleanup"));
    }
    assert_eq!(run.told, ["p/b/s", "p/c/s"], "each is told once");
    let all = json!({ "a": "p/a/s", "b": "p/b/s", "c": "p/c/s" });
    assert_eq!(run.first(), ("completed", all));
    run.ended(RunStatus::Completed);
}

#[test]
fn as_many_failures_as_may_be_are_tolerated() {
    let mut run = race(json!(2));
    run.fail("p/a/s");
    run.done("p/a/s/cleanup");
    assert!(run.told.is_empty(), "two can still complete");
    run.done("p/b/s");
    run.done("p/b/s/cleanup");
    run.crash();
    run.done("p/c/s");
    run.done("p/c/s/cleanup");
    let output = json!({ "a": null, "b": "p/b/s", "c": "p/c/s" });
    assert_eq!(run.first(), ("completed", output));
    run.ended(RunStatus::Completed);
}

#[test]
fn when_too_many_failed_the_rest_is_stopped_and_all_errors_are_told() {
    let mut run = race(json!(2));
    for branch in ["a", "b"] {
        run.fail(&format!("p/{branch}/s"));
        run.done(&format!("p/{branch}/s/cleanup"));
    }
    assert_eq!(run.told, ["p/c/s"]);
    run.crash();
    // The attempt was under way: its node is gone, and it may not start again.
    assert_eq!(run.open(), ["p/c/s/cleanup"]);
    run.done("p/c/s/cleanup");
    assert_eq!(run.first().0, "failed");
    run.ended(RunStatus::Failed);
    let paths: Vec<_> = run.state.errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["p/a/s", "p/b/s"]);
}

#[test]
fn a_cancel_is_no_failure() {
    let mut run = race(json!(2));
    run.cancel();
    for branch in ["a", "b", "c"] {
        run.stop(&format!("p/{branch}/s"));
        run.done(&format!("p/{branch}/s/cleanup"));
    }
    assert_eq!(run.first().0, "cancelled");
    run.ended(RunStatus::Cancelled);
}

#[test]
fn all_lets_the_others_finish() {
    let mut run = race(json!("all"));
    run.fail("p/a/s");
    run.done("p/a/s/cleanup");
    run.done("p/b/s");
    run.done("p/b/s/cleanup");
    assert!(run.told.is_empty());
    run.done("p/c/s");
    run.done("p/c/s/cleanup");
    let output = json!({ "a": null, "b": "p/b/s", "c": "p/c/s" });
    assert_eq!(run.first(), ("failed", output));
}
