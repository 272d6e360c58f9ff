//! Runs that move to other versions: what may differ, what may not, and that they go on.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::collections::BTreeSet;

use rackwright_engine::{Observation, RunStatus, machine::Ahead};
use serde_json::{Value, json};

use crate::scripted::Script;

fn task(id: &str) -> Value {
    json!({ "id": id, "uses": "x.idem" })
}

fn flow(steps: Value) -> Value {
    json!({ "workflow": "scripted", "steps": steps })
}

fn with(step: Value, more: Value) -> Value {
    let mut step = step;
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

fn paths(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|path| (*path).to_owned()).collect()
}

#[test]
fn what_lies_ahead_may_differ() {
    let mut run = Script::new(json!([task("a"), task("b"), task("c"), task("d")]));
    run.done("a");
    assert_eq!(run.open(), ["b"]);
    let to = json!([task("a"), task("b"), task("x"), with(task("d"), json!({ "uses": "x.read" }))]);
    let ahead = run.move_to(flow(to)).unwrap();
    let expected = Ahead { added: paths(&["x"]), removed: paths(&["c"]), changed: paths(&["d"]) };
    assert_eq!(ahead, expected);
    assert_eq!(run.open(), ["b"], "what is under way goes on");
    run.done("b");
    run.done("x");
    assert_eq!(run.calls[0].uses, "x.read");
    run.done("d");
    run.ended(RunStatus::Completed);
}

#[test]
fn a_run_moves_again_and_again_and_is_taken_over_in_between() {
    let mut run = Script::new(json!([task("a"), task("z")]));
    run.done("a");
    let mut steps = vec![task("a"), task("z")];
    for number in 0..5 {
        // Longer, then shorter, with others behind it.
        let last = steps.last().unwrap()["id"].as_str().unwrap().to_owned();
        steps.push(task(&format!("more{number}")));
        steps.push(task(&format!("rest{number}")));
        run.move_to(flow(json!(steps))).unwrap();
        run.crash();
        assert_eq!(run.open(), [last.as_str()]);
        run.done(&last);
        steps.pop();
        run.move_to(flow(json!(steps))).unwrap();
        run.crash();
        assert_eq!(run.open(), [format!("more{number}")]);
    }
    run.done("more4");
    run.ended(RunStatus::Completed);
}

#[test]
fn what_lies_behind_may_not_differ() {
    let around = |inner: Value| {
        json!([task("a"),
               { "id": "g", "steps": inner, "timeout": "1h" },
               task("z")])
    };
    let policies = json!({ "retry": { "max_attempts": 2 }, "cleanup": { "uses": "x.read" } });
    let mut run = Script::new(around(json!([with(task("in"), policies.clone()), task("later")])));
    run.done("a");
    assert_eq!(run.open(), ["g/in"]);
    let same = with(task("in"), policies);
    let ways: [(Value, &[&str]); 8] = [
        (around(json!([task("in")])), &["step `g/in` has begun, and its `cleanup` differs"]),
        (around(json!([task("new"), same])), &["step `g/in` has begun, and its `needs` differs"]),
        (around(json!([task("later")])), &["step `g/in` has begun, and is not there any more"]),
        (json!([task("a"), task("z")]), &["step `g` has begun, and is not there any more"]),
        (
            json!([task("a"), { "id": "g", "steps": [same], "timeout": "2h" }]),
            &["step `g` has begun, and its `timeout` differs"],
        ),
        (
            json!([with(task("a"), json!({ "uses": "x.read" })), { "id": "g", "steps": [same],
                    "timeout": "1h" }]),
            &["step `a` has begun, and its `uses` differs"],
        ),
        (
            json!([task("new"), task("a"), { "id": "g", "steps": [same], "timeout": "1h" }]),
            &["step `a` has begun, and its `needs` differs"],
        ),
        (
            json!([task("a"), { "id": "g", "map": { "over": [1] }, "steps": [same],
                    "timeout": "1h" }]),
            &["step `g` has begun, and its `map` differs"],
        ),
    ];
    for (steps, expected) in ways {
        let told = run.move_to(flow(steps.clone())).unwrap_err();
        assert_eq!(told[..1], *expected, "{steps}: {told:?}");
    }
    let defaults = json!({ "timeout": "5m" });
    let to = json!([task("a"), { "id": "g", "steps": [same], "timeout": "1h" }]);
    let told = run.move_to(with(flow(to), json!({ "defaults": defaults }))).unwrap_err();
    assert!(told.contains(&"step `a` has begun, and its `timeout` differs".to_owned()), "{told:?}");
    run.done("g/in");
    run.done("g/later");
    run.done("g/in/cleanup");
    let told = run.move_to(flow(around(json!([same, task("later"), task("more")])))).unwrap_err();
    assert_eq!(told, ["step `g/more` is new, in a list that is done"]);
    run.done("z");
    run.ended(RunStatus::Completed);
}

#[test]
fn the_workflow_itself_is_settled_when_a_run_begins() {
    let steps = json!([task("a"), task("b")]);
    let mut run = Script::new(steps.clone());
    for (field, value) in [
        ("timeout", json!("1h")),
        ("locks", json!(["site"])),
        ("limits", json!([{ "name": "l", "max": 1 }])),
        ("concurrency", json!({ "max": 1 })),
        ("window", json!("night")),
        ("queue_timeout", json!("1m")),
    ] {
        let told = run.move_to(with(flow(steps.clone()), json!({ field: value }))).unwrap_err();
        let what = format!("`{field}` of the workflow differs, and the run has begun");
        assert_eq!(told, [what]);
    }
    let told = run.move_to(json!({ "workflow": "other", "steps": steps })).unwrap_err();
    assert_eq!(told, ["the run is one of workflow `scripted`, and that is `other`"]);
    let input = json!({ "type": "object", "required": ["n"] });
    let told = run.move_to(with(flow(steps.clone()), json!({ "input": input }))).unwrap_err();
    assert!(told[0].starts_with("the run's input does not fit: "), "{told:?}");
    let ahead = json!({ "output": "done", "finally": [task("bye")], "description": "New." });
    let ahead = run.move_to(with(flow(steps), ahead)).unwrap();
    assert_eq!(ahead.changed, paths(&["finally", "output"]));
    run.done("a");
    run.done("b");
    run.done("finally/bye");
    run.ended(RunStatus::Completed);
    assert_eq!(*run.state.output, json!("done"));
}

#[test]
fn a_run_that_stops_or_has_ended_does_not_move() {
    let steps = json!([task("a"), task("b")]);
    let mut run = Script::new(steps.clone());
    run.cancel();
    let told = run.move_to(flow(json!([task("a")]))).unwrap_err();
    assert_eq!(told, ["the run is being stopped: nothing new starts in it"]);
    run.stop("a");
    run.ended(RunStatus::Cancelled);
    let told = run.move_to(flow(json!([task("a")]))).unwrap_err();
    assert_eq!(told[0], "the run has ended: it is cancelled");
}

#[test]
fn items_branches_and_iterations_move_with_their_steps() {
    let kinds = |more: &[Value]| {
        let list = |first: &str| {
            let mut list = vec![task(first), task("next")];
            list.extend_from_slice(more);
            json!(list)
        };
        flow(json!([
            { "id": "m", "map": { "over": [1, 2, 3], "max_concurrency": 2 }, "steps": list("a"),
              "needs": [] },
            { "id": "p", "parallel": { "l": { "steps": list("b") }, "r": { "steps": list("c") } },
              "needs": [] },
            { "id": "d", "decision": [{ "when": "false", "steps": list("no") },
                                      { "when": "true", "steps": list("yes") }], "needs": [] },
            { "id": "w", "rollout": { "over": [1], "max_unavailable": 1 }, "steps": list("v"),
              "gate": list("g"), "needs": [] },
        ]))
    };
    let mut run = Script::of(kinds(&[]));
    let open = ["p/l/b", "p/r/c", "d/yes", "m[0]/a", "m[1]/a", "w[0]/v"];
    assert_eq!(run.open(), open);
    let ahead = run.move_to(kinds(&[task("more")])).unwrap();
    let added = ["d/more", "m[0]/more", "m[1]/more", "p/l/more", "p/r/more", "w[0]/more"];
    assert_eq!(ahead.added, paths(&added));
    run.crash();
    for path in open {
        let prefix = &path[..path.rfind('/').unwrap()];
        run.done(path);
        run.done(&format!("{prefix}/next"));
        run.done(&format!("{prefix}/more"));
    }
    for path in
        ["m[2]/a", "m[2]/next", "m[2]/more", "w/gate[0]/g", "w/gate[0]/next", "w/gate[0]/more"]
    {
        run.done(path);
    }
    run.ended(RunStatus::Completed);
    // Once an item is done, its list is behind the run.
    let mut run = Script::of(kinds(&[]));
    run.done("m[0]/a");
    run.done("m[0]/next");
    let told = run.move_to(kinds(&[task("more")])).unwrap_err();
    assert_eq!(told, ["step `m[0]/more` is new, in a list that is done"]);
}

#[test]
fn what_was_jumped_over_stays_behind() {
    let list = |more: Option<Value>| {
        let mut steps = vec![with(task("a"), json!({ "next": "d" })), task("b"), task("c")];
        steps.extend(more);
        steps.push(task("d"));
        steps.push(task("e"));
        flow(json!(steps))
    };
    let mut run = Script::of(list(None));
    run.done("a");
    assert_eq!(run.open(), ["d"]);
    run.done("d");
    let told = run.move_to(list(Some(task("x")))).unwrap_err();
    assert!(
        told.contains(&"step `x` is new, behind `c`, which the run has jumped over".to_owned())
    );
}

#[test]
fn undos_and_looks_find_their_steps_after_a_move() {
    let undo = json!({ "undo": { "uses": "x.read" } });
    let first = with(task("a"), undo.clone());
    let flash = json!({ "id": "flash", "uses": "x.verify" });
    let mut run = Script::new(json!([first, flash, task("z")]));
    run.done("a");
    let longer = json!([first, flash, task("y"), with(task("x"), undo), task("z")]);
    run.move_to(flow(longer)).unwrap();
    run.crash();
    run.see("flash", Observation::Done(json!("seen")));
    run.done("y");
    run.done("x");
    run.fail("z");
    run.done("x/undo");
    run.done("a/undo");
    run.ended(RunStatus::Failed);
}
