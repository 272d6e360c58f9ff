//! Roll-outs, wave by wave.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::time::Duration;

use rackwright_engine::{RunStatus, machine::Event};
use serde_json::{Value, json};

use crate::scripted::Script;

fn hosts(rollout: Value, more: Value) -> Script {
    let mut full = json!({ "over": ["a", "b", "c", "d", "e"], "as": "host" });
    full.as_object_mut().unwrap().extend(rollout.as_object().unwrap().clone());
    let mut step =
        json!({ "id": "r", "rollout": full, "steps": [{ "id": "s", "uses": "x.idem" }] });
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Script::new(json!([step]))
}

fn item(number: u32) -> String {
    format!("r[{number}]/s")
}

fn all_done(run: &mut Script, items: impl IntoIterator<Item = u32>) {
    for number in items {
        run.done(&item(number));
    }
}

fn error(run: &Script) -> String {
    let error = run.state.steps[0].main.error.clone().unwrap();
    assert_eq!(error.code, "engine.rollout_halted");
    error.message.clone()
}

#[test]
fn canaries_go_first_and_the_waves_follow() {
    let mut run = hosts(json!({ "canary": 1, "wave": "40%" }), json!({}));
    assert_eq!(run.open(), ["r[0]/s"]);
    all_done(&mut run, [0]);
    assert_eq!(run.open(), ["r[1]/s", "r[2]/s"]);
    all_done(&mut run, [2]);
    assert_eq!(run.open(), ["r[1]/s"], "a wave ends before the next one starts");
    run.crash();
    all_done(&mut run, [1]);
    all_done(&mut run, [3, 4]);
    let output: Value = (0..5).map(item).collect();
    assert_eq!(run.first(), ("completed", output));
    run.ended(RunStatus::Completed);
}

#[test]
fn without_waves_all_go_at_once_in_their_places() {
    let mut run = hosts(json!({ "max_unavailable": 2, "max_failures": 1 }), json!({}));
    assert_eq!(run.open(), ["r[0]/s", "r[1]/s"]);
    run.fail("r[0]/s");
    assert_eq!(run.open(), ["r[1]/s"], "a failed host keeps its place");
    for number in 1..5 {
        assert_eq!(run.open(), [item(number)]);
        all_done(&mut run, [number]);
    }
    assert_eq!(run.first().0, "completed");
    run.ended(RunStatus::Completed);
}

#[test]
fn when_no_place_is_left_it_halts() {
    let mut run = hosts(json!({ "max_unavailable": "40%", "max_failures": 5 }), json!({}));
    run.fail("r[0]/s");
    run.fail("r[1]/s");
    assert_eq!(run.first(), ("failed", json!([null, null])));
    let told = "halted in wave 1 of 1: 2 failed items keep all places of `max_unavailable: 2`";
    assert_eq!(error(&run), told);
    run.ended(RunStatus::Failed);
}

#[test]
fn too_many_failures_halt_it_and_what_runs_finishes() {
    let mut run = hosts(json!({ "wave": 2, "max_failures": "20%" }), json!({}));
    run.fail("r[0]/s");
    all_done(&mut run, [1]);
    run.fail("r[2]/s");
    assert_eq!(run.first().0, "running");
    all_done(&mut run, [3]);
    assert_eq!(run.first(), ("failed", json!([null, item(1), null, item(3)])));
    assert_eq!(error(&run), "halted in wave 2 of 3: 2 of 5 items failed, at most 1 may");
    run.ended(RunStatus::Failed);
}

fn gate() -> Value {
    json!({ "gate": [{ "id": "check", "uses": "x.idem", "with": {
        "wave": "{{ wave }}", "items": "{{ wave_items }}",
        "so_far": "{{ steps.r.items | map(attribute='status') | list }}",
    } }] })
}

#[test]
fn behind_each_wave_it_soaks_and_asks_the_gate() {
    let soak = Duration::from_mins(10);
    let mut run = hosts(json!({ "wave": 3, "soak": "10m", "max_failures": 1 }), gate());
    all_done(&mut run, [0, 1]);
    run.fail("r[2]/s");
    assert_eq!(run.open(), Vec::<&str>::new());
    run.pass(Duration::from_secs(599));
    assert_eq!(run.open(), Vec::<&str>::new());
    run.crash();
    run.pass(Duration::from_secs(1));
    assert_eq!(run.open(), ["r/gate[0]/check"]);
    let seen = json!({ "wave": 1, "items": ["a", "b", "c"],
        "so_far": ["completed", "completed", "failed"] });
    assert_eq!(run.calls[0].input, seen);
    run.crash();
    run.done("r/gate[0]/check");
    all_done(&mut run, [3, 4]);
    assert_eq!(run.first().0, "running", "the last wave soaks too");
    run.pass(soak);
    let seen = json!({ "wave": 2, "items": ["d", "e"],
        "so_far": ["completed", "completed", "failed", "completed", "completed"] });
    assert_eq!(run.calls[0].input, seen);
    run.done("r/gate[1]/check");
    assert_eq!(run.first().0, "completed");
    run.ended(RunStatus::Completed);
    let waves = run.journal.iter().filter(|(_, event)| matches!(event, Event::WavePassed { .. }));
    assert_eq!(waves.count(), 2);
}

#[test]
fn a_gate_that_fails_halts_it() {
    let mut run = hosts(json!({ "canary": 2 }), gate());
    all_done(&mut run, [0, 1]);
    run.fail("r/gate[0]/check");
    assert_eq!(run.first(), ("failed", json!([item(0), item(1)])));
    assert_eq!(error(&run), "halted in wave 1 of 2: the gate failed: failed");
    run.ended(RunStatus::Failed);
}

#[test]
fn a_cancel_ends_it_in_every_stage() {
    let fields = json!({ "canary": 1, "soak": "10m" });
    let mut items = hosts(fields.clone(), gate());
    items.cancel();
    items.stop("r[0]/s");
    let mut soaking = hosts(fields.clone(), gate());
    all_done(&mut soaking, [0]);
    soaking.cancel();
    let mut gated = hosts(fields, gate());
    all_done(&mut gated, [0]);
    gated.pass(Duration::from_mins(10));
    gated.cancel();
    gated.stop("r/gate[0]/check");
    for run in [items, soaking, gated] {
        assert_eq!(run.first().0, "cancelled");
        run.ended(RunStatus::Cancelled);
    }
}

#[test]
fn its_time_may_run_out_while_it_soaks() {
    let mut run = hosts(json!({ "soak": "10m" }), json!({ "timeout": "1m" }));
    all_done(&mut run, 0..5);
    run.pass(Duration::from_mins(1));
    assert_eq!(run.first().0, "failed");
    run.ended(RunStatus::Failed);
    assert_eq!(run.state.errors[0].error.code, "engine.timeout");
}

#[test]
fn nothing_to_do_is_done() {
    let mut run = hosts(json!({ "over": [], "soak": "10m" }), gate());
    run.pass(Duration::ZERO);
    assert_eq!(run.first(), ("completed", json!([])));
    run.ended(RunStatus::Completed);
}

/// Waves that do not hold all items can't have been cut by this program.
#[test]
fn waves_that_do_not_hold_all_items_are_refused() {
    let run = hosts(json!({ "wave": 2 }), json!({}));
    for ends in [json!([2, 4]), json!([4, 2, 5]), json!([0, 5]), json!([2, 2, 5]), json!([6])] {
        let mut journal = run.journal.clone();
        for (_, event) in &mut journal {
            if let Event::Opened { .. } = event {
                let mut written = serde_json::to_value(&*event).unwrap();
                written["opened"]["opening"]["rollout"]["ends"] = ends.clone();
                *event = serde_json::from_value(written).unwrap();
            }
        }
        assert!(rackwright_engine::machine::fold(&run.plan, journal).is_err(), "{ends}");
    }
}

fn undoable(on_halt: &str, more: Value) -> Script {
    let steps = json!([{ "id": "s", "uses": "x.idem", "undo": { "uses": "x.idem" } }]);
    let mut fields = json!({ "steps": steps });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hosts(json!({ "wave": 2, "max_failures": 0, "on_halt": on_halt }), fields)
}

#[test]
fn what_is_done_stays_when_it_halts() {
    let mut run = undoable("stop", json!({}));
    all_done(&mut run, [0, 1, 2]);
    run.fail("r[3]/s");
    assert_eq!(run.first().0, "failed");
    run.ended(RunStatus::Failed);
}

#[test]
fn what_is_done_is_taken_back_before_it_fails() {
    let mut run = undoable("undo", json!({}));
    all_done(&mut run, [1, 0]);
    run.fail("r[3]/s");
    assert_eq!(run.open(), ["r[2]/s"], "what runs finishes");
    all_done(&mut run, [2]);
    run.done("r[2]/s/undo");
    assert_eq!(run.open(), ["r[0]/s/undo"], "the last that completed first");
    run.crash();
    run.done("r[0]/s/undo");
    // A cancel does not keep it from being taken back.
    run.cancel();
    assert_eq!(run.first().0, "running");
    run.done("r[1]/s/undo");
    assert_eq!(run.first().0, "failed");
    assert_eq!(error(&run), "halted in wave 2 of 3: 1 of 5 items failed, at most 0 may");
    run.ended(RunStatus::Cancelled);
}

#[test]
fn a_gate_that_fails_takes_back_too() {
    let gate = json!([
        { "id": "mark", "uses": "x.idem", "undo": { "uses": "x.idem" } },
        { "id": "check", "uses": "x.idem" },
    ]);
    let mut run = undoable("undo", json!({ "gate": gate, "on_error": "continue" }));
    all_done(&mut run, [0, 1]);
    run.done("r/gate[0]/mark");
    run.fail("r/gate[0]/check");
    // The gate's own list takes back what it did.
    run.done("r/gate[0]/mark/undo");
    run.done("r[1]/s/undo");
    run.done("r[0]/s/undo");
    assert_eq!(run.first().0, "failed");
    run.ended(RunStatus::Completed);
}

#[test]
fn what_a_cancel_ends_is_taken_back_by_what_is_around() {
    for on_halt in ["stop", "undo"] {
        let mut run = undoable(on_halt, json!({}));
        all_done(&mut run, [0]);
        run.cancel();
        run.stop("r[1]/s");
        assert_eq!(run.first().0, "cancelled");
        run.done("r[0]/s/undo");
        run.ended(RunStatus::Cancelled);
    }
}
