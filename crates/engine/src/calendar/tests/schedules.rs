#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::at;
use crate::{
    calendar::{Due, Firing, Previous, Schedule, ScheduleState, Standing},
    model::{RunId, Timestamp},
};

fn schedule(more: serde_json::Value) -> Schedule {
    let mut value = json!({ "workflow": "w", "cron": "0 2 * * *", "time_zone": "Europe/Berlin" });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(value).unwrap()
}

fn run(n: u128) -> RunId {
    RunId::from_parts(at("2026-01-01T00:00:00Z"), n)
}

fn due(schedule: &Schedule, from: &str, now: &str) -> (Vec<String>, ScheduleState) {
    let mut state = ScheduleState::new(schedule, at(from));
    state.take_due(schedule, "nightly", at(now));
    let waiting = state.waiting.iter().map(|it| format!("{} {:?}", it.at, it.due));
    (waiting.collect(), state.clone())
}

#[test]
fn a_time_comes_once_and_the_next_follows() {
    let nightly = schedule(json!({}));
    let (waiting, mut state) = due(&nightly, "2026-01-01T12:00:00Z", "2026-01-02T01:00:01Z");
    assert_eq!(waiting, ["2026-01-02T01:00:00.000Z OnTime"]);
    assert_eq!(state.next, Some(at("2026-01-03T01:00:00Z")));
    state.take_due(&nightly, "nightly", at("2026-01-02T01:00:02Z"));
    assert_eq!(state.waiting.len(), 1);
}

#[test]
fn three_days_of_downtime_by_each_policy() {
    let (from, now) = ("2026-01-01T12:00:00Z", "2026-01-04T12:00:00Z");
    let none = due(&schedule(json!({ "catch_up": "none" })), from, now);
    assert_eq!((none.0.len(), none.1.next), (0, Some(at("2026-01-05T01:00:00Z"))));
    let last = due(&schedule(json!({ "catch_up": "last" })), from, now);
    assert_eq!(last.0, ["2026-01-04T01:00:00.000Z Missed"]);
    let all = due(&schedule(json!({ "catch_up": { "all": 10 } })), from, now);
    assert_eq!(all.0, [2, 3, 4].map(|day| format!("2026-01-0{day}T01:00:00.000Z Missed")));
    let two = due(&schedule(json!({ "catch_up": { "all": 2 } })), from, now);
    assert_eq!(two.0, [3, 4].map(|day| format!("2026-01-0{day}T01:00:00.000Z Missed")));
    // A time that is just there is no missed one, and does for `last`.
    let now = "2026-01-04T01:00:30Z";
    let none = due(&schedule(json!({ "catch_up": "none" })), from, now);
    assert_eq!(none.0, ["2026-01-04T01:00:00.000Z OnTime"]);
    let last = due(&schedule(json!({ "catch_up": "last" })), from, now);
    assert_eq!(last.0, ["2026-01-04T01:00:00.000Z OnTime"]);
}

#[test]
fn years_of_downtime_are_no_work() {
    let often = schedule(json!({ "cron": "* * * * *", "catch_up": { "all": 3 } }));
    let (waiting, state) = due(&often, "2000-01-01T00:00:00Z", "2026-01-01T00:30:10Z");
    assert_eq!(waiting.len(), 4, "{waiting:?}");
    assert_eq!(state.next, Some(at("2026-01-01T00:31:00Z")));
}

#[test]
fn the_change_of_the_clocks_neither_drops_nor_doubles_a_night() {
    let nightly = schedule(json!({ "cron": "30 2 * * *", "catch_up": { "all": 99 } }));
    for (from, now, nights) in [
        ("2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z", 4),
        ("2026-10-23T12:00:00Z", "2026-10-27T12:00:00Z", 4),
    ] {
        assert_eq!(due(&nightly, from, now).0.len(), nights, "{from}");
    }
}

#[test]
fn overlap_skips_queues_or_cancels() {
    let on_time = |n| Firing { at: at(&format!("2026-01-0{n}T01:00:00Z")), due: Due::OnTime };
    let lives = Previous::Lives(run(7));
    let state = ScheduleState { waiting: vec![on_time(1), on_time(2)], ..ScheduleState::default() };

    let (mut skip, policy) = (state.clone(), schedule(json!({ "overlap": "skip" })));
    assert_eq!(skip.stand(&policy, lives), Standing::Rests);
    assert_eq!((skip.waiting.len(), skip.skipped), (0, 2));

    let (mut queue, policy) = (state.clone(), schedule(json!({ "overlap": "queue" })));
    assert_eq!(queue.stand(&policy, lives), Standing::Waits);
    assert_eq!(queue.stand(&policy, Previous::Ended), Standing::Start(on_time(1)));
    queue.started(on_time(1), run(1));
    assert_eq!((queue.waiting.as_slice(), queue.last_run), ([on_time(2)].as_slice(), Some(run(1))));

    let (mut cancel, policy) = (state, schedule(json!({ "overlap": "cancel_previous" })));
    assert_eq!(cancel.stand(&policy, lives), Standing::Cancel(run(7)));
    assert_eq!(cancel.stand(&policy, Previous::Ended), Standing::Start(on_time(2)));
    assert_eq!(cancel.skipped, 1);
}

#[test]
fn what_is_caught_up_waits_in_line_and_is_not_skipped() {
    let policy = schedule(json!({ "overlap": "skip", "catch_up": { "all": 5 } }));
    let (_, mut state) = due(&policy, "2026-01-01T12:00:00Z", "2026-01-04T12:00:00Z");
    for left in [2, 1, 0] {
        let Standing::Start(firing) = state.stand(&policy, Previous::Ended) else { panic!() };
        state.started(firing, run(left));
        let expected = if left == 0 { Standing::Rests } else { Standing::Waits };
        assert_eq!(state.stand(&policy, Previous::Lives(run(left))), expected);
    }
    assert_eq!((state.started, state.skipped), (3, 0));
}

#[test]
fn a_pause_holds_up_all_but_what_a_person_asks_for() {
    let nightly = schedule(json!({}));
    let mut state = ScheduleState::new(&nightly, at("2026-01-01T12:00:00Z"));
    state.pause();
    let now = at("2026-01-03T12:00:00Z");
    state.take_due(&nightly, "nightly", now);
    assert_eq!(state.due_at(&nightly, "nightly", now), None);
    state.trigger(now);
    assert!(state.due_at(&nightly, "nightly", now).is_some());
    let by_hand = Firing { at: now, due: Due::ByHand };
    assert_eq!(state.stand(&nightly, Previous::Lives(run(1))), Standing::Waits);
    assert_eq!(state.stand(&nightly, Previous::Ended), Standing::Start(by_hand));
    state.started(by_hand, run(2));
    state.resume(&nightly, now);
    assert_eq!(state.due_at(&nightly, "nightly", now), Some(at("2026-01-04T01:00:00Z")));
}

#[test]
fn what_a_person_did_meanwhile_counts_too() {
    let nightly = schedule(json!({}));
    let base = ScheduleState::new(&nightly, at("2026-01-01T12:00:00Z"));
    let now = at("2026-01-02T01:00:01Z");
    let mut ours = base.clone();
    ours.take_due(&nightly, "nightly", now);
    ours.started(ours.waiting[0], run(1));
    let mut theirs = base.clone();
    theirs.pause();
    theirs.trigger(now);
    let merged = ours.merged(&base, &theirs);
    assert_eq!((merged.paused, merged.last_run, merged.started), (true, Some(run(1)), 1));
    assert_eq!(merged.waiting, [Firing { at: now, due: Due::ByHand }]);
    assert_eq!(ours.merged(&base, &base), ours);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However often and when a node looks, with `all` each time is taken once, with its jitter.
    #[test]
    fn every_time_is_taken_once(
        jitter in 0_u64..1200, looks in prop::collection::vec(1_u64..9000, 1..40),
    ) {
        let often = schedule(json!({
            "cron": "*/20 * * * *", "catch_up": { "all": 1000 }, "jitter": format!("{jitter}s"),
        }));
        let begin = at("2026-03-28T20:07:00Z");
        let mut state = ScheduleState::new(&often, begin);
        let mut now = begin;
        let mut taken: Vec<Timestamp> = Vec::new();
        for look in looks {
            now = now.after(Duration::from_secs(look));
            state.take_due(&often, "often", now);
            let new = std::mem::take(&mut state.waiting);
            prop_assert!(new.iter().all(|it| often.starts_at("often", it.at) <= now));
            taken.extend(new.iter().map(|it| it.at));
        }
        let mut all = often.between(begin, now, usize::MAX);
        all.retain(|at| often.starts_at("often", *at) <= now);
        prop_assert_eq!(&taken, &all);
        let again = often.starts_at("often", begin);
        prop_assert!(again >= begin && again <= begin.after(Duration::from_secs(jitter)));
        prop_assert_eq!(again, often.starts_at("often", begin));
    }
}
