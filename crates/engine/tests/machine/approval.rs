//! Approvals.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    RunStatus,
    machine::{ApprovalAnswer, Ask, Input, Order},
    model::NodeId,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::settings::Run;

const HASH: &str = "b9112a244c9db219b9a377d348562d6ba6d4ba2e750798ebabca45c9d2edd2b0";

fn asking(approval: &Value, more: Value) -> Run {
    let mut step = json!({ "id": "ask", "approval": approval });
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let input = json!({ "host": "srv001", "owner": "anna" });
    Run::new(json!({ "steps": [step, { "id": "after", "uses": "x.idem" }] }), input)
}

fn ask(run: &Run) -> Arc<Ask> {
    Arc::clone(run.state.questions().next().expect("something is asked").1)
}

fn answer(run: &mut Run, approved: bool, by: &str, shown: Option<&str>) -> bool {
    let before = run.journal.len();
    let answer = ApprovalAnswer {
        approved,
        by: by.to_owned(),
        reason: Some("so".to_owned()),
        shown: shown.map(str::to_owned),
    };
    run.feed(Input::Approve { path: "ask".to_owned(), answer });
    run.check_fold();
    run.journal.len() > before
}

#[test]
fn a_question_is_bound_to_what_was_shown() {
    let approval = json!({
        "message": "Flash {{ input.host }}?",
        "show": { "b": 1, "a": "{{ input.host }}" },
        "approvers": ["bob", "{{ input.owner }}"],
    });
    let mut run = asking(&approval, json!({}));
    assert_eq!((run.state.in_flight, run.state.attention, run.state.next_timer()), (0, 0, None));
    let asked = ask(&run);
    assert_eq!(asked.message, "Flash srv001?");
    assert_eq!(*asked.shown, json!({ "b": 1, "a": "srv001" }));
    assert_eq!(asked.approvers, ["bob", "anna"]);
    // printf '{"message":"Flash srv001?","show":{"a":"srv001","b":1}}' | sha256sum
    assert_eq!(asked.hash, HASH);
    assert!(!answer(&mut run, true, "anna", Some("0000")), "something else was shown");
    assert!(!answer(&mut run, true, "eve", Some(&asked.hash)), "she may not");
    run.now = run.now.after(Duration::from_secs(90));
    assert!(answer(&mut run, true, "anna", Some(&asked.hash)));
    let output = run.state.steps[0].main.output.as_deref();
    let expected =
        json!({ "approved": true, "by": "anna", "reason": "so", "at": "1970-01-01T00:01:30Z" });
    assert_eq!(output, Some(&expected));
    assert_eq!(run.calls[0].path, "after");
    assert!(!answer(&mut run, false, "bob", Some(&asked.hash)), "too late");
}

#[test]
fn a_rejection_fails_the_step_and_tells_who() {
    let mut run = asking(&json!({ "message": "Go?" }), json!({}));
    assert!(answer(&mut run, false, "anybody", None));
    assert_eq!(run.state.status, RunStatus::Failed);
    let error = &run.state.errors[0].error;
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("engine.rejected", "anybody rejected it: so")
    );

    let mut run = asking(&json!({ "message": "Go?" }), json!({ "on_error": "continue" }));
    answer(&mut run, false, "anybody", None);
    assert_eq!(run.calls.len(), 1, "the list goes on");
    let output = run.state.steps[0].main.output.as_deref().unwrap();
    assert_eq!(output["approved"], json!(false));
}

#[rstest]
#[case(json!({}), "engine.rejected")]
#[case(json!({ "on_timeout": "reject" }), "engine.rejected")]
#[case(json!({ "on_timeout": "fail" }), "engine.timeout")]
#[case(json!({ "on_timeout": "approve" }), "")]
fn nobody_answers_in_time(#[case] more: Value, #[case] code: &str) {
    let mut approval = json!({ "message": "Go?", "timeout": "1h" });
    approval.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut run = asking(&approval, json!({}));
    assert_eq!(ask(&run).until, Some(run.now.after(Duration::from_hours(1))));
    // A new owner does not wait anew.
    run.now = run.now.after(Duration::from_mins(50));
    run.feed(Input::Claim { node: NodeId(run.state.created.run.0), epoch: 2 });
    run.tick();
    assert_eq!(run.now.micros(), 3_600_000_000);
    let found = run.state.errors.first().map_or("", |error| error.error.code.as_str());
    assert_eq!(found, code);
    assert_eq!(run.calls.len(), usize::from(code.is_empty()));
    run.check_fold();
}

#[test]
fn a_cancel_ends_the_question() {
    let mut run = asking(&json!({ "message": "Go?", "timeout": "1h" }), json!({}));
    run.feed(Input::Cancel(Order { by: "me".into(), reason: None }));
    assert_eq!((run.state.status, run.state.next_timer()), (RunStatus::Cancelled, None));
    assert_eq!(run.state.questions().count(), 0);
}
