//! Trees as text.

use std::sync::Arc;

use rackwright_engine::{
    api::{AttemptEnd, AttemptView, Kind, StepView, SubtaskView},
    model::{RunStatus, StepError, Timestamp},
};

use super::{Detail, Look, RunTree, draw, draw_within, elapsed};

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(millis * 1000)
}

fn step(name: &str, kind: Kind, status: &'static str) -> StepView {
    StepView {
        path: name.to_owned(),
        name: name.to_owned(),
        label: None,
        kind,
        uses: None,
        status,
        started_at: None,
        ended_at: None,
        attempts: Vec::new(),
        output: None,
        error: None,
        retry_at: None,
        window: None,
        waits: None,
        evidence: None,
        holdings: Vec::new(),
        waits_for: Vec::new(),
        child: None,
        items: None,
        wave: None,
        steps: Vec::new(),
    }
}

fn task(name: &str, status: &'static str, attempts: Vec<AttemptView>) -> StepView {
    StepView {
        uses: Some("maas.commission".to_owned()),
        started_at: attempts.first().map(|it| it.started_at),
        ended_at: attempts.last().and_then(|it| it.ended_at),
        attempts,
        ..step(name, Kind::Task, status)
    }
}

fn attempt(number: u32, from: i64, to: Option<i64>, end: Option<AttemptEnd>) -> AttemptView {
    let subtask = |from: i64, title: &str, percent| SubtaskView {
        started_at: at(from),
        at: at(from),
        title: title.to_owned(),
        percent,
    };
    AttemptView {
        number,
        started_at: at(from),
        ended_at: to.map(at),
        end,
        subtasks: vec![
            subtask(from, "Looking up the machine in MAAS", None),
            subtask(from + 100, "Commissioning: Powering on", Some(40)),
        ],
        observations: Vec::new(),
    }
}

fn failed(retry_at: Option<i64>) -> AttemptEnd {
    let error = StepError::transient(
        "maas.commission_failed",
        "srv001: the commissioning failed: the script 'maas-capture-macs' changed its status from \
         'Running' to 'Failed'",
    )
    .hint("see the machine's Commissioning tab in MAAS for the script's log");
    AttemptEnd::Failed { error: Arc::new(error), retry_at: retry_at.map(at) }
}

/// A rack of three: one done after a retry, one that waits for its next attempt, one under way.
fn rack() -> RunTree {
    let done = vec![
        attempt(1, 0, Some(1000), Some(failed(Some(3000)))),
        attempt(2, 3000, Some(5500), Some(AttemptEnd::Completed)),
    ];
    let item = |number: usize, status, steps: Vec<StepView>| StepView {
        label: Some(format!("srv00{}", number + 1)),
        started_at: steps[0].started_at,
        ended_at: steps[0].ended_at,
        steps,
        ..step(&format!("[{number}]"), Kind::Item, status)
    };
    let again = vec![attempt(1, 5000, Some(9000), Some(failed(Some(12_000))))];
    let retrying = StepView { retry_at: Some(at(12_000)), ..task("commission", "retrying", again) };
    let now = vec![attempt(1, 9500, None, None)];
    let map = StepView {
        items: Some((10, 1, 0)),
        started_at: Some(at(0)),
        steps: vec![
            item(0, "completed", vec![task("commission", "completed", done)]),
            item(1, "running", vec![retrying, task("finalise", "pending", Vec::new())]),
            item(2, "running", vec![task("commission", "running", now)]),
        ],
        ..step("machines", Kind::Map, "running")
    };
    RunTree {
        run: "01a1fc8d-897f-79d0-b787-834cacb9baad".parse().unwrap(),
        workflow: "lab-rack".to_owned(),
        status: RunStatus::Running,
        created_at: at(0),
        ended_at: None,
        steps: vec![map, step("report", Kind::Set, "pending")],
    }
}

fn look(width: usize, moving: bool) -> Look {
    Look { width, now: at(10_000), colour: false, moving }
}

#[test]
fn the_final_tree_tells_everything() {
    insta::assert_snapshot!(draw(&rack(), &look(90, false), Detail::Full).join("\n"));
}

#[test]
fn the_live_tree_tells_what_goes_on() {
    insta::assert_snapshot!(draw(&rack(), &look(90, true), Detail::Live).join("\n"));
}

#[test]
fn a_low_screen_is_not_left() {
    let trees = [rack(), rack()];
    let full = draw_within(&trees, &look(90, true), 40);
    assert!(full.iter().any(|line| line.contains("finalise")));
    let tight = draw_within(&trees, &look(90, true), full.len() - 1);
    assert!(tight.iter().all(|line| !line.contains("finalise")), "{tight:#?}");
    let few = draw_within(&trees, &look(90, true), 6);
    assert_eq!(few.len(), 6);
    assert!(few[5].starts_with("… and "), "{few:#?}");
}

#[test]
fn no_line_is_wider_than_the_screen() {
    for width in [20, 35, 50, 79, 200] {
        for detail in [Detail::Full, Detail::Live, Detail::Tight] {
            for line in draw(&rack(), &look(width, true), detail) {
                let used = console::measure_text_width(&line);
                assert!(used <= width, "{used} of {width}: {line}");
            }
        }
    }
}

#[test]
fn colours_take_no_room() {
    let plain = draw(&rack(), &look(90, true), Detail::Full);
    let coloured = draw(&rack(), &Look { colour: true, ..look(90, true) }, Detail::Full);
    let bare: Vec<_> =
        coloured.iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect();
    assert_eq!(bare, plain);
    assert_ne!(coloured, plain);
}

#[test]
fn what_machines_say_moves_no_cursor() {
    assert_eq!(super::one_line("a\n\tb \x1b[2Jc\r"), "a b \u{fffd}[2Jc");
}

#[test]
fn times_are_short() {
    let told = |millis| elapsed(std::time::Duration::from_millis(millis));
    let all = [0, 999, 1000, 59_999, 60_000, 3_599_000, 3_600_000, 90_000_000].map(told);
    let wanted = ["0ms", "999ms", "1.0s", "59.9s", "1m 00s", "59m 59s", "1h 00m", "1d 01h"];
    assert_eq!(all, wanted);
}
