use proptest::prelude::*;

use super::{at, cron, show, zone};
use crate::{
    calendar::{Calendar, Cron, Recurrence, TimeZone},
    model::Timestamp,
};

fn next(text: &str, time_zone: &str, from: &str, count: usize) -> Vec<String> {
    let (cron, zone) = (cron(text), zone(time_zone));
    let all = std::iter::successors(Some(at(from)), |last| cron.next_after(*last, zone));
    all.skip(1).take(count).map(|time| show(time, zone)).collect()
}

#[test]
fn a_fixed_time_comes_once_on_the_days_on_which_the_clocks_change() {
    assert_eq!(
        next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 3),
        ["Sun 03-29 03:00 CEST", "Mon 03-30 02:30 CEST", "Tue 03-31 02:30 CEST"]
    );
    assert_eq!(
        next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 3),
        ["Sun 10-25 02:30 CEST", "Mon 10-26 02:30 CET", "Tue 10-27 02:30 CET"]
    );
    assert_eq!(
        next("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 3),
        ["Sun 03-08 03:00 EDT", "Mon 03-09 02:30 EDT", "Tue 03-10 02:30 EDT"]
    );
    assert_eq!(
        next("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 3),
        ["Sun 11-01 01:30 EDT", "Mon 11-02 01:30 EST", "Tue 11-03 01:30 EST"]
    );
}

#[test]
fn what_goes_through_the_hours_follows_the_time_that_passes() {
    assert_eq!(
        next("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 6),
        [
            "Sun 10-25 02:00 CEST",
            "Sun 10-25 02:30 CEST",
            "Sun 10-25 02:00 CET",
            "Sun 10-25 02:30 CET",
            "Sun 10-25 03:00 CET",
            "Sun 10-25 03:30 CET"
        ]
    );
    assert_eq!(
        next("*/30 * * * *", "America/New_York", "2026-03-08T06:30:00Z", 2),
        ["Sun 03-08 03:00 EDT", "Sun 03-08 03:30 EDT"]
    );
}

#[test]
fn days_of_the_calendar() {
    assert_eq!(
        next("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 2),
        ["Tue 02-29 00:00 UTC", "Sun 02-29 00:00 UTC"]
    );
    assert_eq!(
        next("0 0 31 * *", "UTC", "2026-01-31T12:00:00Z", 2),
        ["Tue 03-31 00:00 UTC", "Sun 05-31 00:00 UTC"]
    );
    assert_eq!(next("0 0 L 2 *", "UTC", "2028-01-01T00:00:00Z", 1), ["Tue 02-29 00:00 UTC"]);
    // Monday is 1, Sunday 0 and 7; either of two kinds of days will do.
    assert_eq!(
        next("0 0 13 * FRI", "UTC", "2026-01-01T00:00:00Z", 3),
        ["Fri 01-02 00:00 UTC", "Fri 01-09 00:00 UTC", "Tue 01-13 00:00 UTC"]
    );
    for sunday in ["0", "7", "SUN"] {
        let text = format!("0 0 * * {sunday}");
        assert_eq!(next(&text, "UTC", "2026-01-01T00:00:00Z", 1), ["Sun 01-04 00:00 UTC"]);
    }
}

#[test]
fn what_is_no_cron_expression_is_told_how_to_mend_it() {
    let refused = |text: &str| text.parse::<Cron>().unwrap_err().to_string();
    assert!(refused("0 30 2 * * *").contains("6 fields: seconds and years are not known"));
    assert!(refused("0 0 1 1 * 2030 *").contains("7 fields"));
    assert!(refused("* * *").contains("has 3 fields: write five fields"));
    assert!(refused("").contains("has 0 fields"));
    assert!(refused("60 * * * *").contains("no cron expression"));
    assert!(refused("0 0 * * FUN").contains("no cron expression"));
    assert!(refused("0 0 31 2 *").contains("never comes"));
    assert!(refused("0 0 30 2 *").contains("never comes"));
    assert!(refused("0 0 31 4,6,9,11 *").contains("never comes"));
    let zone = "Europe/Berlni".parse::<TimeZone>().unwrap_err().to_string();
    assert!(zone.contains("did you mean `Europe/Berlin`?"), "{zone}");
}

#[test]
fn words_for_common_times_are_known() {
    assert_eq!(next("@daily", "UTC", "2026-01-01T00:00:00Z", 1), ["Fri 01-02 00:00 UTC"]);
}

#[test]
fn between_takes_its_end_and_not_its_beginning() {
    let recurrence = Recurrence::Cron { cron: cron("0 * * * *") };
    let calendar = Calendar { recurrence: &recurrence, zone: TimeZone::UTC };
    let (from, to) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T03:00:00Z"));
    let hours = calendar.between(from, to, 10);
    assert_eq!(hours, [1, 2, 3].map(|hour| at(&format!("2026-01-01T0{hour}:00:00Z"))));
    assert_eq!(calendar.between(from, to, 2), hours[..2]);
}

fn any_cron() -> impl Strategy<Value = String> {
    let minute = prop_oneof!["[0-9]", "[1-5][0-9]", Just("*".to_owned()), "\\*/(5|15|30)"];
    let hour =
        prop_oneof!["[0-9]", "1[0-9]", "2[0-3]", Just("*".to_owned()), "\\*/[2-6]", "1-[3-6]"];
    let day = prop_oneof![6 => Just("*".to_owned()), 1 => "[1-9]", 1 => "2[0-8]", 1 => Just("L".to_owned())];
    let weekday =
        prop_oneof![3 => Just("*".to_owned()), 1 => "[0-7]", 1 => Just("MON-FRI".to_owned())];
    (minute, hour, day, weekday).prop_map(|(m, h, d, w)| format!("{m} {h} {d} * {w}"))
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    let names =
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];
    prop::sample::select(names.map(zone).to_vec())
}

/// Around the changes of 2026, where mistakes are, and anywhere.
fn any_time() -> impl Strategy<Value = Timestamp> {
    let near = |text: &'static str| {
        (-90_000_i64..90_000)
            .prop_map(move |s| Timestamp::from_micros(at(text).micros() + s * 1_000_000))
    };
    prop_oneof![
        near("2026-03-29T01:00:00Z"),
        near("2026-10-25T01:00:00Z"),
        near("2026-03-08T07:00:00Z"),
        near("2026-11-01T06:00:00Z"),
        near("2026-04-04T15:00:00Z"),
        (0_i64..4_000_000_000).prop_map(|s| Timestamp::from_micros(s * 1_000_000)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// The next occurrence does not depend on where one begins to look.
    #[test]
    fn the_next_one_is_the_same_from_everywhere_before_it(
        text in any_cron(), zone in any_zone(), time in any_time(), part in 0.0..1.0_f64,
    ) {
        let cron = cron(&text);
        let next = cron.next_after(time, zone).unwrap();
        prop_assert!(next > time);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any point between")]
        let between = (((next.micros() - time.micros()) as f64) * part) as i64;
        let between = Timestamp::from_micros(time.micros() + between).min(Timestamp::from_micros(next.micros() - 1));
        prop_assert_eq!(cron.next_after(between, zone).unwrap(), next, "from {} and {}", time, between);
    }
}
