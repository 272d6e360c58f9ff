//! Windows and schedules: kept by name, and each due schedule taken by one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rackwright_engine::{
    model::Timestamp,
    store::{NewSchedule, StoreError},
};

use crate::bench::{Bench, HOUR, each_backend};

each_backend!(
    windows_are_kept_by_name,
    schedules_are_kept_by_name,
    a_change_counts_at_its_revision_only,
    a_due_schedule_is_taken_by_one,
    a_held_schedule_comes_free,
    wrong_names_are_refused,
);

fn schedule(name: &str, due_at: Option<Timestamp>) -> NewSchedule {
    NewSchedule {
        name: name.to_owned(),
        definition: Bytes::from_static(b"\x00definition"),
        state: Bytes::from_static(b"state"),
        due_at,
        by: "eva".to_owned(),
    }
}

async fn windows_are_kept_by_name(bench: Arc<Bench>) {
    let store = bench.store.calendars();
    assert!(store.windows().await.unwrap().is_empty());
    let before = bench.store.now().await.unwrap();
    store.put_window("weekend", b"one", "eva").await.unwrap();
    store.put_window("nightly", b"\x00\xff", "eva").await.unwrap();
    store.put_window("weekend", b"two", "ida").await.unwrap();
    let rows = store.windows().await.unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (&*row.name, &row.definition[..], &*row.updated_by)).collect();
    assert_eq!(told, [("nightly", &b"\x00\xff"[..], "eva"), ("weekend", b"two", "ida")]);
    assert!(
        rows.iter().all(|row| row.updated_at >= before && row.updated_at <= before.after(HOUR))
    );
    assert!(store.remove_window("nightly").await.unwrap());
    assert!(!store.remove_window("nightly").await.unwrap());
    assert_eq!(store.windows().await.unwrap().len(), 1);
}

async fn schedules_are_kept_by_name(bench: Arc<Bench>) {
    let store = bench.store.calendars();
    let due = Timestamp::from_micros(42);
    store.put_schedule(&schedule("b", Some(due))).await.unwrap();
    store.put_schedule(&schedule("a", None)).await.unwrap();
    let rows = store.schedules(None).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (&*row.name, row.due_at, row.revision)).collect();
    assert_eq!(told, [("a", None, 1), ("b", Some(due), 1)]);
    assert_eq!(
        (&rows[0].definition[..], &rows[0].state[..]),
        (&b"\x00definition"[..], &b"state"[..])
    );
    assert_eq!(rows[0].updated_by, "eva");
    store.put_schedule(&schedule("b", None)).await.unwrap();
    let again = store.schedules(Some("b")).await.unwrap();
    assert_eq!((again.len(), again[0].revision, again[0].due_at), (1, 2, None));
    assert!(store.remove_schedule("b").await.unwrap());
    assert!(!store.remove_schedule("b").await.unwrap());
    assert!(store.schedules(Some("b")).await.unwrap().is_empty());
}

async fn a_change_counts_at_its_revision_only(bench: Arc<Bench>) {
    let store = bench.store.calendars();
    store.put_schedule(&schedule("a", None)).await.unwrap();
    let due = Some(Timestamp::from_micros(7));
    assert!(store.change_schedule("a", 1, b"next", due).await.unwrap());
    assert!(!store.change_schedule("a", 1, b"late", None).await.unwrap());
    assert!(!store.change_schedule("b", 1, b"none", None).await.unwrap());
    let row = store.schedules(Some("a")).await.unwrap().remove(0);
    assert_eq!((&row.state[..], row.due_at, row.revision), (&b"next"[..], due, 2));
    assert_eq!(&row.definition[..], b"\x00definition");
}

async fn a_due_schedule_is_taken_by_one(bench: Arc<Bench>) {
    let store = bench.store.calendars();
    let now = bench.store.now().await.unwrap();
    for n in 0..40 {
        store.put_schedule(&schedule(&format!("due-{n}"), Some(now))).await.unwrap();
    }
    store.put_schedule(&schedule("later", Some(now.after(HOUR)))).await.unwrap();
    store.put_schedule(&schedule("never", None)).await.unwrap();
    let takers = (0..4).map(|_| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                let more = bench.store.calendars().claim_schedules(3, HOUR).await.unwrap();
                if more.is_empty() {
                    return taken;
                }
                assert!(more.len() <= 3);
                taken.extend(more.into_iter().map(|row| row.name));
            }
        })
    });
    let mut taken = Vec::new();
    for taker in takers.collect::<Vec<_>>() {
        taken.extend(taker.await.unwrap());
    }
    // Takers that were in each other's way may have gone away with less.
    taken.extend(store.claim_schedules(100, HOUR).await.unwrap().into_iter().map(|row| row.name));
    taken.sort();
    let mut all: Vec<_> = (0..40).map(|n| format!("due-{n}")).collect();
    all.sort();
    assert_eq!(taken, all);
}

async fn a_held_schedule_comes_free(bench: Arc<Bench>) {
    let store = bench.store.calendars();
    let now = bench.store.now().await.unwrap();
    store.put_schedule(&schedule("a", Some(now))).await.unwrap();
    // By the end of its time: a hold of nothing is over at once.
    assert_eq!(store.claim_schedules(9, Duration::ZERO).await.unwrap().len(), 1);
    let held = store.claim_schedules(9, HOUR).await.unwrap();
    assert_eq!(held.len(), 1);
    assert!(store.claim_schedules(9, HOUR).await.unwrap().is_empty());
    // By a change of whoever holds it.
    assert!(store.change_schedule("a", held[0].revision, b"x", Some(now)).await.unwrap());
    assert_eq!(store.claim_schedules(9, HOUR).await.unwrap().len(), 1);
    // By a person who writes it anew: the holder's change does not count any more.
    store.put_schedule(&schedule("a", Some(now))).await.unwrap();
    assert!(!store.change_schedule("a", 2, b"y", None).await.unwrap());
    assert_eq!(store.claim_schedules(9, HOUR).await.unwrap().len(), 1);
}

async fn wrong_names_are_refused(bench: Arc<Bench>) {
    let store = bench.store.calendars();
    let long = "x".repeat(513);
    for name in ["", "nul\0", &long] {
        let window = store.put_window(name, b"", "eva").await.unwrap_err();
        assert!(matches!(window, StoreError::Invalid(_)), "{window}");
        let schedule = store.put_schedule(&schedule(name, None)).await.unwrap_err();
        assert!(matches!(schedule, StoreError::Invalid(_)), "{schedule}");
    }
}
