//! Reading journals, runs and definitions.

use std::sync::Arc;

use rackwright_engine::{
    model::{RunId, Version},
    store::{Append, RunFilter, RunStatus},
};

use crate::bench::{Bench, create, create_owned, each_backend, new_run, plain, update};

each_backend!(
    a_journal_is_read_in_pages,
    many_journals_are_read_at_once,
    runs_are_listed_newest_first,
    filters_combine,
    runs_are_found_by_their_labels,
    definitions_are_kept_once,
    the_clock_does_not_stand_still,
);

async fn a_journal_is_read_in_pages(bench: Arc<Bench>) {
    let run = new_run();
    bench.put(&[create(run)]).await;
    for seq in 1..10 {
        bench.put(&[plain(run, seq, 0)]).await;
    }
    let page = |from, limit| bench.store.journal(run, from, limit);
    let seqs = |rows: Vec<rackwright_engine::store::JournalRow>| -> Vec<u64> {
        rows.into_iter().map(|row| row.seq).collect()
    };
    assert_eq!(seqs(page(0, 4).await.unwrap()), [0, 1, 2, 3]);
    assert_eq!(seqs(page(4, 4).await.unwrap()), [4, 5, 6, 7]);
    assert_eq!(seqs(page(8, 4).await.unwrap()), [8, 9]);
    assert_eq!(seqs(page(10, 4).await.unwrap()), [] as [u64; 0]);
    assert_eq!(bench.store.journal(new_run(), 0, 4).await.unwrap(), []);
}

async fn many_journals_are_read_at_once(bench: Arc<Bench>) {
    let runs: Vec<_> = (0..5).map(|_| new_run()).collect();
    bench.put(&runs.iter().map(|run| create(*run)).collect::<Vec<_>>()).await;
    for seq in 1..4 {
        bench.put(&runs.iter().map(|run| plain(*run, seq, 0)).collect::<Vec<_>>()).await;
    }
    let asked = [runs[4], runs[0], new_run(), runs[2]];
    let rows = bench.store.journals(&asked).await.unwrap();
    let expected: Vec<_> =
        [0, 2, 4].into_iter().flat_map(|n| (0..4).map(move |seq| (n, seq))).collect();
    assert_eq!(rows.len(), expected.len());
    for ((run, row), (n, seq)) in rows.iter().zip(expected) {
        assert_eq!((*run, row.seq), (runs[n], seq));
        let append = if seq == 0 { create(*run) } else { plain(*run, seq, 0) };
        assert_eq!((row.at, &row.events), (append.at, &append.events));
    }
    assert_eq!(bench.store.journals(&[]).await.unwrap(), []);
}

async fn list(bench: &Bench, filter: RunFilter) -> Vec<RunId> {
    bench.store.runs(&filter).await.unwrap().into_iter().map(|record| record.id).collect()
}

async fn runs_are_listed_newest_first(bench: Arc<Bench>) {
    let mut runs: Vec<_> = (0..7).map(|_| new_run()).collect();
    bench.put(&runs.iter().map(|run| create(*run)).collect::<Vec<_>>()).await;
    runs.reverse();
    assert_eq!(list(&bench, RunFilter::default()).await, runs);
    let first = RunFilter { limit: 3, ..RunFilter::default() };
    assert_eq!(list(&bench, first.clone()).await, runs[..3]);
    let second = RunFilter { before: Some(runs[2]), ..first };
    assert_eq!(list(&bench, second).await, runs[3..6]);
}

async fn filters_combine(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let (root, child, failed, other) = (new_run(), new_run(), new_run(), new_run());
    let below = |mut append: Append| {
        if let Some(new) = &mut append.create {
            new.root = root;
            new.parent = Some(root);
        }
        append
    };
    let end = Some(update(RunStatus::Failed, None, false));
    let mut named = create(other);
    if let Some(new) = &mut named.create {
        "other".clone_into(&mut new.workflow);
    }
    bench
        .put(&[
            create(root),
            below(create_owned(child, &node)),
            below(Append { update: end, ..create_owned(failed, &node) }),
            named,
        ])
        .await;
    let all = RunFilter::default;
    let of_root = RunFilter { root: Some(root), ..all() };
    assert_eq!(list(&bench, of_root.clone()).await, [failed, child, root]);
    let of_parent = RunFilter { parent: Some(root), ..all() };
    assert_eq!(list(&bench, of_parent).await, [failed, child]);
    let of_name = RunFilter { workflow: Some("other".to_owned()), ..all() };
    assert_eq!(list(&bench, of_name).await, [other]);
    let status = vec![RunStatus::Failed, RunStatus::Pending];
    assert_eq!(
        list(&bench, RunFilter { status: status.clone(), ..all() }).await,
        [other, failed, root]
    );
    assert_eq!(list(&bench, RunFilter { status, ..of_root }).await, [failed, root]);
    let nobodys = RunFilter { workflow: Some("' OR 1=1".to_owned()), ..all() };
    assert_eq!(list(&bench, nobodys).await, []);
}

async fn runs_are_found_by_their_labels(bench: Arc<Bench>) {
    let labelled = |labels: &[(&str, &str)]| {
        let mut append = create(new_run());
        if let Some(new) = &mut append.create {
            let pairs =
                labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            new.labels = pairs.collect();
        }
        append
    };
    let runs = [
        labelled(&[("rack", "4"), ("site", "a'b\"c")]),
        labelled(&[("rack", "4")]),
        labelled(&[("rack", "5"), ("4", "rack")]),
        labelled(&[]),
    ];
    bench.put(&runs).await;
    let of = |labels: &[(&str, &str)]| RunFilter {
        labels: labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        ..RunFilter::default()
    };
    let id = |n: usize| runs[n].run;
    assert_eq!(list(&bench, of(&[])).await, [id(3), id(2), id(1), id(0)]);
    assert_eq!(list(&bench, of(&[("rack", "4")])).await, [id(1), id(0)]);
    assert_eq!(list(&bench, of(&[("rack", "4"), ("site", "a'b\"c")])).await, [id(0)]);
    assert_eq!(list(&bench, of(&[("rack", "")])).await, []);
    assert_eq!(list(&bench, of(&[("rack", "4"), ("4", "rack")])).await, []);
    let second = RunFilter { before: Some(id(1)), ..of(&[("rack", "4")]) };
    assert_eq!(list(&bench, second).await, [id(0)]);
}

async fn definitions_are_kept_once(bench: Arc<Bench>) {
    let version = |n| Version([n; 32]);
    for (n, name, text) in [(1, "a", "one"), (2, "b", "two"), (1, "a", "never"), (3, "a", "ü\0")] {
        bench.store.put_definition(version(n), name, text.as_bytes()).await.unwrap();
    }
    let found = bench.store.definition(version(1)).await.unwrap().unwrap();
    assert_eq!((&*found.name, &found.canonical[..]), ("a", &b"one"[..]));
    assert_eq!(bench.store.definition(version(9)).await.unwrap(), None);
    let versions = |found: Vec<rackwright_engine::store::Definition>| -> Vec<Version> {
        found.into_iter().map(|definition| definition.version).collect()
    };
    let of_a = bench.store.definitions(Some("a")).await.unwrap();
    assert_eq!(of_a[0].canonical, "ü\0");
    assert_eq!(versions(of_a), [version(3), version(1)]);
    let all = bench.store.definitions(None).await.unwrap();
    assert_eq!(versions(all), [version(3), version(1), version(2)]);
    assert_eq!(bench.store.definitions(Some("z")).await.unwrap(), []);
}

async fn the_clock_does_not_stand_still(bench: Arc<Bench>) {
    let began = bench.store.now().await.unwrap();
    assert!(began.micros() > 1_700_000_000_000_000, "{began}");
    while bench.store.now().await.unwrap() == began {}
    assert!(bench.store.now().await.unwrap() > began);
}
