//! Families of runs that are over: found by their ends, removed as a whole, in batches.

use std::sync::Arc;

use rackwright_engine::{
    RunId,
    store::{Append, Blob, Expired, RunStatus},
};

use crate::bench::{Bench, at, create_owned, each_backend, message, new_run, plain, update};

each_backend!(
    what_ended_first_is_found_first,
    the_bounds_meet_on_the_run,
    families_with_a_living_run_are_left_alone,
    a_removed_family_leaves_nothing,
    removing_happens_in_batches,
    a_removed_run_takes_no_rows,
);

fn query(before: Option<i64>, keep: Option<u32>) -> Expired {
    Expired { workflow: "test".to_owned(), before: before.map(at), keep, limit: 100 }
}

/// A run that ended at this time; below another one, if that is given.
async fn ended(bench: &Bench, end: i64, root: Option<RunId>) -> RunId {
    let node = bench.join(1).await;
    let run = new_run();
    let mut first = create_owned(run, &node);
    if let (Some(root), Some(new)) = (root, &mut first.create) {
        new.parent = Some(root);
        new.root = root;
    }
    bench.put(&[first]).await;
    let last = Append {
        at: at(end),
        update: Some(update(RunStatus::Completed, None, true)),
        blobs: vec![Blob::new(format!("\"value of {run}\""))],
        ..plain(run, 1, 1)
    };
    bench.put(&[last]).await;
    run
}

async fn expired(bench: &Bench, query: &Expired) -> Vec<RunId> {
    bench.store.archive().expired(query).await.unwrap()
}

async fn clear_all(bench: &Bench, rows: u32) -> u32 {
    for batch in 0.. {
        if bench.store.archive().clear(rows).await.unwrap() == 0 {
            return batch;
        }
    }
    unreachable!()
}

async fn what_ended_first_is_found_first(bench: Arc<Bench>) {
    let late = ended(&bench, 3_000, None).await;
    let early = ended(&bench, 1_000, None).await;
    let middle = ended(&bench, 2_000, None).await;
    assert_eq!(expired(&bench, &query(Some(5_000), None)).await, [early, middle, late]);
    assert_eq!(expired(&bench, &Expired { limit: 2, ..query(Some(5_000), None) }).await.len(), 2);
    let other = Expired { workflow: "other".to_owned(), ..query(Some(5_000), Some(0)) };
    assert_eq!(expired(&bench, &other).await, []);
    assert_eq!(expired(&bench, &query(None, None)).await, []);
}

async fn the_bounds_meet_on_the_run(bench: Arc<Bench>) {
    let mut runs = Vec::new();
    for end in [1_000, 2_000, 2_000, 3_000] {
        runs.push(ended(&bench, end, None).await);
    }
    for (before, keep, gone) in [
        (Some(1_000), None, 0),
        (Some(1_001), None, 1),
        (Some(2_000), None, 1),
        (Some(2_001), None, 3),
        (None, Some(4), 0),
        (None, Some(3), 1),
        (None, Some(2), 2),
        (None, Some(0), 4),
        // Each bound removes what it removes alone.
        (Some(1_001), Some(2), 2),
        (Some(3_001), Some(3), 4),
    ] {
        assert_eq!(
            expired(&bench, &query(before, keep)).await,
            runs[..gone],
            "{before:?} {keep:?}"
        );
    }
}

async fn families_with_a_living_run_are_left_alone(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let mut alive = Vec::new();
    for status in [RunStatus::Running, RunStatus::Waiting, RunStatus::Attention] {
        let run = new_run();
        bench.put(&[create_owned(run, &node)]).await;
        let wake = (status == RunStatus::Waiting).then(|| at(9));
        let change = Append { update: Some(update(status, wake, false)), ..plain(run, 1, 1) };
        bench.put(&[change]).await;
        alive.push(run);
    }
    let root = ended(&bench, 1_000, None).await;
    let child = new_run();
    let mut below = create_owned(child, &node);
    if let Some(new) = &mut below.create {
        (new.parent, new.root) = (Some(root), root);
    }
    bench.put(&[below]).await;
    // A child that is over, of a run that is not.
    let grown = ended(&bench, 1_000, Some(alive[0])).await;
    assert_eq!(expired(&bench, &query(Some(9_000), Some(0))).await, []);
    for run in [root, alive[0], alive[1], alive[2]] {
        assert_eq!(bench.store.archive().remove(run, 100).await.unwrap(), 0);
    }
    for run in [root, child, grown, alive[0], alive[1], alive[2]] {
        assert!(bench.store.run(run).await.unwrap().is_some());
        assert!(!bench.seqs(run).await.is_empty());
    }
    // Asked for by the child's name, nothing happens either.
    assert_eq!(bench.store.archive().remove(grown, 100).await.unwrap(), 0);
}

async fn a_removed_family_leaves_nothing(bench: Arc<Bench>) {
    let root = ended(&bench, 1_000, None).await;
    let mut family = vec![root];
    for _ in 0..3 {
        family.push(ended(&bench, 900, Some(root)).await);
    }
    let stays = ended(&bench, 500, None).await;
    assert_eq!(bench.store.archive().remove(root, 100).await.unwrap(), 4);
    assert_eq!(bench.store.archive().remove(root, 100).await.unwrap(), 0);
    clear_all(&bench, 100).await;
    for run in family {
        assert_eq!(bench.store.run(run).await.unwrap(), None);
        assert_eq!(bench.seqs(run).await, [] as [u64; 0]);
        let value = Blob::new(format!("\"value of {run}\"")).hash;
        assert_eq!(bench.store.archive().blobs(run, &[value]).await.unwrap(), []);
    }
    assert_eq!(bench.seqs(stays).await, [0, 1]);
    let value = Blob::new(format!("\"value of {stays}\"")).hash;
    assert_eq!(bench.store.archive().blobs(stays, &[value]).await.unwrap().len(), 1);
}

async fn removing_happens_in_batches(bench: Arc<Bench>) {
    let root = ended(&bench, 1_000, None).await;
    for _ in 0..4 {
        ended(&bench, 900, Some(root)).await;
    }
    assert_eq!(bench.store.archive().remove(root, 3).await.unwrap(), 3);
    assert!(bench.store.run(root).await.unwrap().is_some(), "the outermost goes last");
    assert_eq!(expired(&bench, &query(Some(9_000), None)).await, [root], "and is found again");
    assert_eq!(bench.store.archive().remove(root, 3).await.unwrap(), 2);
    if bench.url != "memory:" {
        // Ten rows by three.
        assert!(clear_all(&bench, 3).await >= 4);
    }
    assert_eq!(bench.store.archive().clear(3).await.unwrap(), 0);
}

async fn a_removed_run_takes_no_rows(bench: Arc<Bench>) {
    let run = ended(&bench, 1_000, None).await;
    bench.store.archive().remove(run, 100).await.unwrap();
    let late = Append { send: vec![message(run, "late")], ..plain(run, 2, 1) };
    for append in [plain(run, 2, 1), late] {
        let outcomes = bench.commit(&[append]).await;
        assert_eq!(outcomes, [rackwright_engine::store::AppendOutcome::Conflict]);
    }
    clear_all(&bench, 100).await;
    assert_eq!(bench.seqs(run).await, [] as [u64; 0]);
    assert_eq!(bench.mail(run).await, [] as [&str; 0]);
}
