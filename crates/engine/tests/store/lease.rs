//! Nodes come, go and die.

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    model::RunId,
    store::{Append, AppendOutcome, Claim, ClaimScope, Renewal, RunStatus, StoreError},
};

use crate::bench::{Bench, HOUR, create, create_owned, each_backend, new_run, node, plain, update};

each_backend!(
    a_lease_that_runs_out_frees_its_runs,
    a_lease_that_is_renewed_holds,
    a_dead_process_is_replaced_at_once,
    a_node_that_leaves_frees_its_runs,
    a_node_joins_once,
    takeovers_are_counted,
    an_unknown_owner_is_dead,
    nodes_that_own_nothing_are_forgotten,
);

/// Claims for node `n` until it gets something.
async fn claim_when_free(bench: &Bench, n: u128) -> Vec<Claim> {
    let began = bench.store.now().await.unwrap();
    loop {
        let claims = bench.store.claim(node(n).id, ClaimScope::All, 10).await.unwrap();
        if !claims.is_empty() {
            return claims;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(bench.store.now().await.unwrap().since(began) < Duration::from_secs(20));
    }
}

async fn a_lease_that_runs_out_frees_its_runs(bench: Arc<Bench>) {
    const TTL: Duration = Duration::from_millis(400);
    bench.join(2).await;
    let joined = bench.store.join(&node(1), TTL).await.unwrap();
    let run = new_run();
    bench.put(&[create_owned(run, &node(1))]).await;
    let claims = claim_when_free(&bench, 2).await;
    let took = bench.store.now().await.unwrap().since(joined);
    assert!(took >= TTL, "taken after {took:?}");
    assert_eq!((claims[0].run, claims[0].epoch, claims[0].takeovers), (run, 2, 1));
    assert_eq!(claims[0].taken_from, Some(node(1).id));
    assert_eq!(bench.store.renew(node(1).id, HOUR).await.unwrap(), Renewal::Lost);
    assert_eq!(bench.commit(&[plain(run, 1, 1)]).await, [AppendOutcome::Conflict]);
    bench.put(&[plain(run, 1, 2)]).await;
}

async fn a_lease_that_is_renewed_holds(bench: Arc<Bench>) {
    bench.join(2).await;
    let before = bench.store.join(&node(1), Duration::from_secs(2)).await.unwrap();
    let run = new_run();
    bench.put(&[create_owned(run, &node(1))]).await;
    let Renewal::Renewed { now, draining: None } =
        bench.store.renew(node(1).id, HOUR).await.unwrap()
    else {
        panic!("the lease was lost");
    };
    assert!(now >= before);
    let nodes = bench.store.nodes().await.unwrap();
    assert_eq!(nodes.iter().map(|status| &status.node).collect::<Vec<_>>(), [&node(1), &node(2)]);
    assert!(nodes.iter().all(|status| status.alive));
    assert_eq!(nodes[0].lease_until, now.after(HOUR));
    assert_eq!(bench.store.claim(node(2).id, ClaimScope::All, 10).await.unwrap(), []);
    assert_eq!(bench.store.renew(node(9).id, HOUR).await.unwrap(), Renewal::Lost, "unknown");
}

async fn a_dead_process_is_replaced_at_once(bench: Arc<Bench>) {
    let (one, two) = (bench.join(1).await, bench.join(2).await);
    let run = new_run();
    bench.put(&[create_owned(run, &one)]).await;
    bench.store.expire(one.id).await.unwrap();
    let nodes = bench.store.nodes().await.unwrap();
    assert_eq!(nodes.iter().map(|status| status.alive).collect::<Vec<_>>(), [false, true]);
    assert_eq!(bench.store.renew(one.id, HOUR).await.unwrap(), Renewal::Lost);
    let claims = bench.store.claim(two.id, ClaimScope::All, 10).await.unwrap();
    assert_eq!((claims[0].run, claims[0].taken_from), (run, Some(one.id)));
}

async fn a_node_that_leaves_frees_its_runs(bench: Arc<Bench>) {
    let (one, two) = (bench.join(1).await, bench.join(2).await);
    let (working, asking) = (new_run(), new_run());
    let asks = Some(update(RunStatus::Attention, None, false));
    bench
        .put(&[create_owned(working, &one), Append { update: asks, ..create_owned(asking, &one) }])
        .await;
    bench.store.leave(one.id).await.unwrap();
    let claims = bench.store.claim(two.id, ClaimScope::All, 10).await.unwrap();
    assert_eq!(claims.len(), 1);
    assert_eq!((claims[0].run, claims[0].taken_from, claims[0].takeovers), (working, None, 0));
    assert_eq!(bench.store.run(asking).await.unwrap().unwrap().owner, None);
    let nodes = bench.store.nodes().await.unwrap();
    assert_eq!(nodes.iter().map(|status| status.node.id).collect::<Vec<_>>(), [two.id]);
    assert_eq!(bench.store.renew(one.id, HOUR).await.unwrap(), Renewal::Lost);
}

async fn a_node_joins_once(bench: Arc<Bench>) {
    let one = bench.join(1).await;
    // A join whose answer was lost is tried again.
    bench.store.join(&one, HOUR).await.unwrap();
    let run = new_run();
    bench.put(&[create_owned(run, &one)]).await;
    bench.store.expire(one.id).await.unwrap();
    let error = bench.store.join(&one, HOUR).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    assert_eq!(bench.store.claim(one.id, ClaimScope::All, 10).await.unwrap(), []);
}

async fn takeovers_are_counted(bench: Arc<Bench>) {
    let run: RunId = new_run();
    bench.put(&[create(run)]).await;
    for n in 0..4_u32 {
        let owner = bench.join(n.into()).await;
        let claims = bench.store.claim(owner.id, ClaimScope::All, 10).await.unwrap();
        assert_eq!(claims[0].takeovers, n);
        bench.store.expire(owner.id).await.unwrap();
    }
    let owner = bench.join(9).await;
    bench.store.claim(owner.id, ClaimScope::All, 10).await.unwrap();
    let park = Some(update(RunStatus::Running, None, true));
    bench.put(&[Append { update: park, ..plain(run, 1, 5) }]).await;
    let claims = bench.store.claim(owner.id, ClaimScope::All, 10).await.unwrap();
    assert_eq!((claims[0].epoch, claims[0].takeovers), (6, 0));
}

async fn an_unknown_owner_is_dead(bench: Arc<Bench>) {
    let one = bench.join(1).await;
    let runs: Vec<_> = (0..3).map(|_| new_run()).collect();
    for (n, run) in (50..).zip(&runs) {
        bench.put(&[create_owned(*run, &node(n))]).await;
    }
    let mut claims = bench.store.claim(one.id, ClaimScope::All, 10).await.unwrap();
    claims.sort_by_key(|claim| claim.run);
    assert_eq!(claims.iter().map(|claim| claim.run).collect::<Vec<_>>(), runs);
    assert_eq!(claims[0].taken_from, Some(node(50).id));
}

async fn nodes_that_own_nothing_are_forgotten(bench: Arc<Bench>) {
    let (idle, busy) = (bench.join(1).await, bench.join(2).await);
    bench.put(&[create_owned(new_run(), &busy)]).await;
    bench.store.expire(idle.id).await.unwrap();
    bench.store.expire(busy.id).await.unwrap();
    let new = bench.join(3).await;
    let nodes = bench.store.nodes().await.unwrap();
    let ids: Vec<_> = nodes.iter().map(|status| status.node.id).collect();
    assert_eq!(ids, [busy.id, new.id]);
}
