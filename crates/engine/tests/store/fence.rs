//! The journal: dense, fenced, and the same after a second commit.

use std::sync::Arc;

use bytes::Bytes;
use rackwright_engine::store::{Append, AppendOutcome, ClaimScope, StoreError};

use crate::bench::{Bench, create, create_owned, each_backend, new_run, plain};
use AppendOutcome::{Committed, Conflict};

each_backend!(
    rows_go_in_densely,
    a_taken_place_is_a_conflict,
    committing_again_is_harmless,
    only_the_present_epoch_writes,
    a_run_that_is_not_there_is_a_conflict,
    wrong_batches_are_refused_whole,
    outcomes_keep_the_order_of_the_batch,
    ten_thousand_rows_in_one_batch,
    bytes_stay_bytes,
    writers_that_race_for_a_place,
    an_empty_batch_is_nothing,
);

async fn rows_go_in_densely(bench: Arc<Bench>) {
    let run = new_run();
    bench.put(&[create(run)]).await;
    for seq in 1..=5 {
        bench.put(&[plain(run, seq, 0)]).await;
    }
    assert_eq!(bench.commit(&[plain(run, 7, 0)]).await, [Conflict]);
    assert_eq!(bench.seqs(run).await, [0, 1, 2, 3, 4, 5]);
}

async fn a_taken_place_is_a_conflict(bench: Arc<Bench>) {
    let run = new_run();
    bench.put(&[create(run)]).await;
    bench.put(&[plain(run, 1, 0)]).await;
    let other = Append { events: Bytes::from_static(b"[\"other\"]"), ..plain(run, 1, 0) };
    assert_eq!(bench.commit(&[other]).await, [Conflict]);
    let again = Append { events: Bytes::from_static(b"[\"other\"]"), ..create(run) };
    assert_eq!(bench.commit(&[again]).await, [Conflict]);
    let rows = bench.store.journal(run, 0, 10).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1].events, plain(run, 1, 0).events);
    assert_eq!(rows[1].at, plain(run, 1, 0).at);
}

async fn committing_again_is_harmless(bench: Arc<Bench>) {
    let (one, two) = (new_run(), new_run());
    for _ in 0..2 {
        bench.put(&[create(one), create(two)]).await;
    }
    for _ in 0..2 {
        bench.put(&[plain(one, 1, 0), plain(two, 1, 0)]).await;
    }
    // One of two was there already.
    bench.put(&[plain(one, 2, 0)]).await;
    bench.put(&[plain(one, 2, 0), plain(two, 2, 0)]).await;
    assert_eq!(bench.seqs(one).await, [0, 1, 2]);
    assert_eq!(bench.seqs(two).await, [0, 1, 2]);
}

async fn only_the_present_epoch_writes(bench: Arc<Bench>) {
    let (run, old, new) = (new_run(), bench.join(1).await, bench.join(2).await);
    bench.put(&[create_owned(run, &old)]).await;
    bench.put(&[plain(run, 1, 1)]).await;
    bench.store.expire(old.id).await.unwrap();
    let claims = bench.store.claim(new.id, ClaimScope::All, 10).await.unwrap();
    assert_eq!(claims[0].epoch, 2);
    assert_eq!(bench.commit(&[plain(run, 2, 1)]).await, [Conflict], "the zombie");
    assert_eq!(bench.commit(&[plain(run, 2, 3)]).await, [Conflict], "an epoch to come");
    bench.put(&[plain(run, 2, 2)]).await;
    assert_eq!(bench.commit(&[plain(run, 3, 1)]).await, [Conflict]);
    bench.put(&[plain(run, 3, 2)]).await;
    let rows = bench.store.journal(run, 0, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.epoch).collect::<Vec<_>>(), [1, 1, 2, 2]);
}

async fn a_run_that_is_not_there_is_a_conflict(bench: Arc<Bench>) {
    let (there, not) = (new_run(), new_run());
    bench.put(&[create(there)]).await;
    let outcomes = bench.commit(&[plain(not, 1, 0), plain(there, 1, 0)]).await;
    assert_eq!(outcomes, [Conflict, Committed]);
    assert_eq!(bench.seqs(not).await, [] as [u64; 0]);
}

async fn wrong_batches_are_refused_whole(bench: Arc<Bench>) {
    let (run, other) = (new_run(), new_run());
    bench.put(&[create(run)]).await;
    let mut writer = bench.store.writer().await.unwrap();
    let twice = [plain(run, 1, 0), create(other), plain(run, 2, 0)];
    let beginning_at_one = [create(other), Append { seq: 1, ..create(new_run()) }];
    let nothing_begun = [create(other), plain(new_run(), 0, 0)];
    for batch in [&twice[..], &beginning_at_one, &nothing_begun] {
        let error = writer.commit(batch).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    }
    assert_eq!(bench.seqs(run).await, [0]);
    assert_eq!(bench.store.run(other).await.unwrap(), None);
    assert_eq!(writer.commit(&[plain(run, 1, 0)]).await.unwrap(), [Committed]);
}

async fn outcomes_keep_the_order_of_the_batch(bench: Arc<Bench>) {
    let runs: Vec<_> = (0..9).map(|_| new_run()).collect();
    let mut batch: Vec<_> = runs.iter().rev().map(|run| create(*run)).collect();
    bench.put(&batch).await;
    batch = runs.iter().rev().map(|run| plain(*run, 1, 0)).collect();
    batch[2].epoch = 9;
    batch[5].seq = 4;
    let mut expected = [Committed; 9];
    expected[2] = Conflict;
    expected[5] = Conflict;
    assert_eq!(bench.commit(&batch).await, expected);
}

async fn ten_thousand_rows_in_one_batch(bench: Arc<Bench>) {
    let runs: Vec<_> = (0..10_000).map(|_| new_run()).collect();
    bench.put(&runs.iter().map(|run| create(*run)).collect::<Vec<_>>()).await;
    bench.put(&runs.iter().map(|run| plain(*run, 1, 0)).collect::<Vec<_>>()).await;
    let rows = bench.store.journals(&runs).await.unwrap();
    assert_eq!(rows.len(), 20_000);
    let expected = runs.iter().flat_map(|run| [(*run, 0), (*run, 1)]);
    assert!(rows.iter().map(|(run, row)| (*run, row.seq)).eq(expected));
}

async fn bytes_stay_bytes(bench: Arc<Bench>) {
    let run = new_run();
    bench.put(&[create(run)]).await;
    let payloads = [
        Bytes::from_static(b"[]"),
        Bytes::from_static(b"[ {\"a\" : 1.0, \"a\": 1e400} ]"),
        Bytes::from("[\"\\u0000 \u{0} Ünïcödé 火 🦀 \u{202e}\"]"),
        Bytes::from(format!("[\"{}\"]", "é".repeat(1 << 19))),
        Bytes::new(),
    ];
    for (seq, events) in (1..).zip(&payloads) {
        bench.put(&[Append { events: events.clone(), ..plain(run, seq, 0) }]).await;
    }
    // And side by side in one batch.
    let runs: Vec<_> = payloads.iter().map(|_| new_run()).collect();
    let with = |(run, events): (&_, &Bytes)| Append { events: events.clone(), ..create(*run) };
    bench.put(&runs.iter().zip(&payloads).map(with).collect::<Vec<_>>()).await;

    let rows = bench.store.journal(run, 1, 10).await.unwrap();
    assert!(rows.iter().map(|row| &row.events).eq(&payloads));
    let rows = bench.store.journals(&runs).await.unwrap();
    assert!(rows.iter().map(|(_, row)| &row.events).eq(&payloads));
}

async fn writers_that_race_for_a_place(bench: Arc<Bench>) {
    const ROWS: u64 = 40;
    let runs: Vec<_> = (0..8).map(|_| new_run()).collect();
    bench.put(&runs.iter().map(|run| create(*run)).collect::<Vec<_>>()).await;
    let race = |me: usize| {
        let (bench, mut runs) = (Arc::clone(&bench), runs.clone());
        // The two hand in their batches in opposite orders.
        if me == 0 {
            runs.reverse();
        }
        tokio::spawn(async move {
            let mut writer = bench.store.writer().await.unwrap();
            let mut won = 0;
            for seq in 1..=ROWS {
                let events = Bytes::from(format!("[{me}]"));
                let row = |run: &_| Append { events: events.clone(), ..plain(*run, seq, 0) };
                let batch: Vec<_> = runs.iter().map(row).collect();
                let outcomes = writer.commit(&batch).await.unwrap();
                won += outcomes.iter().filter(|outcome| **outcome == Committed).count();
            }
            won
        })
    };
    let (one, two) = tokio::join!(race(0), race(1));
    let rows = bench.store.journals(&runs).await.unwrap();
    let count = |me: &[u8]| rows.iter().filter(|(_, row)| row.events == me).count();
    assert_eq!(one.unwrap(), count(b"[0]"));
    assert_eq!(two.unwrap(), count(b"[1]"));
    for run in runs {
        assert!(bench.seqs(run).await.into_iter().eq(0..=ROWS));
    }
}

async fn an_empty_batch_is_nothing(bench: Arc<Bench>) {
    assert_eq!(bench.commit(&[]).await, []);
}
