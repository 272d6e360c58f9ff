//! Who gets which run.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rackwright_engine::{
    model::RunId,
    store::{Append, Claim, ClaimScope, RunStatus},
};

use crate::bench::{
    Bench, HOUR, create, create_owned, each_backend, message, new_run, node, plain, update,
};

each_backend!(
    a_new_run_is_taken_once,
    only_what_is_due_is_taken,
    mail_wakes_a_parked_run,
    a_person_is_waited_for,
    a_paused_run_is_left_alone,
    a_scope_bounds_what_is_taken,
    a_limit_bounds_how_many,
    a_node_without_a_lease_gets_nothing,
    a_race_gives_each_run_to_one_node,
    a_claim_that_nobody_heard_is_not_lost,
);

async fn claim(bench: &Bench, n: u128) -> Vec<Claim> {
    bench.store.claim(node(n).id, ClaimScope::All, 1000).await.unwrap()
}

async fn claimed(bench: &Bench, n: u128) -> BTreeSet<RunId> {
    claim(bench, n).await.iter().map(|claim| claim.run).collect()
}

async fn a_new_run_is_taken_once(bench: Arc<Bench>) {
    bench.join(1).await;
    let run = new_run();
    bench.put(&[create(run)]).await;
    let claims = claim(&bench, 1).await;
    let record = bench.store.run(run).await.unwrap().unwrap();
    let expected = Claim {
        run,
        epoch: 1,
        status: RunStatus::Pending,
        version: record.version,
        root: run,
        parent: None,
        taken_from: None,
        takeovers: 0,
    };
    assert_eq!(claims, [expected]);
    assert_eq!((record.owner, record.epoch), (Some(node(1).id), 1));
    assert_eq!(claim(&bench, 1).await, []);
}

async fn only_what_is_due_is_taken(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let now = bench.store.now().await.unwrap();
    let (past, soon, late, never) = (new_run(), new_run(), new_run(), new_run());
    let park = |run, wake_at| {
        let update = Some(update(RunStatus::Waiting, wake_at, true));
        Append { update, ..create_owned(run, &node) }
    };
    let late_at = now.after(HOUR);
    bench
        .put(&[
            park(past, Some(now)),
            park(soon, Some(now.after(Duration::from_millis(300)))),
            park(late, Some(late_at)),
            park(never, None),
        ])
        .await;
    assert_eq!(bench.store.next_wake(node.id, ClaimScope::All).await.unwrap(), Some(now));
    assert_eq!(
        bench.store.next_wake(node.id, ClaimScope::Root(late)).await.unwrap(),
        Some(late_at)
    );
    assert_eq!(bench.store.next_wake(node.id, ClaimScope::Root(never)).await.unwrap(), None);
    let mut taken = claimed(&bench, 1).await;
    assert!(taken.contains(&past) && !taken.contains(&late));
    while !taken.contains(&soon) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(bench.store.now().await.unwrap().since(now) < Duration::from_secs(20));
        taken.extend(claimed(&bench, 1).await);
    }
    let since = bench.store.now().await.unwrap().since(now);
    assert!(since >= Duration::from_millis(300), "taken {since:?} after it was parked");
    assert_eq!(taken, BTreeSet::from([past, soon]));
    assert_eq!(bench.store.next_wake(node.id, ClaimScope::All).await.unwrap(), Some(late_at));
}

async fn mail_wakes_a_parked_run(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let (parked, owned) = (new_run(), new_run());
    let park = Some(update(RunStatus::Waiting, None, true));
    bench.put(&[Append { update: park, ..create_owned(parked, &node) }]).await;
    bench.put(&[create_owned(owned, &node)]).await;
    assert_eq!(claim(&bench, 1).await, []);
    bench.store.send(&[message(parked, "a"), message(parked, "b")]).await.unwrap();
    bench.store.send(&[message(owned, "a")]).await.unwrap();
    let claims = claim(&bench, 1).await;
    assert_eq!(claims.len(), 1);
    assert_eq!((claims[0].run, claims[0].epoch), (parked, 2));
}

async fn a_person_is_waited_for(bench: Arc<Bench>) {
    only_mail_wakes(&bench, RunStatus::Attention).await;
}

async fn a_paused_run_is_left_alone(bench: Arc<Bench>) {
    only_mail_wakes(&bench, RunStatus::Paused).await;
}

async fn only_mail_wakes(bench: &Bench, status: RunStatus) {
    let node = bench.join(1).await;
    let (parked, owned) = (new_run(), new_run());
    let waits = |release| Some(update(status, None, release));
    bench
        .put(&[
            Append { update: waits(true), ..create_owned(parked, &node) },
            Append { update: waits(false), ..create_owned(owned, &node) },
        ])
        .await;
    bench.join(2).await;
    bench.store.expire(node.id).await.unwrap();
    assert_eq!(claim(bench, 2).await, []);
    bench.store.send(&[message(parked, "go on"), message(owned, "go on")]).await.unwrap();
    assert_eq!(claimed(bench, 2).await, BTreeSet::from([parked, owned]));
}

async fn a_scope_bounds_what_is_taken(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let (root, child, other) = (new_run(), new_run(), new_run());
    let mut below = create(child);
    if let Some(new) = &mut below.create {
        new.root = root;
        new.parent = Some(root);
    }
    bench.put(&[create(root), below, create(other)]).await;
    let claims = bench.store.claim(node.id, ClaimScope::Root(root), 10).await.unwrap();
    let mut runs: Vec<_> = claims.iter().map(|claim| (claim.run, claim.parent)).collect();
    runs.sort();
    assert_eq!(runs, [(root, None), (child, Some(root))]);
    assert_eq!(claimed(&bench, 1).await, BTreeSet::from([other]));
}

async fn a_limit_bounds_how_many(bench: Arc<Bench>) {
    let owner = bench.join(1).await;
    let due: Vec<_> = (0..5).map(|_| create(new_run())).collect();
    let orphans: Vec<_> = (0..5).map(|_| create_owned(new_run(), &node(9))).collect();
    bench.put(&due).await;
    bench.put(&orphans).await;
    let mut sizes = Vec::new();
    for _ in 0..4 {
        sizes.push(bench.store.claim(owner.id, ClaimScope::All, 4).await.unwrap().len());
    }
    assert_eq!(sizes, [4, 4, 2, 0]);
}

async fn a_node_without_a_lease_gets_nothing(bench: Arc<Bench>) {
    bench.join(1).await;
    bench.put(&[create(new_run())]).await;
    bench.store.expire(node(1).id).await.unwrap();
    assert_eq!(claim(&bench, 1).await, [], "a lease that is over");
    assert_eq!(claim(&bench, 2).await, [], "a node that never joined");
    bench.join(3).await;
    assert_eq!(claim(&bench, 3).await.len(), 1);
}

async fn a_race_gives_each_run_to_one_node(bench: Arc<Bench>) {
    const RUNS: usize = 300;
    let runs: Vec<_> = (0..RUNS).map(|_| new_run()).collect();
    bench.put(&runs.iter().map(|run| create(*run)).collect::<Vec<_>>()).await;
    for n in 0..8 {
        bench.join(n).await;
    }
    let race = |n| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move {
            let (mut mine, mut empty) = (Vec::new(), 0);
            while empty < 3 {
                let claims = bench.store.claim(node(n).id, ClaimScope::All, 7).await.unwrap();
                empty = if claims.is_empty() { empty + 1 } else { 0 };
                mine.extend(claims.into_iter().map(|claim| (claim.run, claim.epoch)));
            }
            mine
        })
    };
    let tasks: Vec<_> = (0..8).map(race).collect();
    let mut all = Vec::new();
    for (n, task) in (0..).zip(tasks) {
        for (run, epoch) in task.await.unwrap() {
            let record = bench.store.run(run).await.unwrap().unwrap();
            assert_eq!((record.owner, record.epoch), (Some(node(n).id), epoch));
            all.push(run);
        }
    }
    all.sort();
    assert_eq!(all, runs);
}

/// Futures of claims are dropped at all sorts of moments.
async fn a_claim_that_nobody_heard_is_not_lost(bench: Arc<Bench>) {
    let owner = bench.join(1).await;
    let runs: Vec<_> = (0..120).map(|_| new_run()).collect();
    bench.put(&runs.iter().map(|run| create(*run)).collect::<Vec<_>>()).await;
    let mut heard = Vec::new();
    for attempt in 0..60_u64 {
        let claim = bench.store.claim(owner.id, ClaimScope::All, 2);
        let patience = Duration::from_micros(attempt * 50);
        if let Ok(claims) = tokio::time::timeout(patience, claim).await {
            heard.extend(claims.unwrap().into_iter().map(|claim| claim.run));
        }
    }
    let began = bench.store.now().await.unwrap();
    while heard.len() < runs.len() {
        heard.extend(claim(&bench, 1).await.into_iter().map(|claim| claim.run));
        let waited = bench.store.now().await.unwrap().since(began);
        assert!(waited < Duration::from_secs(20), "{} of {}", heard.len(), runs.len());
    }
    heard.sort();
    assert_eq!(heard, runs);
    bench.put(&[plain(runs[0], 1, 1)]).await;
}
