//! `map` with `max_failures`.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use rackwright_engine::RunStatus;
use serde_json::{Value, json};

use crate::scripted::Script;

fn map(max_failures: Value) -> Script {
    let map = json!({
        "over": [0, 1, 2, 3, 4], "max_concurrency": 2,
        "on_error": "continue", "max_failures": max_failures,
    });
    Script::new(json!([{ "id": "m", "map": map, "steps": [{ "id": "s", "uses": "x.idem" }] }]))
}

#[test]
fn failures_within_the_budget_are_tolerated_and_told() {
    // A quarter of five, rounded down, is one.
    for most in [json!(1), json!("25%")] {
        let mut run = map(most);
        run.fail("m[0]/s");
        for item in 1..5 {
            run.done(&format!("m[{item}]/s"));
        }
        let output = json!([null, "m[1]/s", "m[2]/s", "m[3]/s", "m[4]/s"]);
        assert_eq!(run.first(), ("completed", output));
        run.ended(RunStatus::Completed);
        assert_eq!(run.state.errors.len(), 1, "who failed is told all the same");
    }
}

#[test]
fn beyond_it_nothing_new_starts_and_what_runs_finishes() {
    let mut run = map(json!(1));
    run.fail("m[0]/s");
    run.fail("m[1]/s");
    assert_eq!(run.open(), ["m[2]/s"]);
    run.crash();
    run.done("m[2]/s");
    assert_eq!(run.first(), ("failed", json!([null, null, "m[2]/s"])));
    run.ended(RunStatus::Failed);
    let error = run.state.steps[0].main.error.clone().unwrap();
    assert_eq!(error.code, "engine.items_failed");
    assert_eq!(error.message, "2 of 5 items failed, at most 1 may");
    let paths: Vec<_> = run.state.errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["m[0]/s", "m[1]/s"]);
}

#[test]
fn a_budget_of_nothing_stops_at_the_first() {
    let mut run = map(json!("10%"));
    run.fail("m[0]/s");
    run.done("m[1]/s");
    assert_eq!(run.first().0, "failed");
    run.ended(RunStatus::Failed);
}

#[test]
fn what_a_cancel_stops_is_no_failure() {
    let mut run = map(json!(1));
    run.done("m[0]/s");
    run.cancel();
    run.stop("m[1]/s");
    run.stop("m[2]/s");
    assert_eq!(run.first().0, "cancelled");
    run.ended(RunStatus::Cancelled);
}
