//! An attempt that must not be repeated blindly, and is told to stop: the target says what became
//! of it.

use std::time::Duration;

use rackwright_engine::{ErrorClass, Observation, RunStatus};
use serde_json::{Value, json};

use crate::scripted::Script;

/// A step that is under way and was told to stop.
fn told() -> Script {
    let mut run = Script::new(json!([
        { "id": "flash", "uses": "x.verify", "retry": { "max_attempts": 3 },
          "undo": { "uses": "x.idem" } },
        { "id": "next", "uses": "x.idem" },
    ]));
    run.cancel();
    assert_eq!(run.told, ["flash"]);
    run
}

#[test]
fn what_was_done_is_done() {
    let mut run = told();
    run.stop("flash");
    run.see("flash", Observation::Done(json!("seen")));
    assert_eq!(run.first(), ("completed", json!("seen")));
    run.done("flash/undo");
    run.ended(RunStatus::Cancelled);
}

#[test]
fn what_was_not_done_was_cancelled() {
    for (code, class) in
        [("x.stopped", ErrorClass::Cancelled), ("engine.broken_off", ErrorClass::UnknownOutcome)]
    {
        let mut run = told();
        run.end_as("flash", code, class);
        run.crash();
        run.looks.truncate(1);
        run.see("flash", Observation::NotDone);
        assert_eq!(run.first(), ("cancelled", Value::Null));
        run.ended(RunStatus::Cancelled);
        assert!(run.state.errors.is_empty(), "a cancel is no error");
    }
}

#[test]
fn what_is_under_way_is_carried_on() {
    let mut run = told();
    run.stop("flash");
    run.see("flash", Observation::InProgress(json!("task 7")));
    assert_eq!(run.calls[0].saved.as_deref(), Some(&json!("task 7")));
    run.done("flash");
    run.done("flash/undo");
    run.ended(RunStatus::Cancelled);
}

#[test]
fn what_nobody_can_tell_waits_for_a_person() {
    let mut run = told();
    run.stop("flash");
    run.see("flash", Observation::Unknown(json!("dark")));
    assert_eq!(run.asked().len(), 1);
    assert_eq!(run.state.visible_status(), RunStatus::Attention);
}

#[test]
fn what_had_not_begun_needs_no_look() {
    let mut run = told();
    run.end_as("flash", "engine.not_begun", ErrorClass::Cancelled);
    assert!(run.looks.is_empty());
    assert_eq!(run.first(), ("cancelled", Value::Null));
    run.ended(RunStatus::Cancelled);
}

#[test]
fn a_cancel_while_the_target_is_looked_at_leaves_no_retry() {
    let mut run = Script::new(json!([
        { "id": "flash", "uses": "x.verify", "retry": { "max_attempts": 3, "delay": "1h" } },
    ]));
    run.end_as("flash", "x.lost", ErrorClass::UnknownOutcome);
    run.cancel();
    run.see("flash", Observation::NotDone);
    assert_eq!(run.first(), ("cancelled", Value::Null));
    run.ended(RunStatus::Cancelled);
}

#[test]
fn an_attempt_that_is_not_told_is_not_looked_after() {
    let mut run = Script::new(json!([{ "id": "flash", "uses": "x.verify" }]));
    run.stop("flash");
    assert!(run.looks.is_empty());
    run.pass(Duration::from_secs(1));
    run.ended(RunStatus::Failed);
}

#[test]
fn a_step_whose_time_is_over_is_looked_after_too() {
    let flow = json!([
        { "id": "flash", "uses": "x.verify", "timeout": { "total": "1h" } },
    ]);
    for (seen, status) in [
        (Observation::Done(json!(1)), RunStatus::Completed),
        (Observation::NotDone, RunStatus::Failed),
    ] {
        let mut run = Script::new(flow.clone());
        run.pass(Duration::from_hours(1));
        run.stop("flash");
        run.see("flash", seen);
        run.ended(status);
    }
}
