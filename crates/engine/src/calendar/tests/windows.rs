use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::{at, show, zone};
use crate::{
    calendar::{NoFit, Opening, Window, Windows},
    model::{HumanDuration, StepError, Timestamp},
};

fn window(value: serde_json::Value) -> Window {
    let window: Window = serde_json::from_value(value).unwrap();
    window.check().unwrap();
    window
}

fn saturday() -> Window {
    window(json!({ "cron": "0 22 * * SAT", "duration": "6h", "time_zone": "Europe/Berlin" }))
}

fn needs(text: &str) -> HumanDuration {
    text.parse().unwrap()
}

fn fit(window: &Window, now: &str, text: &str) -> Option<Opening> {
    window.next_fit(at(now), needs(text)).unwrap()
}

#[test]
fn an_open_window_with_enough_left_fits_now() {
    // Saturday the 10th, 22:00 to 04:00 in Berlin: 21:00 to 03:00 UTC.
    let opening = Opening { from: at("2026-01-10T21:00:00Z"), until: at("2026-01-11T03:00:00Z") };
    let next = Opening { from: at("2026-01-17T21:00:00Z"), until: at("2026-01-18T03:00:00Z") };
    let table = [
        ("2026-01-10T20:59:59Z", "45m", opening),
        ("2026-01-10T21:00:00Z", "6h", opening),
        ("2026-01-10T21:00:01Z", "6h", next),
        ("2026-01-11T02:15:00Z", "45m", opening),
        ("2026-01-11T02:15:01Z", "45m", next),
        ("2026-01-11T02:59:59Z", "0", opening),
        ("2026-01-11T03:00:00Z", "0", next),
    ];
    for (now, needs, expected) in table {
        assert_eq!(fit(&saturday(), now, needs), Some(expected), "{now} {needs}");
    }
}

#[test]
fn a_window_that_is_too_short_is_an_error() {
    let error = saturday().next_fit(at("2026-01-01T00:00:00Z"), needs("6h1s")).unwrap_err();
    assert_eq!(error, NoFit::TooShort { duration: needs("6h"), needs: needs("6h1s") });
}

#[test]
fn a_window_has_its_length_whatever_the_clocks_do() {
    let zone = zone("Europe/Berlin");
    for (now, from, until) in [
        ("2026-03-28T12:00:00Z", "Sat 03-28 22:00 CET", "Sun 03-29 05:00 CEST"),
        ("2026-10-24T12:00:00Z", "Sat 10-24 22:00 CEST", "Sun 10-25 03:00 CET"),
    ] {
        let opening = fit(&saturday(), now, "6h").unwrap();
        assert_eq!(
            (show(opening.from, zone), show(opening.until, zone)),
            (from.into(), until.into())
        );
        assert_eq!(opening.until.since(opening.from), Duration::from_hours(6));
    }
}

#[test]
fn excluded_dates_are_those_on_which_it_would_open() {
    let mut window = saturday();
    window.exclude.insert("2026-01-10".parse().unwrap());
    window.exclude.insert("2026-01-18".parse().unwrap());
    // The opening of the 17th goes on into the 18th, which does not matter.
    let opening = fit(&window, "2026-01-09T00:00:00Z", "1h").unwrap();
    assert_eq!(opening.from, at("2026-01-17T21:00:00Z"));
    let often = window_with_gap();
    let opening = fit(&often, "2026-12-23T23:59:30Z", "1m").unwrap();
    assert_eq!(opening.from, at("2026-12-25T00:00:00Z"));
    assert_eq!(often.openings(at("2026-12-23T23:59:00Z"), 2)[1].from, at("2026-12-25T00:00:00Z"));
}

fn window_with_gap() -> Window {
    window(json!({
        "cron": "* * * * *", "duration": "1m", "time_zone": "UTC", "exclude": ["2026-12-24"],
    }))
}

#[test]
fn a_window_that_is_switched_off_waits_and_one_that_is_over_fails() {
    let mut windows = Windows::default();
    let mut off = saturday();
    off.enabled = false;
    windows.insert("off", off);
    let over = json!({
        "rrule": "FREQ=WEEKLY;COUNT=2", "start": "2026-01-03T22:00", "duration": "6h",
        "time_zone": "UTC",
    });
    windows.insert("over", window(over));
    windows.insert("weekend", saturday());
    let now = at("2026-02-01T00:00:00Z");
    assert_eq!(windows.fit("off", now, needs("1h")), Ok(None));
    let code = |name: &str| StepError::from(windows.fit(name, now, needs("1h")).unwrap_err()).code;
    assert_eq!(code("over"), "engine.window_over");
    let unknown = StepError::from(windows.fit("weekends", now, needs("1h")).unwrap_err());
    assert_eq!(unknown.code, "engine.no_window");
    assert!(unknown.hint.unwrap().contains("rackwright windows add weekends"));
}

#[test]
fn what_is_no_window_is_refused() {
    let refused = |value: serde_json::Value| {
        let read = serde_json::from_value::<Window>(value).map_err(|error| error.to_string());
        read.and_then(|window| window.check().map_err(|error| error.to_string())).unwrap_err()
    };
    let none = json!({ "cron": "0 22 * * *", "duration": "0", "time_zone": "UTC" });
    assert!(refused(none).contains("more than nothing"));
    let never = json!({
        "rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "start": "2026-01-01T00:00",
        "duration": "1h", "time_zone": "UTC",
    });
    assert!(refused(never).contains("never comes"));
    refused(json!({ "cron": "0 22 * * *", "duration": "1h", "time_zone": "Mars/Base" }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// What fits leaves the time that is needed, does not lie behind, is the first that does so, and
    /// fits still when its time has come.
    #[test]
    fn what_fits_is_the_first_that_is_long_enough(
        hour in 0_u32..24, minutes in 1_u64..3000, part in 0.0..=1.0_f64,
        seconds in 1_700_000_000_i64..1_900_000_000, excluded in prop::collection::btree_set(0_u64..3000, 0..40),
        berlin: bool,
    ) {
        let first: chrono::NaiveDate = "2023-11-01".parse().unwrap();
        let exclude: Vec<_> = excluded.iter().map(|day| first + chrono::Days::new(*day)).collect();
        let window = window(json!({
            "cron": format!("30 {hour} * * *"), "duration": format!("{minutes}m"),
            "time_zone": if berlin { "Europe/Berlin" } else { "America/New_York" }, "exclude": exclude,
        }));
        let now = Timestamp::from_micros(seconds * 1_000_000);
        let needs = HumanDuration(window.duration.0.mul_f64(part).min(window.duration.0));
        let found = window.next_fit(now, needs).unwrap().unwrap();
        let begin = found.from.max(now);
        prop_assert!(found.until.since(begin) >= needs.0 && found.until > begin);
        let long_before = Timestamp::from_micros(now.micros() - 5 * 86_400_000_000);
        let earlier = window.openings(long_before, 10_000 / 10).into_iter()
            .take_while(|other| other.from < found.from)
            .find(|other| other.until > now && other.until.since(other.from.max(now)) >= needs.0);
        prop_assert_eq!(earlier, None);
        prop_assert_eq!(window.next_fit(begin, needs).unwrap().unwrap(), found);
        let date = window.time_zone.local(found.from).unwrap().date_naive();
        prop_assert!(!window.exclude.contains(&date));
    }
}
