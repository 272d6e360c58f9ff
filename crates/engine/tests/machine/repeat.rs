//! Repeats.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::time::{Duration, Instant};

use rackwright_engine::{
    ErrorClass, RunStatus, StepError,
    machine::{Input, Order},
    model::{NodeId, Timestamp},
};
use serde_json::{Value, json};

use crate::settings::Run;

/// A repeat around one task.
fn polling(repeat: &Value, more: Value) -> Run {
    let mut step = json!({ "id": "poll", "repeat": repeat,
        "steps": [{ "id": "check", "uses": "x.read", "with": "{{ iteration }}" }] });
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Run::new(json!({ "steps": [step] }), json!({ "n": 2 }))
}

fn done(run: &mut Run, output: Value) {
    run.now = run.now.after(Duration::from_millis(1));
    run.end(Ok(output));
}

#[test]
fn goes_on_until_its_condition_holds() {
    let repeat = json!({ "until": "steps.check.output.ready", "delay": "{{ input.n }}s", "max_iterations": 9 });
    let mut run = polling(&repeat, json!({ "output": { "after": "{{ iteration }}" } }));
    for iteration in 1..=3 {
        assert_eq!(run.calls.len(), iteration);
        let call = run.calls.last().unwrap();
        assert_eq!(
            (call.path.clone(), &call.input),
            (format!("poll[{iteration}]/check"), &json!(iteration))
        );
        done(&mut run, json!({ "ready": iteration == 3 }));
        run.check_fold();
        if iteration < 3 {
            // Between two iterations nothing is under way: the run may leave the memory.
            assert_eq!((run.state.in_flight, run.state.has_todo()), (0, false));
            assert_eq!(run.state.next_timer(), Some(run.now.after(Duration::from_secs(2))));
            run.tick();
        }
    }
    assert_eq!(run.state.status, RunStatus::Completed);
    assert_eq!(*run.state.output, json!({ "after": 3 }));
    assert_eq!(run.state.next_timer(), None);
}

#[test]
fn without_a_delay_the_next_iteration_starts_in_the_same_turn() {
    let mut run = polling(&json!({ "until": "iteration == 3", "max_iterations": 3 }), json!({}));
    done(&mut run, json!(1));
    assert_eq!(run.calls.len(), 2);
    done(&mut run, json!(2));
    done(&mut run, json!(3));
    assert_eq!(run.state.status, RunStatus::Completed);
    assert_eq!(*run.state.output, json!(3), "the last iteration's output");
}

#[test]
fn an_exhausted_repeat_fails() {
    let mut run = polling(&json!({ "until": false, "max_iterations": "{{ input.n }}" }), json!({}));
    done(&mut run, json!(1));
    done(&mut run, json!(2));
    assert_eq!(run.state.status, RunStatus::Failed);
    let error = &run.state.errors[0];
    assert_eq!(
        (error.path.as_str(), error.error.code.as_str()),
        ("poll", "engine.repeat_exhausted")
    );
    assert!(error.error.hint.is_some() && error.error.class == ErrorClass::Permanent);
    assert_eq!(run.calls.len(), 2);
    run.check_fold();
}

#[test]
fn a_failed_iteration_fails_it() {
    let mut run = polling(&json!({ "until": false, "max_iterations": 5 }), json!({}));
    done(&mut run, json!(1));
    run.end(Err(StepError::permanent("x.broken", "broken")));
    assert_eq!(run.state.status, RunStatus::Failed);
    assert_eq!(run.state.errors[0].path, "poll[2]/check");
    assert_eq!(run.calls.len(), 2);
}

#[test]
fn a_condition_without_value_fails_it() {
    let mut run =
        polling(&json!({ "until": "steps.check.output.ready", "max_iterations": 5 }), json!({}));
    done(&mut run, json!({}));
    assert_eq!(run.state.status, RunStatus::Failed);
    assert_eq!(run.state.errors[0].error.code, "engine.expression");
    assert_eq!(run.calls.len(), 1);
}

#[test]
fn its_time_covers_iterations_and_pauses() {
    let repeat = json!({ "until": false, "delay": "40s" });
    let mut run = polling(&repeat, json!({ "timeout": "1m" }));
    done(&mut run, json!(1));
    run.tick();
    done(&mut run, json!(2));
    run.tick();
    assert_eq!(run.now, Timestamp::from_micros(60_000_000), "cut in its second pause");
    assert_eq!(run.state.status, RunStatus::Failed);
    assert_eq!(run.state.errors[0].error.code, "engine.timeout");
    assert_eq!(run.state.next_timer(), None);
    run.check_fold();
}

#[test]
fn a_cancel_between_two_iterations_ends_it() {
    let mut run =
        polling(&json!({ "until": false, "delay": "1h", "max_iterations": 5 }), json!({}));
    done(&mut run, json!(1));
    run.feed(Input::Cancel(Order { by: "me".into(), reason: None }));
    assert_eq!(run.state.status, RunStatus::Cancelled);
    run.check_fold();
}

#[test]
fn a_new_owner_goes_on_where_it_was() {
    let mut run = polling(
        &json!({ "until": "iteration == 2", "delay": "1h", "max_iterations": 5 }),
        json!({}),
    );
    done(&mut run, json!(1));
    run.feed(Input::Claim { node: NodeId(run.state.created.run.0), epoch: 2 });
    assert_eq!(run.calls.len(), 1, "the pause goes on");
    run.tick();
    run.feed(Input::Claim { node: NodeId(run.state.created.run.0), epoch: 3 });
    assert_eq!(run.calls.len(), 3, "the iteration is the same, its attempt is made again");
    assert_eq!(run.calls[2].path, "poll[2]/check");
}

#[test]
fn cleanups_belong_to_their_iteration() {
    let steps = json!([{ "id": "lock", "uses": "x.idem", "cleanup": { "uses": "x.read" } }]);
    let repeat = json!({ "until": "iteration == 2", "max_iterations": 5 });
    let mut run = polling(&repeat, json!({ "steps": steps }));
    for _ in 0..4 {
        done(&mut run, json!(null));
    }
    let paths: Vec<_> = run.calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(
        paths,
        ["poll[1]/lock", "poll[1]/lock/cleanup", "poll[2]/lock", "poll[2]/lock/cleanup"]
    );
    assert_eq!(run.state.status, RunStatus::Completed);
}

/// An iteration that takes no time must not keep its turn from ending.
#[test]
fn iterations_that_do_nothing_end_with_the_time() {
    let steps = json!([{ "id": "x", "set": "{{ iteration }}" }]);
    let mut run = polling(&json!({ "until": false }), json!({ "steps": steps, "timeout": "1s" }));
    for _ in 0..50 {
        assert_eq!(run.state.next_timer(), Some(run.now), "goes on at once");
        run.now = run.now.after(Duration::from_millis(1));
        run.feed(Input::Tick);
    }
    run.now = Timestamp::from_micros(1_000_000);
    run.feed(Input::Tick);
    assert_eq!(run.state.errors[0].error.code, "engine.timeout");
}

/// Neither the time of an iteration nor the memory that it keeps grows with those before it.
#[test]
fn a_hundred_thousand_iterations_stay_cheap() {
    const ITERATIONS: u32 = 100_000;
    let mut run = polling(&json!({ "until": false, "max_iterations": ITERATIONS }), json!({}));
    let large = json!("x".repeat(1000));
    let mut quarters = Vec::new();
    for _ in 0..4 {
        let begun = Instant::now();
        for _ in 0..ITERATIONS / 4 {
            done(&mut run, large.clone());
            run.calls.drain(..run.calls.len() - 1);
            // The journal is the store's, not the machine's.
            run.journal.clear();
        }
        quarters.push(begun.elapsed());
    }
    assert_eq!(run.state.errors[0].error.code, "engine.repeat_exhausted");
    let kept = run.state.steps.iter().filter(|step| step.main.output.is_some()).count();
    assert!(kept <= 2, "{kept} outputs are kept");
    // A cost that grew with the iterations would make the last quarter seven times the first.
    assert!(quarters[3] < quarters[0] * 4, "{quarters:?}");
}
