//! Runs whose owners die again and again.

use std::sync::Arc;

use rackwright_engine::{
    model::RunId,
    store::{Append, AppendOutcome, ClaimScope, NodeRecord, RunStatus},
};

use crate::bench::{
    Bench, HOUR, create, create_owned, each_backend, message, new_run, node, plain, update,
};

each_backend!(
    what_owners_die_over_is_set_aside,
    a_change_of_its_row_counts_for_a_run,
    what_owners_died_over_twice_is_taken_alone,
    a_node_that_sets_nothing_aside_goes_on,
    a_quarantine_ends_when_somebody_says_so,
    a_person_is_waited_for_first,
);

/// Joins a node that sets runs aside after `most` take-overs.
async fn join(bench: &Bench, n: u128, most: u32) -> NodeRecord {
    let node = NodeRecord { quarantine_after: Some(most), ..node(n) };
    bench.store.join(&node, HOUR).await.unwrap();
    node
}

/// A fresh node takes what it can get, and dies.
async fn take_and_die(bench: &Bench, n: u128, most: u32) -> Vec<RunId> {
    let node = join(bench, n, most).await;
    let claims = bench.store.claim(node.id, ClaimScope::All, 10).await.unwrap();
    bench.store.expire(node.id).await.unwrap();
    claims.iter().map(|claim| claim.run).collect()
}

/// A run that has been set aside after two take-overs; its last epoch.
async fn set_aside(bench: &Bench) -> (RunId, u64) {
    let run = new_run();
    bench.put(&[create(run)]).await;
    for n in 0..3 {
        assert_eq!(take_and_die(bench, n, 2).await, [run]);
    }
    let epoch = bench.store.run(run).await.unwrap().unwrap().epoch;
    assert_eq!(take_and_die(bench, 3, 2).await, []);
    (run, epoch)
}

async fn what_owners_die_over_is_set_aside(bench: Arc<Bench>) {
    let (run, epoch) = set_aside(&bench).await;
    let record = bench.store.run(run).await.unwrap().unwrap();
    assert!(record.quarantined_at.is_some());
    assert_eq!((record.status, record.owner, record.wake_at), (RunStatus::Attention, None, None));
    assert_eq!(record.takeovers, 2);
    // Neither mail nor time brings it back, and its last owner comes too late.
    bench.store.send(&[message(run, "a")]).await.unwrap();
    assert_eq!(take_and_die(&bench, 4, 2).await, []);
    assert_eq!(bench.store.next_wake(node(1).id, ClaimScope::All).await.unwrap(), None);
    let late =
        Append { update: Some(update(RunStatus::Running, None, false)), ..plain(run, 1, epoch) };
    assert_eq!(bench.commit(&[late]).await, [AppendOutcome::Conflict]);
    assert_eq!(bench.commit(&[plain(run, 1, epoch)]).await, [AppendOutcome::Conflict]);
}

async fn a_change_of_its_row_counts_for_a_run(bench: Arc<Bench>) {
    let run = new_run();
    bench.put(&[create(run)]).await;
    for n in 0..6_u64 {
        assert_eq!(take_and_die(&bench, n.into(), 2).await, [run]);
        if n % 2 == 1 {
            let goes_on = Some(update(RunStatus::Running, None, false));
            let seq = n / 2 + 1;
            bench.put(&[Append { update: goes_on, ..plain(run, seq, n + 1) }]).await;
            assert_eq!(bench.store.run(run).await.unwrap().unwrap().takeovers, 0);
        }
    }
}

async fn what_owners_died_over_twice_is_taken_alone(bench: Arc<Bench>) {
    let runs: Vec<_> = (0..3).map(|_| new_run()).collect();
    bench.put(&runs.iter().map(|run| create_owned(*run, &node(9))).collect::<Vec<_>>()).await;
    let mut taken = take_and_die(&bench, 1, 3).await;
    taken.sort();
    assert_eq!(taken, runs, "the first time, all at once");
    let third = join(&bench, 2, 3).await;
    let one = bench.store.claim(third.id, ClaimScope::All, 10).await.unwrap();
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].takeovers, 2);
    assert_eq!(bench.store.claim(third.id, ClaimScope::All, 10).await.unwrap(), []);
    let other = join(&bench, 3, 3).await;
    assert_eq!(bench.store.claim(other.id, ClaimScope::All, 10).await.unwrap().len(), 1);
    // The one shows that it gets on: the next may come.
    let goes_on = Some(update(RunStatus::Running, None, false));
    bench.put(&[Append { update: goes_on, ..plain(one[0].run, 1, one[0].epoch) }]).await;
    assert_eq!(bench.store.claim(third.id, ClaimScope::All, 10).await.unwrap().len(), 1);
    // What nobody died over is taken all the same.
    let new = new_run();
    bench.put(&[create(new)]).await;
    assert_eq!(bench.store.claim(third.id, ClaimScope::All, 10).await.unwrap()[0].run, new);
}

async fn a_node_that_sets_nothing_aside_goes_on(bench: Arc<Bench>) {
    let run = new_run();
    bench.put(&[create(run)]).await;
    for n in 0..6 {
        let node = bench.join(n).await;
        let claims = bench.store.claim(node.id, ClaimScope::All, 10).await.unwrap();
        assert_eq!(claims.len(), 1);
        bench.store.expire(node.id).await.unwrap();
    }
}

async fn a_quarantine_ends_when_somebody_says_so(bench: Arc<Bench>) {
    let (run, epoch) = set_aside(&bench).await;
    assert!(bench.store.fleet().release_quarantine(&message(run, "go on")).await.unwrap());
    assert!(!bench.store.fleet().release_quarantine(&message(run, "again")).await.unwrap());
    assert!(!bench.store.fleet().release_quarantine(&message(new_run(), "x")).await.unwrap());
    assert_eq!(bench.mail(run).await, ["go on"]);
    let record = bench.store.run(run).await.unwrap().unwrap();
    assert_eq!((record.quarantined_at, record.takeovers), (None, 0));
    let node = join(&bench, 7, 2).await;
    let claims = bench.store.claim(node.id, ClaimScope::All, 10).await.unwrap();
    assert_eq!((claims[0].run, claims[0].takeovers, claims[0].taken_from), (run, 0, None));
    assert!(claims[0].epoch > epoch);
}

/// What waits for a person kills nobody, and stays as it is.
async fn a_person_is_waited_for_first(bench: Arc<Bench>) {
    let (run, owner) = (new_run(), bench.join(1).await);
    let asks = Some(update(RunStatus::Attention, None, false));
    bench.put(&[Append { update: asks, ..create_owned(run, &owner) }]).await;
    bench.store.expire(owner.id).await.unwrap();
    for n in 2..6 {
        assert_eq!(take_and_die(&bench, n, 1).await, []);
    }
    assert_eq!(bench.store.run(run).await.unwrap().unwrap().quarantined_at, None);
}
