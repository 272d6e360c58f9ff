//! Signals.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    RunStatus,
    machine::{Input, Order, SentSignal},
    model::NodeId,
};
use serde_json::{Value, json};

use crate::settings::Run;

fn waiting(steps: Value) -> Run {
    Run::new(json!({ "steps": steps }), json!({}))
}

fn signal(name: &str) -> Value {
    json!({ "signal": { "name": name } })
}

fn step(id: &str, kind: Value) -> Value {
    let mut step = json!({ "id": id });
    step.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
    step
}

fn send(run: &mut Run, name: &str, payload: Value, id: Option<&str>) {
    let (name, id) = (name.to_owned(), id.map(str::to_owned));
    let sent = SentSignal { name, payload: Arc::new(payload), by: "me".into(), id };
    run.feed(Input::Signal(sent));
    run.check_fold();
}

fn output(run: &Run, step: usize) -> Option<Value> {
    run.state.steps[step].main.output.as_deref().cloned()
}

#[test]
fn a_step_takes_what_comes() {
    let mut run = waiting(json!([step("s", signal("parts")), step("after", json!({ "set": 1 }))]));
    assert_eq!((run.state.in_flight, run.state.next_timer()), (0, None));
    run.now = run.now.after(Duration::from_hours(1));
    send(&mut run, "other", json!(0), None);
    assert_eq!(run.state.status, RunStatus::Running);
    send(&mut run, "parts", json!({ "count": 3 }), None);
    assert_eq!(run.state.status, RunStatus::Completed);
    assert_eq!(output(&run, 0), Some(json!({ "count": 3 })));
}

/// Also over a take-over: what was sent is in the journal.
#[test]
fn what_comes_early_is_kept_and_the_oldest_is_taken_first() {
    let mut run = waiting(json!([
        step("task", json!({ "uses": "x.idem" })),
        step("a", signal("parts")),
        step("b", signal("parts")),
    ]));
    send(&mut run, "parts", json!(1), None);
    send(&mut run, "parts", json!(2), None);
    send(&mut run, "parts", json!(3), None);
    run.feed(Input::Claim { node: NodeId(run.state.created.run.0), epoch: 2 });
    run.end(Ok(json!(null)));
    assert_eq!(run.state.status, RunStatus::Completed);
    assert_eq!((output(&run, 1), output(&run, 2)), (Some(json!(1)), Some(json!(2))));
    run.check_fold();
}

#[test]
fn two_that_wait_take_one_each() {
    let branch = |id: &str| json!([step(id, signal("parts"))]);
    let both =
        json!({ "parallel": { "l": { "steps": branch("l") }, "r": { "steps": branch("r") } } });
    let mut run = waiting(json!([step("both", both)]));
    send(&mut run, "parts", json!(1), None);
    assert_eq!(run.state.status, RunStatus::Running);
    send(&mut run, "parts", json!(2), None);
    assert_eq!(*run.state.output, json!({ "l": 1, "r": 2 }));
}

#[test]
fn the_same_id_counts_once() {
    let mut run = waiting(json!([step("a", signal("parts")), step("b", signal("parts"))]));
    send(&mut run, "parts", json!(1), Some("x"));
    send(&mut run, "parts", json!(1), Some("x"));
    assert_eq!(run.state.status, RunStatus::Running);
    send(&mut run, "parts", json!(2), Some("y"));
    assert_eq!(run.state.status, RunStatus::Completed);
}

#[test]
fn a_cancel_or_the_time_ends_the_wait() {
    let mut run = waiting(json!([step("s", signal("parts"))]));
    run.feed(Input::Cancel(Order { by: "me".into(), reason: None }));
    assert_eq!(run.state.status, RunStatus::Cancelled);
    let mut late = signal("parts");
    late["timeout"] = json!("1h");
    late["on_error"] = json!("continue");
    let mut run = waiting(json!([step("s", late), step("again", signal("parts"))]));
    run.tick();
    assert_eq!(run.state.errors[0].error.code, "engine.timeout");
    // What comes now is for the one that still waits.
    send(&mut run, "parts", json!(1), None);
    assert_eq!((output(&run, 0), output(&run, 1)), (None, Some(json!(1))));
    run.check_fold();
}

#[test]
fn what_comes_late_changes_nothing() {
    let mut run = waiting(json!([step("s", signal("parts"))]));
    send(&mut run, "parts", json!(1), None);
    let events = run.journal.len();
    send(&mut run, "parts", json!(2), None);
    assert_eq!(run.journal.len(), events);
}
