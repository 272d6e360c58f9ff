//! How a run ends: its `finally`, and its time.

use std::time::Duration;

use rackwright_engine::{
    RunStatus,
    machine::{Event, Verdict},
};
use serde_json::{Value, json};

use crate::scripted::Script;

const HOUR: Duration = Duration::from_hours(1);

fn task(id: &str) -> Value {
    json!({ "id": id, "uses": "x.idem" })
}

/// `a` with a cleanup and an undo, then `b`; at the end `tell` and `off`.
fn flow() -> Script {
    let owing = json!({ "id": "a", "uses": "x.idem", "undo": { "uses": "x.idem" },
        "cleanup": { "uses": "x.idem" } });
    let tell = json!({ "id": "tell", "uses": "x.idem", "with": {
        "status": "{{ run.status }}", "errors": "{{ run.errors | map(attribute='path') | list }}",
        "a": "{{ steps.a.output }}" } });
    Script::of(json!({
        "workflow": "w", "timeout": "8h",
        "steps": [owing, task("b")],
        "finally": [tell, task("off")],
    }))
}

fn errors(run: &Script) -> Vec<(&str, &str)> {
    run.state.errors.iter().map(|it| (it.path.as_str(), it.error.code.as_str())).collect()
}

#[test]
fn a_run_that_completes_does_what_it_does_finally() {
    let mut run = flow();
    run.done("a");
    run.done("b");
    assert_eq!(run.open(), ["a/cleanup"]);
    run.done("a/cleanup");
    assert_eq!(run.open(), ["finally/tell"]);
    assert_eq!(run.calls[0].input, json!({ "status": "completed", "errors": [], "a": "a" }));
    run.crash();
    run.done("finally/tell");
    run.done("finally/off");
    run.ended(RunStatus::Completed);
    assert_eq!(*run.state.output, json!("b"), "the output is not that of `finally`");
}

#[test]
fn a_run_that_fails_does_it_after_its_obligations() {
    let mut run = flow();
    run.done("a");
    run.fail("b");
    run.done("a/undo");
    run.done("a/cleanup");
    assert_eq!(run.calls[0].input, json!({ "status": "failed", "errors": ["b"], "a": "a" }));
    run.done("finally/tell");
    run.done("finally/off");
    run.ended(RunStatus::Failed);
}

#[test]
fn a_cancel_stops_the_steps_and_not_what_is_done_finally() {
    let mut run = flow();
    run.cancel();
    assert_eq!(run.told, ["a"]);
    run.stop("a");
    run.done("a/cleanup");
    assert_eq!(run.calls[0].input["status"], "cancelled");
    let before = run.journal.len();
    run.cancel();
    assert_eq!(run.journal.len(), before + 1, "there is nothing left to cancel");
    assert!(matches!(run.journal[before].1, Event::ControlRefused { .. }));
    assert_eq!(run.told, ["a"]);
    run.done("finally/tell");
    run.done("finally/off");
    run.ended(RunStatus::Cancelled);
}

#[test]
fn a_cancel_that_comes_too_late_changes_nothing() {
    let mut run = flow();
    run.done("a");
    run.done("b");
    run.done("a/cleanup");
    run.cancel();
    assert!(run.told.is_empty());
    run.done("finally/tell");
    run.done("finally/off");
    run.ended(RunStatus::Completed);
}

#[test]
fn a_call_that_fails_finally_waits_for_a_person() {
    let mut run = flow();
    run.done("a");
    run.done("b");
    run.done("a/cleanup");
    run.fail("finally/tell");
    assert_eq!(run.state.visible_status(), RunStatus::Attention);
    let why = json!("a step of `finally` failed");
    assert_eq!(run.asked(), [("finally/tell".to_owned(), why)]);
    run.resolve("finally/tell", Verdict::Retry);
    run.fail("finally/tell");
    run.resolve("finally/tell", Verdict::Failed);
    // The next one is owed all the same.
    run.done("finally/off");
    run.ended(RunStatus::Failed);
    assert_eq!(errors(&run), [("finally/tell", "engine.resolved_failed")]);
}

#[test]
fn a_call_that_can_not_start_finally_waits_for_a_person() {
    let mut run = Script::of(json!({
        "workflow": "w", "steps": [task("a")],
        "finally": [
            { "id": "odd", "when": "{{ steps.a.output.x.y }}", "uses": "x.idem",
              "cleanup": { "uses": "x.idem" }, "timeout": { "total": "1h" } },
            { "id": "broken", "set": "{{ steps.a.output.x.y }}" },
            { "id": "odder", "uses": "x.idem", "with": "{{ steps.a.output.x.y }}", "on_error": "continue" },
        ],
    }));
    run.done("a");
    assert_eq!(run.asked().len(), 1);
    run.resolve("finally/odd", Verdict::Retry);
    assert_eq!(run.open(), ["finally/odd"]);
    run.pass(HOUR);
    run.stop("finally/odd");
    assert_eq!(run.asked().len(), 1, "its time is over, and it is owed");
    run.resolve("finally/odd", Verdict::Retry);
    run.done("finally/odd");
    run.done("finally/odd/cleanup");
    run.ended(RunStatus::Failed);
    let failed = [("finally/broken", "engine.expression"), ("finally/odder", "engine.expression")];
    assert_eq!(errors(&run), failed);
}

#[test]
fn a_run_whose_time_is_over_is_stopped_and_has_failed() {
    let mut run = flow();
    run.done("a");
    run.pass(7 * HOUR);
    assert!(run.told.is_empty());
    run.pass(HOUR);
    assert_eq!(run.told, ["b"]);
    run.stop("b");
    run.done("a/undo");
    run.done("a/cleanup");
    assert_eq!(run.calls[0].input["status"], "failed");
    assert_eq!(run.calls[0].input["errors"], json!(["timeout"]));
    run.done("finally/tell");
    run.done("finally/off");
    run.ended(RunStatus::Failed);
    assert_eq!(errors(&run), [("timeout", "engine.run_timeout")]);
}

#[test]
fn the_time_of_a_run_is_over_also_if_its_last_step_goes_well() {
    let mut run = flow();
    run.done("a");
    run.pass(8 * HOUR);
    run.crash();
    assert_eq!(run.open(), ["a/undo"], "`b` could be made again, and is not");
    run = flow();
    run.done("a");
    run.pass(8 * HOUR);
    run.done("b");
    run.done("a/undo");
    run.done("a/cleanup");
    run.done("finally/tell");
    run.done("finally/off");
    run.ended(RunStatus::Failed);
}

#[test]
fn the_time_of_a_run_is_that_of_its_steps_and_not_of_its_obligations() {
    let mut run = flow();
    run.done("a");
    run.done("b");
    run.pass(20 * HOUR);
    assert_eq!(run.state.next_timer(), None);
    run.done("a/cleanup");
    run.done("finally/tell");
    run.done("finally/off");
    run.ended(RunStatus::Completed);
    assert!(run.state.errors.is_empty());
}

#[test]
fn a_cancelled_run_does_not_run_out_of_time() {
    let mut run = flow();
    run.cancel();
    run.pass(20 * HOUR);
    run.stop("a");
    run.done("a/cleanup");
    run.done("finally/tell");
    run.done("finally/off");
    run.ended(RunStatus::Cancelled);
}
