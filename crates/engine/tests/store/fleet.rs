//! What nodes are, which runs they are given, and nodes that are to become empty.

use std::{collections::BTreeMap, sync::Arc};

use rackwright_engine::{
    model::{NodeId, RunId},
    store::{Append, ClaimScope, NodeRecord, Renewal, RunStatus},
};
use uuid::Uuid;

use crate::bench::{
    Bench, HOUR, create, create_owned, each_backend, message, new_run, node, update,
};

each_backend!(
    a_run_goes_to_a_node_that_has_its_labels,
    nodes_are_listed_with_what_they_are_and_have,
    a_node_that_is_drained_is_given_nothing,
);

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn join(bench: &Bench, n: u128, has: &[(&str, &str)]) -> NodeId {
    let node = NodeRecord { labels: labels(has), capacity: 7, ..node(n) };
    bench.store.join(&node, HOUR).await.unwrap();
    node.id
}

fn asking(append: Append, requires: &[(&str, &str)]) -> Append {
    let mut append = append;
    if let Some(new) = &mut append.create {
        new.requires = labels(requires);
    }
    append
}

async fn claimed(bench: &Bench, node: NodeId) -> Vec<RunId> {
    let claims = bench.store.claim(node, ClaimScope::All, 100).await.unwrap();
    let mut runs: Vec<_> = claims.iter().map(|claim| claim.run).collect();
    runs.sort();
    runs
}

/// New ones, those of dead owners, those with mail and those that owners died over.
async fn a_run_goes_to_a_node_that_has_its_labels(bench: Arc<Bench>) {
    let ams = [("site", "ams1"), ("zone", "a")];
    let dead = join(&bench, 1, &[]).await;
    let (any, new, orphan, mailed, suspect) =
        (new_run(), new_run(), new_run(), new_run(), new_run());
    let waits = Some(update(RunStatus::Waiting, None, true));
    let owned = |run| create_owned(run, &node(1));
    bench.put(&[asking(owned(suspect), &ams)]).await;
    bench.store.expire(dead).await.unwrap();
    let first = join(&bench, 2, &ams).await;
    assert_eq!(claimed(&bench, first).await, [suspect]);
    bench.store.expire(first).await.unwrap();
    bench
        .put(&[
            create(any),
            asking(create(new), &ams),
            asking(owned(orphan), &ams),
            asking(Append { update: waits, ..owned(mailed) }, &ams),
        ])
        .await;
    bench.store.send(&[message(mailed, "a")]).await.unwrap();
    let other = join(&bench, 3, &[("site", "fra1"), ("zone", "a")]).await;
    let half = join(&bench, 4, &[("site", "ams1")]).await;
    assert_eq!(claimed(&bench, other).await, [any]);
    assert_eq!(claimed(&bench, half).await, []);
    assert_eq!(bench.store.next_wake(half, ClaimScope::All).await.unwrap(), None);
    let fits = join(&bench, 5, &[("site", "ams1"), ("zone", "a"), ("rack", "4")]).await;
    assert!(bench.store.next_wake(fits, ClaimScope::All).await.unwrap().is_some());
    let mut all = vec![new, orphan, mailed, suspect];
    all.sort();
    assert_eq!(claimed(&bench, fits).await, all);
    let record = bench.store.run(new).await.unwrap().unwrap();
    assert_eq!(record.requires, labels(&ams));
    assert_eq!(bench.store.run(any).await.unwrap().unwrap().requires, labels(&[]));
}

async fn nodes_are_listed_with_what_they_are_and_have(bench: Arc<Bench>) {
    let before = bench.store.now().await.unwrap();
    let id = join(&bench, 1, &[("site", "ams1")]).await;
    for _ in 0..3 {
        bench.put(&[create_owned(new_run(), &node(1))]).await;
    }
    let nodes = bench.store.nodes().await.unwrap();
    let [status] = &nodes[..] else { panic!("{nodes:?}") };
    assert_eq!(status.node.id, id);
    assert_eq!(
        (status.node.labels.clone(), status.node.capacity),
        (labels(&[("site", "ams1")]), 7)
    );
    assert_eq!((status.runs, status.draining.as_deref(), status.alive), (3, None, true));
    assert!(status.renewed_at >= before);
    let Renewal::Renewed { now, .. } = bench.store.renew(id, HOUR).await.unwrap() else {
        panic!("it is alive");
    };
    assert_eq!(bench.store.nodes().await.unwrap()[0].renewed_at, now);
}

async fn a_node_that_is_drained_is_given_nothing(bench: Arc<Bench>) {
    let (one, two) = (join(&bench, 1, &[]).await, join(&bench, 2, &[]).await);
    let nobody = NodeId(Uuid::from_u128(99));
    assert!(bench.store.fleet().set_draining(one, Some("sam")).await.unwrap());
    assert!(!bench.store.fleet().set_draining(nobody, Some("sam")).await.unwrap());
    let run = new_run();
    bench.put(&[create(run)]).await;
    assert_eq!(claimed(&bench, one).await, []);
    let draining = |renewal| match renewal {
        Renewal::Renewed { draining, .. } => draining,
        Renewal::Lost => panic!("it is alive"),
    };
    assert_eq!(draining(bench.store.renew(one, HOUR).await.unwrap()).as_deref(), Some("sam"));
    assert_eq!(draining(bench.store.renew(two, HOUR).await.unwrap()), None);
    let status = bench.store.nodes().await.unwrap().into_iter().find(|it| it.node.id == one);
    assert_eq!(status.unwrap().draining.as_deref(), Some("sam"));
    bench.store.fleet().set_draining(one, None).await.unwrap();
    assert_eq!(draining(bench.store.renew(one, HOUR).await.unwrap()), None);
    assert_eq!(claimed(&bench, one).await, [run]);
}
