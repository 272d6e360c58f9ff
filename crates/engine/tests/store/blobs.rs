//! Large values are there with the rows that name them, and only with those.

use std::sync::Arc;

use rackwright_engine::store::{Append, AppendOutcome, Blob, RunStatus};

use crate::bench::{Bench, create_owned, each_backend, message, new_run, plain, update};
use AppendOutcome::{Committed, Conflict};

each_backend!(
    a_value_comes_with_its_row,
    a_row_that_does_not_go_in_leaves_no_value,
    a_value_is_kept_once_in_a_run,
    values_belong_to_their_runs,
    a_megabyte_of_any_bytes_comes_back,
);

fn blob(text: &str) -> Blob {
    Blob::new(text.as_bytes().to_vec())
}

/// A row that brings values.
fn with(append: Append, blobs: &[Blob]) -> Append {
    Append { blobs: blobs.to_vec(), ..append }
}

async fn found(bench: &Bench, run: rackwright_engine::RunId, blobs: &[Blob]) -> Vec<Blob> {
    let hashes: Vec<_> = blobs.iter().map(|blob| blob.hash).collect();
    let mut found = bench.store.archive().blobs(run, &hashes).await.unwrap();
    found.sort_by_key(|blob| blobs.iter().position(|it| it.hash == blob.hash));
    found
}

async fn a_value_comes_with_its_row(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let run = new_run();
    let values = [blob("first"), blob("second"), blob("third")];
    bench.put(&[with(create_owned(run, &node), &values[..1])]).await;
    assert_eq!(found(&bench, run, &values).await, values[..1]);
    // Alone, and with all else that may ride along.
    bench.put(&[with(plain(run, 1, 1), &values[1..2])]).await;
    let other = new_run();
    bench.put(&[create_owned(other, &node)]).await;
    let full = Append {
        update: Some(update(RunStatus::Completed, None, true)),
        send: vec![message(other, "m")],
        ..with(plain(run, 2, 1), &values[2..])
    };
    bench.put(&[full, plain(other, 1, 1)]).await;
    assert_eq!(found(&bench, run, &values).await, values);
    assert_eq!(found(&bench, run, &[]).await, []);
}

async fn a_row_that_does_not_go_in_leaves_no_value(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let runs: Vec<_> = (0..3).map(|_| new_run()).collect();
    bench.put(&runs.iter().map(|run| create_owned(*run, &node)).collect::<Vec<_>>()).await;
    let value = blob("late");
    let batch = [
        with(plain(runs[0], 1, 1), std::slice::from_ref(&value)),
        with(plain(runs[1], 2, 1), std::slice::from_ref(&value)),
        with(plain(runs[2], 1, 2), std::slice::from_ref(&value)),
    ];
    let outcomes = bench.commit(&batch).await;
    assert_eq!(outcomes, [Committed, Conflict, Conflict]);
    for (place, run) in runs.iter().enumerate() {
        let there = found(&bench, *run, std::slice::from_ref(&value)).await.len();
        assert_eq!(there, usize::from(place == 0), "run {place}");
    }
}

async fn a_value_is_kept_once_in_a_run(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let run = new_run();
    bench.put(&[create_owned(run, &node)]).await;
    let values = [blob("again"), blob("again")];
    for _ in 0..2 {
        bench.put(&[with(plain(run, 1, 1), &values)]).await;
    }
    bench.put(&[with(plain(run, 2, 1), &values)]).await;
    assert_eq!(found(&bench, run, &values[..1]).await, values[..1]);
}

async fn values_belong_to_their_runs(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let (one, two) = (new_run(), new_run());
    let value = blob("mine");
    let both = [create_owned(one, &node), create_owned(two, &node)];
    bench.put(&both).await;
    bench.put(&[with(plain(one, 1, 1), std::slice::from_ref(&value)), plain(two, 1, 1)]).await;
    assert_eq!(found(&bench, one, std::slice::from_ref(&value)).await.len(), 1);
    assert_eq!(found(&bench, two, std::slice::from_ref(&value)).await.len(), 0);
}

async fn a_megabyte_of_any_bytes_comes_back(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let run = new_run();
    let bytes: Vec<u8> =
        (0..1_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let value = Blob::new(bytes);
    bench.put(&[with(create_owned(run, &node), std::slice::from_ref(&value))]).await;
    assert_eq!(found(&bench, run, std::slice::from_ref(&value)).await, [value]);
}
