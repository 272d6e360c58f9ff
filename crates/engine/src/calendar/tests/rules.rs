use super::{at, show, zone};
use crate::calendar::{LocalTime, Rule};

fn rule(text: &str, start: &str) -> Rule {
    Rule::new(text, start.parse().unwrap()).unwrap()
}

fn next(rule: &Rule, time_zone: &str, from: &str, count: usize) -> Vec<String> {
    let zone = zone(time_zone);
    let all = std::iter::successors(Some(at(from)), |last| rule.next_after(*last, zone));
    all.skip(1).take(count).map(|time| show(time, zone)).collect()
}

#[test]
fn rules_keep_the_wall_clock_over_changes_of_the_clocks() {
    let daily = rule("FREQ=DAILY", "2026-01-01T02:30");
    assert_eq!(
        next(&daily, "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        ["Sun 03-29 03:30 CEST", "Mon 03-30 02:30 CEST"]
    );
    assert_eq!(
        next(&daily, "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["Sun 10-25 02:30 CEST", "Mon 10-26 02:30 CET"]
    );
    assert_eq!(
        next(&daily, "America/New_York", "2026-03-07T12:00:00Z", 2),
        ["Sun 03-08 03:30 EDT", "Mon 03-09 02:30 EDT"]
    );
}

#[test]
fn the_second_saturday_and_the_last_day() {
    let second = rule("RRULE:FREQ=MONTHLY;BYDAY=2SA", "2026-01-10T22:00");
    assert_eq!(
        next(&second, "Europe/Berlin", "2026-01-01T00:00:00Z", 3),
        ["Sat 01-10 22:00 CET", "Sat 02-14 22:00 CET", "Sat 03-14 22:00 CET"]
    );
    let last = rule("FREQ=MONTHLY;BYMONTHDAY=-1", "2028-01-31T22:00");
    assert_eq!(
        next(&last, "UTC", "2028-02-01T00:00:00Z", 2),
        ["Tue 02-29 22:00 UTC", "Fri 03-31 22:00 UTC"]
    );
    let fortnight = rule("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", "2026-01-06T01:00");
    assert_eq!(
        next(&fortnight, "UTC", "2026-01-06T01:00:00Z", 2),
        ["Tue 01-20 01:00 UTC", "Tue 02-03 01:00 UTC"]
    );
}

#[test]
fn a_rule_ends_by_count_and_by_date() {
    let twice = rule("FREQ=WEEKLY;COUNT=2", "2026-01-03T22:00");
    assert_eq!(next(&twice, "UTC", "2026-01-01T00:00:00Z", 9).len(), 2);
    // 2026-01-10T22:00 in Berlin is 21:00 in UTC.
    let local = rule("FREQ=WEEKLY;UNTIL=20260110T220000", "2026-01-03T22:00");
    assert_eq!(next(&local, "Europe/Berlin", "2026-01-01T00:00:00Z", 9).len(), 2);
    let utc = rule("FREQ=WEEKLY;UNTIL=20260110T205959Z", "2026-01-03T22:00");
    assert_eq!(next(&utc, "Europe/Berlin", "2026-01-01T00:00:00Z", 9).len(), 1);
}

#[test]
fn a_rule_that_has_run_for_decades_still_comes() {
    let daily = rule("FREQ=DAILY", "1971-01-01T22:00");
    assert_eq!(next(&daily, "UTC", "2069-12-30T00:00:00Z", 1), ["Mon 12-30 22:00 UTC"]);
}

#[test]
fn what_is_no_rule_is_told_how_to_mend_it() {
    let start: LocalTime = "2026-01-01 22:00".parse().unwrap();
    let refused = |text: &str| Rule::new(text, start).unwrap_err().to_string();
    assert!(refused("every saturday").contains("no recurrence rule of RFC 5545"));
    assert!(refused("FREQ=HOURLY").contains("more than once a day"));
    assert!(refused("FREQ=MONTHLY;BYMONTHDAY=32").contains("no recurrence rule"));
    assert!("tomorrow".parse::<LocalTime>().unwrap_err().to_string().contains("2026-01-10T22:00"));
}
