//! Steps and runs that wait for a maintenance window.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::time::Duration;

use rackwright_engine::{
    RunStatus,
    calendar::{Window, Windows},
    machine::{Input, StepRef, WindowInput},
    model::Timestamp,
};
use serde_json::{Value, json};

use crate::scripted::Script;

const HOUR: Duration = Duration::from_hours(1);

/// Open from 22:00 to 04:00; the scripts begin at midnight.
fn window(value: Value) -> Window {
    let mut whole = json!({ "cron": "0 22 * * *", "duration": "6h", "time_zone": "UTC" });
    whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

fn windows() -> Windows {
    let mut windows = Windows::default();
    windows.insert("night", window(json!({})));
    windows
}

fn script(steps: Value) -> Script {
    Script::with_windows(json!({ "workflow": "windows", "steps": steps }), windows())
}

fn hours(hours: u32) -> Timestamp {
    Timestamp::from_micros(0).after(HOUR * hours)
}

fn say(path: Option<&str>) -> Input {
    let (by, reason) = ("eva".to_owned(), "the rack burns".to_owned());
    Input::Window(WindowInput::Override { path: path.map(str::to_owned), by, reason })
}

fn events(script: &Script) -> Vec<Value> {
    let events = script.journal.iter().map(|(_, event)| serde_json::to_value(event).unwrap());
    events.filter_map(|event| event.get("window").cloned()).collect()
}

#[test]
fn a_step_waits_until_its_window_is_open_for_long_enough() {
    let mut script = script(json!([
        { "id": "a", "uses": "x.idem" },
        { "id": "b", "uses": "x.idem", "window": { "name": "night", "needs": "5h" } },
    ]));
    script.done("a");
    // At midnight four hours are left.
    assert!(script.open().is_empty());
    assert_eq!(script.state.next_timer(), Some(hours(22)));
    assert_eq!(script.state.visible_status(), RunStatus::Running);
    let wait = script.state.step_window(StepRef(1)).unwrap();
    assert_eq!((wait.window.as_str(), wait.opens), ("night", Some(hours(22))));
    script.pass(HOUR * 21);
    script.crash();
    assert!(script.open().is_empty());
    script.pass(HOUR);
    assert_eq!(script.open(), ["b"]);
    script.done("b");
    script.ended(RunStatus::Completed);
    let events = events(&script);
    assert_eq!(events.len(), 2, "{events:#?}");
    assert_eq!(events[0]["awaited"]["opens"], json!(hours(22)));
    assert_eq!(events[1]["entered"], json!({ "window": "night", "closes": hours(28) }));
}

#[test]
fn an_open_window_lets_in_at_once() {
    let mut script = script(json!([{ "id": "a", "uses": "x.idem", "window": "night" }]));
    assert_eq!(script.open(), ["a"]);
    script.done("a");
    script.ended(RunStatus::Completed);
}

#[test]
fn a_run_waits_before_its_first_steps_and_only_then() {
    let flow = json!({
        "workflow": "whole",
        "window": { "name": "night", "needs": "6h" },
        "steps": [
            { "id": "a", "uses": "x.idem", "needs": [] },
            { "id": "b", "uses": "x.idem", "needs": [] },
            { "id": "c", "uses": "x.idem", "needs": ["a", "b"] },
        ],
    });
    let mut script = Script::with_windows(flow, windows());
    assert!(script.open().is_empty() && script.state.run_window().is_some());
    script.crash();
    script.pass(HOUR * 22);
    assert_eq!(script.open(), ["a", "b"]);
    script.done("a");
    // Long after the window has closed.
    script.pass(HOUR * 12);
    script.done("b");
    assert_eq!(script.open(), ["c"]);
    script.done("c");
    script.ended(RunStatus::Completed);
    assert_eq!(events(&script).len(), 2);
}

#[test]
fn a_person_may_say_not_to_wait() {
    let flow = json!({
        "workflow": "override",
        "window": { "name": "night", "needs": "6h" },
        "steps": [
            { "id": "a", "uses": "x.idem", "window": { "name": "night", "needs": "6h" } },
        ],
    });
    let mut script = Script::with_windows(flow, windows());
    // Nothing waits at that path yet: the run itself does.
    script.feed(say(Some("a")));
    assert!(script.state.step_window(StepRef(0)).is_none());
    script.feed(say(None));
    assert!(script.state.run_window().is_none() && script.open().is_empty());
    script.crash();
    assert!(script.state.step_window(StepRef(0)).is_some());
    script.feed(say(Some("a")));
    assert_eq!(script.open(), ["a"]);
    script.feed(say(Some("a")));
    script.done("a");
    script.ended(RunStatus::Completed);
    let said: Vec<_> =
        events(&script).into_iter().filter_map(|it| it.get("overridden").cloned()).collect();
    let expected = json!({ "by": "eva", "reason": "the rack burns" });
    assert_eq!(said, [expected.clone(), expected]);
}

#[test]
fn what_waits_looks_again_when_windows_change() {
    let step =
        json!([{ "id": "a", "uses": "x.idem", "window": { "name": "night", "needs": "5h" } }]);
    let mut script = script(step);
    script.windows.insert("night", window(json!({ "cron": "0 12 * * *" })));
    script.feed(Input::Window(WindowInput::Changed));
    assert_eq!(script.state.next_timer(), Some(hours(12)));
    // Switched off, it is looked at now and then; told again, nothing new is recorded.
    script.windows.insert("night", window(json!({ "enabled": false })));
    script.feed(Input::Window(WindowInput::Changed));
    assert_eq!(script.state.next_timer(), Some(hours(1)));
    let told = events(&script).len();
    script.feed(Input::Window(WindowInput::Changed));
    assert_eq!(events(&script).len(), told);
    script.pass(HOUR);
    assert_eq!(script.state.next_timer(), Some(hours(2)));
    // Open now, with enough left.
    script.windows.insert("night", window(json!({ "cron": "30 0 * * *" })));
    script.crash();
    assert_eq!(script.open(), ["a"]);
    script.done("a");
    script.ended(RunStatus::Completed);
}

#[test]
fn at_its_time_the_window_is_asked_anew() {
    let mut script = script(json!([
        { "id": "a", "uses": "x.idem", "window": { "name": "night", "needs": "5h" } },
    ]));
    script.windows.insert("night", window(json!({ "cron": "0 23 * * *" })));
    script.pass(HOUR * 22);
    assert!(script.open().is_empty());
    assert_eq!(script.state.next_timer(), Some(hours(23)));
    // Too short by now.
    script.windows.insert("night", window(json!({ "duration": "1h" })));
    script.pass(HOUR);
    script.ended(RunStatus::Failed);
    assert_eq!(script.state.errors[0].error.code, "engine.window_too_short");
}

#[test]
fn a_window_that_is_not_there_fails_the_step_with_a_hint() {
    let mut script = script(json!([
        { "id": "a", "uses": "x.idem", "window": "nigth", "on_error": "continue" },
        { "id": "b", "uses": "x.idem", "window": { "name": "{{ 'ni' ~ 'ght' }}", "needs": "{{ '1h' }}" } },
    ]));
    let error = &script.state.errors[0].error;
    assert_eq!(error.code, "engine.no_window");
    let hint = error.hint.as_deref().unwrap();
    assert!(hint.contains("rackwright windows add") && hint.contains("did you mean `night`?"));
    assert_eq!(script.open(), ["b"]);
    script.done("b");
    script.ended(RunStatus::Completed);
}

#[test]
fn a_run_whose_window_is_not_there_fails() {
    let flow = json!({
        "workflow": "lost", "window": "gone",
        "steps": [{ "id": "a", "uses": "x.idem", "needs": [] }, { "id": "b", "uses": "x.idem", "needs": [] }],
    });
    let script = Script::with_windows(flow, windows());
    script.ended(RunStatus::Failed);
    assert_eq!(script.state.errors.len(), 1);
}

#[test]
fn obligations_wait_for_no_window_and_cancel_ends_the_waiting() {
    let mut script = script(json!([
        {
            "id": "a", "uses": "x.idem",
            "cleanup": { "uses": "x.idem" },
        },
        { "id": "b", "uses": "x.idem", "window": { "name": "night", "needs": "6h" } },
    ]));
    script.done("a");
    assert!(script.state.step_window(StepRef(1)).is_some());
    script.cancel();
    assert!(script.state.step_window(StepRef(1)).is_none());
    assert_eq!(script.open(), ["a/cleanup"]);
    script.done("a/cleanup");
    script.ended(RunStatus::Cancelled);
}

#[test]
fn a_failure_beside_it_ends_the_waiting() {
    let mut script = script(json!([
        { "id": "a", "uses": "x.idem", "needs": [] },
        { "id": "long", "uses": "x.idem", "needs": [] },
        { "id": "b", "uses": "x.idem", "needs": [], "window": { "name": "night", "needs": "6h" } },
    ]));
    script.fail("a");
    assert_eq!(script.state.next_timer(), None);
    script.pass(HOUR * 22);
    assert_eq!(script.open(), ["long"]);
    script.done("long");
    script.ended(RunStatus::Failed);
}
