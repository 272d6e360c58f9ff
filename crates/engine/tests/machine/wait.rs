//! Steps that wait for a time.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::time::Duration;

use rackwright_engine::{
    RunStatus,
    machine::{Event, Input, Order},
    model::Timestamp,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::settings::Run;

fn waiting(wait: &Value, more: Value) -> Run {
    let mut step = json!({ "id": "w", "wait": wait });
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Run::new(json!({ "steps": [step, { "id": "after", "uses": "x.idem" }] }), json!({ "s": 90 }))
}

#[rstest]
#[case(json!({ "for": "90s" }))]
#[case(json!({ "for": "{{ input.s }}s" }))]
#[case(json!({ "until": "1970-01-01T00:01:30Z" }))]
#[case(json!({ "until": "1970-01-01T01:01:{{ input.s - 60 }}+01:00" }))]
fn the_time_is_fixed_at_the_start_and_nothing_flies_meanwhile(#[case] wait: Value) {
    let mut run = waiting(&wait, json!({}));
    let until = Timestamp::from_micros(90_000_000);
    assert_eq!(run.state.next_timer(), Some(until));
    assert_eq!((run.state.in_flight, run.state.has_todo()), (0, false));
    run.check_fold();
    run.now = Timestamp::from_micros(89_999_999);
    run.feed(Input::Tick);
    assert!(run.calls.is_empty(), "too early");
    run.tick();
    assert_eq!(run.now, until);
    let output = run.state.steps[0].main.output.as_deref();
    assert_eq!(output, Some(&json!({ "until": "1970-01-01T00:01:30Z" })));
    assert_eq!(run.calls[0].path, "after");
    assert_eq!(run.state.next_timer(), None);
    run.check_fold();
}

#[rstest]
#[case(json!({ "for": "0s" }))]
#[case(json!({ "until": "1969-12-31T00:00:00Z" }))]
fn a_time_that_has_passed_is_over_at_once(#[case] wait: Value) {
    let run = waiting(&wait, json!({ "cleanup": { "uses": "x.read" } }));
    assert_eq!(run.calls[0].path, "after");
    // It has started all the same, and so its cleanup is owed.
    let names: Vec<_> = run.journal.iter().map(|(_, event)| event.name()).collect();
    assert_eq!(names, ["created", "claimed", "wait_started", "completed", "started"]);
    assert_eq!(run.state.scopes[0].owed.len(), 1);
}

#[test]
fn what_is_no_time_fails_the_step() {
    for (wait, name) in
        [(json!({ "for": "{{ input.s }}" }), "for"), (json!({ "until": "{{ input.s }}" }), "until")]
    {
        let run = waiting(&wait, json!({}));
        assert_eq!(run.state.status, RunStatus::Failed);
        let error = &run.state.errors[0].error;
        assert_eq!(error.code, "engine.setting");
        assert!(error.message.contains(&format!("`wait.{name}`")), "{}", error.message);
    }
}

#[test]
fn a_cancel_ends_it_at_once() {
    let mut run = waiting(&json!({ "for": "1h" }), json!({}));
    run.now = run.now.after(Duration::from_secs(1));
    run.feed(Input::Cancel(Order { by: "me".into(), reason: None }));
    assert_eq!(run.state.status, RunStatus::Cancelled);
    assert_eq!(run.state.next_timer(), None);
    run.check_fold();
}

#[test]
fn the_time_for_all_of_it_may_be_shorter() {
    let mut run = waiting(&json!({ "for": "1h" }), json!({ "timeout": "1m" }));
    run.tick();
    assert_eq!(run.state.status, RunStatus::Failed);
    assert_eq!(run.state.errors[0].error.code, "engine.timeout");
    assert_eq!(run.state.errors.len(), 1);
    run.check_fold();
}

/// Whoever takes the run over meets the same time, not a new one.
#[test]
fn a_new_owner_waits_for_the_rest() {
    let mut run = waiting(&json!({ "for": "1h" }), json!({}));
    run.now = run.now.after(Duration::from_mins(50));
    run.feed(Input::Claim {
        node: rackwright_engine::model::NodeId(run.state.created.run.0),
        epoch: 2,
    });
    assert_eq!(run.state.next_timer(), Some(Timestamp::from_micros(3_600_000_000)));
    run.tick();
    let waited = run.journal.iter().filter(|(_, event)| matches!(event, Event::WaitStarted { .. }));
    assert_eq!(waited.count(), 1);
    assert_eq!(run.calls.len(), 1);
}
