//! Schedules over the whole engine, by a clock that moves when it is told to.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    Client, Config, Engine, RunStatus,
    calendar::{Schedule, ScheduleState},
    model::Timestamp,
    store::{ManualClock, MemoryStore, RunFilter, RunRecord, SqliteStore, Store},
};
use serde_json::{Value, json};

use crate::support::{Log, builder, workflow};

const HOUR: Duration = Duration::from_hours(1);

fn at(text: &str) -> Timestamp {
    let time = text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    Timestamp::from_micros(time.timestamp_micros())
}

fn schedule(more: Value) -> Schedule {
    let mut value =
        json!({ "workflow": "report", "cron": "30 2 * * *", "time_zone": "Europe/Berlin" });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(value).unwrap()
}

/// A store on a clock of its own, and what runs on it.
struct Site {
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    client: Client,
    log: Log,
}

impl Site {
    fn new(now: &str) -> Self {
        let clock = Arc::new(ManualClock::new(at(now)));
        let store = Arc::new(MemoryStore::with_clock(Arc::clone(&clock) as _));
        Self::on(store, clock)
    }

    fn on(store: Arc<dyn Store>, clock: Arc<ManualClock>) -> Self {
        let client = Client::new(Arc::clone(&store));
        Self { store, clock, client, log: Log::default() }
    }

    async fn node(&self) -> Engine {
        let config = Config {
            poll: Duration::from_millis(20),
            // The clock jumps over days.
            lease: Duration::from_hours(24 * 365),
            ..Config::default()
        };
        let store = Arc::clone(&self.store);
        let engine = builder(&self.log).open_store(store).config(config).build().await.unwrap();
        let quick = json!({ "workflow": "report", "steps": [{ "id": "a", "uses": "t.echo" }] });
        engine.deploy(workflow(quick)).await.unwrap();
        let off =
            json!({ "cron": "0 0 1 1 *", "duration": "1h", "time_zone": "UTC", "enabled": false });
        engine.put_window("never", &serde_json::from_value(off).unwrap(), "eva").await.unwrap();
        let long = json!({
            "workflow": "long",
            "steps": [{ "id": "a", "uses": "t.echo", "window": "never" }],
        });
        engine.deploy(workflow(long)).await.unwrap();
        engine
    }

    /// The runs of the schedules, the oldest first.
    async fn runs(&self) -> Vec<RunRecord> {
        let mut runs = self.client.runs(&RunFilter::default()).await.unwrap();
        runs.reverse();
        runs
    }

    async fn keys(&self) -> Vec<String> {
        self.runs().await.into_iter().filter_map(|run| run.idempotency_key).collect()
    }

    async fn state(&self, name: &str) -> ScheduleState {
        self.client.schedule(name).await.unwrap().schedule.unwrap().1
    }

    /// Waits until the nodes have looked at a schedule and have nothing to do for it now.
    async fn settled(&self, name: &str) -> ScheduleState {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let row = self.store.calendars().schedules(Some(name)).await.unwrap().remove(0);
            let now = self.store.now().await.unwrap();
            if row.due_at.is_none_or(|due| due > now) {
                return serde_json::from_slice(&row.state).unwrap();
            }
            assert!(tokio::time::Instant::now() < deadline, "{name} does not settle: {row:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Moves the clock on in small steps until this many runs have started.
    async fn started(&self, name: &str, count: u64) -> ScheduleState {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let state = self.settled(name).await;
            if state.started >= count {
                assert_eq!(state.started, count);
                return state;
            }
            assert!(tokio::time::Instant::now() < deadline, "{count} runs do not start: {state:?}");
            self.clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn every_night_has_one_run_over_the_change_of_the_clocks() {
    let site = Site::new("2026-10-23T12:00:00Z");
    let node = site.node().await;
    site.client
        .put_schedule("nightly", &schedule(json!({ "labels": { "team": "dc" } })), "eva")
        .await
        .unwrap();
    for _ in 0..24 * 4 {
        site.clock.advance(HOUR);
        site.settled("nightly").await;
    }
    let nights = ["24T00:30", "25T00:30", "26T01:30", "27T01:30"];
    let expected = nights.map(|night| format!("schedule nightly 2026-10-{night}:00.000Z"));
    assert_eq!(site.keys().await, expected);
    let runs = site.runs().await;
    assert!(
        runs.iter().all(|run| run.labels["schedule"] == "nightly" && run.labels["team"] == "dc")
    );
    let state = site.state("nightly").await;
    assert_eq!((state.started, state.skipped, state.last_run), (4, 0, Some(runs[3].id)));
    node.shutdown().await.unwrap();
}

/// Three days without a node.
async fn downtime(catch_up: Value) -> Vec<String> {
    let site = Site::new("2026-01-01T12:00:00Z");
    let first = site.node().await;
    site.client
        .put_schedule("nightly", &schedule(json!({ "catch_up": catch_up })), "eva")
        .await
        .unwrap();
    first.shutdown().await.unwrap();
    site.clock.advance(HOUR * 72);
    let second = site.node().await;
    let expected = if catch_up == json!("none") {
        0
    } else if catch_up == json!("last") {
        1
    } else {
        2
    };
    site.started("nightly", expected).await;
    second.shutdown().await.unwrap();
    site.keys()
        .await
        .into_iter()
        .map(|key| key["schedule nightly ".len()..][..10].to_owned())
        .collect()
}

#[tokio::test]
async fn downtime_is_caught_up_as_the_policy_says() {
    assert!(downtime(json!("none")).await.is_empty());
    assert_eq!(downtime(json!("last")).await, ["2026-01-04"]);
    assert_eq!(downtime(json!({ "all": 2 })).await, ["2026-01-03", "2026-01-04"]);
}

#[tokio::test]
async fn two_nodes_fire_a_time_once() {
    let clock = Arc::new(ManualClock::new(at("2026-01-01T00:00:30Z")));
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("test.db").display());
    let store = SqliteStore::with_clock(&url, Arc::clone(&clock) as _).await.unwrap();
    let site = Site::on(Arc::new(store), clock);
    let nodes = [site.node().await, site.node().await, site.node().await];
    for name in ["a", "b", "c"] {
        let often =
            schedule(json!({ "cron": "* * * * *", "time_zone": "UTC", "overlap": "queue" }));
        site.client.put_schedule(name, &often, "eva").await.unwrap();
    }
    for minute in 1..=10 {
        site.clock.advance(Duration::from_mins(1));
        for name in ["a", "b", "c"] {
            site.started(name, minute).await;
        }
    }
    let keys = site.keys().await;
    let mut once = keys.clone();
    once.sort();
    once.dedup();
    assert_eq!((once.len(), keys.len()), (30, 30));
    for node in nodes {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_time_is_skipped_while_the_previous_run_goes_on() {
    let site = Site::new("2026-01-01T12:00:00Z");
    let node = site.node().await;
    let hourly = schedule(json!({ "workflow": "long", "cron": "0 * * * *" }));
    site.client.put_schedule("hourly", &hourly, "eva").await.unwrap();
    site.clock.advance(HOUR);
    site.started("hourly", 1).await;
    site.clock.advance(HOUR);
    let state = site.settled("hourly").await;
    assert_eq!((state.started, state.skipped), (1, 1));
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_queued_time_starts_when_the_previous_run_has_ended() {
    let site = Site::new("2026-01-01T12:00:00Z");
    let node = site.node().await;
    let hourly = schedule(json!({ "workflow": "long", "cron": "0 * * * *", "overlap": "queue" }));
    site.client.put_schedule("hourly", &hourly, "eva").await.unwrap();
    site.clock.advance(HOUR);
    let first = site.started("hourly", 1).await.last_run.unwrap();
    site.clock.advance(HOUR);
    let state = site.settled("hourly").await;
    assert_eq!((state.started, state.waiting.len()), (1, 1));
    node.override_window(first, None, "eva", "now").await.unwrap();
    assert_eq!(node.run(first).wait().await.unwrap().status, RunStatus::Completed);
    assert_eq!(site.started("hourly", 2).await.waiting, []);
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_previous_run_is_cancelled_before_the_next_starts() {
    let site = Site::new("2026-01-01T12:00:00Z");
    let node = site.node().await;
    let hourly = json!({ "workflow": "long", "cron": "0 * * * *", "overlap": "cancel_previous" });
    site.client.put_schedule("hourly", &schedule(hourly), "eva").await.unwrap();
    site.clock.advance(HOUR);
    let first = site.started("hourly", 1).await.last_run.unwrap();
    site.clock.advance(HOUR);
    site.started("hourly", 2).await;
    assert_eq!(site.client.record(first).await.unwrap().status, RunStatus::Cancelled);
    let view = site.client.view(first).await.unwrap();
    assert_eq!(view.state().cancel.as_ref().unwrap().by, "schedule hourly");
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_paused_schedule_starts_only_what_a_person_asks_for() {
    let site = Site::new("2026-01-01T12:00:00Z");
    let node = site.node().await;
    site.client.put_schedule("nightly", &schedule(json!({})), "eva").await.unwrap();
    site.client.pause_schedule("nightly").await.unwrap();
    site.clock.advance(HOUR * 48);
    assert_eq!(site.settled("nightly").await.started, 0);
    site.client.trigger_schedule("nightly").await.unwrap();
    site.started("nightly", 1).await;
    assert!(site.keys().await[0].starts_with("schedule nightly by hand "));
    site.client.resume_schedule("nightly").await.unwrap();
    assert_eq!(site.settled("nightly").await.started, 1, "a pause is not caught up");
    site.clock.advance(HOUR * 24);
    site.started("nightly", 2).await;
    assert!(site.client.remove_schedule("nightly").await.unwrap());
    assert!(site.client.schedule("nightly").await.is_err());
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_could_never_start_is_refused_and_what_fails_is_told() {
    let site = Site::new("2026-01-01T12:00:00Z");
    let node = site.node().await;
    let put = async |more: Value| site.client.put_schedule("x", &schedule(more), "eva").await;
    assert!(
        put(json!({ "workflow": "unknown" })).await.unwrap_err().to_string().contains("unknown")
    );
    let strict = json!({
        "workflow": "strict",
        "input": { "type": "object", "required": ["host"] },
        "steps": [{ "id": "a", "uses": "t.echo" }],
    });
    node.deploy(workflow(strict)).await.unwrap();
    assert!(put(json!({ "workflow": "strict" })).await.unwrap_err().to_string().contains("host"));
    assert!(put(json!({ "jitter": "25h" })).await.unwrap_err().to_string().contains("jitter"));
    put(json!({ "workflow": "strict", "input": { "host": "a" } })).await.unwrap();
    // A later version wants more.
    let stricter = json!({
        "workflow": "strict",
        "input": { "type": "object", "required": ["host", "rack"] },
        "steps": [{ "id": "a", "uses": "t.echo" }],
    });
    site.clock.advance(HOUR);
    node.deploy(workflow(stricter)).await.unwrap();
    site.clock.advance(HOUR * 24);
    let state = site.settled("x").await;
    assert!(state.error.unwrap().contains("rack"));
    assert_eq!((state.started, state.waiting.len()), (0, 1));
    node.shutdown().await.unwrap();
}
