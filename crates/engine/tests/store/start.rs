//! Starting a run twice starts it once.

use std::{collections::BTreeMap, sync::Arc};

use rackwright_engine::{
    model::RunId,
    store::{Append, AppendOutcome, NewRun, RunStatus, StoreError},
};

use crate::bench::{Bench, create, create_owned, each_backend, message, new_run};
use AppendOutcome::{Committed, Duplicate};

each_backend!(
    a_key_names_one_run,
    a_key_counts_within_its_workflow,
    a_race_of_sixteen_starts_one_run,
    one_key_twice_in_a_batch,
    a_duplicate_changes_nothing,
    what_no_database_holds_is_refused,
    a_record_says_what_was_given,
);

fn keyed(run: RunId, key: &str) -> Append {
    with(create(run), |new| new.idempotency_key = Some(key.to_owned()))
}

fn with(mut append: Append, change: impl FnOnce(&mut NewRun)) -> Append {
    if let Some(new) = &mut append.create {
        change(new);
    }
    append
}

async fn a_key_names_one_run(bench: Arc<Bench>) {
    let (first, second, third) = (new_run(), new_run(), new_run());
    bench.put(&[keyed(first, "k")]).await;
    let outcomes = bench.commit(&[keyed(second, "k"), create(third)]).await;
    assert_eq!(outcomes, [Duplicate(first), Committed]);
    // The first start, committed once more, is still the first start.
    bench.put(&[keyed(first, "k")]).await;
    assert_eq!(bench.store.run(second).await.unwrap(), None);
    assert_eq!(bench.seqs(second).await, [] as [u64; 0]);
    let found = bench.store.find_run("test", "k").await.unwrap();
    assert_eq!(found.map(|record| record.id), Some(first));
    assert_eq!(bench.store.find_run("test", "other").await.unwrap(), None);
    assert_eq!(bench.store.find_run("other", "k").await.unwrap(), None);
}

async fn a_key_counts_within_its_workflow(bench: Arc<Bench>) {
    let other = with(keyed(new_run(), "k"), |new| "other".clone_into(&mut new.workflow));
    bench.put(&[keyed(new_run(), "k"), other]).await;
}

async fn a_race_of_sixteen_starts_one_run(bench: Arc<Bench>) {
    let start = || {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move {
            let run = new_run();
            (run, bench.commit(&[keyed(run, "race")]).await[0])
        })
    };
    let tasks: Vec<_> = (0..16).map(|_| start()).collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    let winner = bench.store.find_run("test", "race").await.unwrap().unwrap().id;
    for (run, outcome) in outcomes {
        assert_eq!(outcome, if run == winner { Committed } else { Duplicate(winner) });
    }
}

async fn one_key_twice_in_a_batch(bench: Arc<Bench>) {
    let (one, two) = (new_run(), new_run());
    let outcomes = bench.commit(&[keyed(one, "k"), keyed(two, "k")]).await;
    let expected = [[Committed, Duplicate(one)], [Duplicate(two), Committed]];
    assert!(expected.iter().any(|expected| outcomes == expected), "{outcomes:?}");
}

async fn a_duplicate_changes_nothing(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let target = new_run();
    bench.put(&[create_owned(target, &node), keyed(new_run(), "k")]).await;
    let late = Append { send: vec![message(target, "no")], ..keyed(new_run(), "k") };
    let outcomes = bench.commit(&[late]).await;
    assert!(matches!(outcomes[..], [Duplicate(_)]));
    assert_eq!(bench.mail(target).await, [] as [&str; 0]);
}

async fn what_no_database_holds_is_refused(bench: Arc<Bench>) {
    let mut writer = bench.store.writer().await.unwrap();
    let long = "x".repeat(513);
    let bad = [
        keyed(new_run(), "a\0b"),
        keyed(new_run(), ""),
        keyed(new_run(), &long),
        with(create(new_run()), |new| "\0".clone_into(&mut new.workflow)),
        with(create(new_run()), |new| {
            new.labels.insert("a".to_owned(), "\0".to_owned());
        }),
        Append { send: vec![message(new_run(), "\0")], ..create(new_run()) },
    ];
    for append in bad {
        let good = create(new_run());
        let error = writer.commit(&[good.clone(), append]).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
        assert!(!error.is_transient());
        assert_eq!(bench.store.run(good.run).await.unwrap(), None);
    }
    bench.put(&[keyed(new_run(), &long[1..])]).await;
}

async fn a_record_says_what_was_given(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let (parent, run) = (new_run(), new_run());
    let labels: BTreeMap<_, _> = [("rack", "4"), ("größe", "\"火\" '\\'")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let append = with(create_owned(run, &node), |new| {
        new.parent = Some(parent);
        new.root = parent;
        new.labels.clone_from(&labels);
        new.idempotency_key = Some("schlüssel '; --".to_owned());
    });
    bench.put(std::slice::from_ref(&append)).await;
    let record = bench.store.run(run).await.unwrap().unwrap();
    let new = append.create.unwrap();
    assert_eq!(record.workflow, new.workflow);
    assert_eq!(record.version, new.version);
    assert_eq!(record.idempotency_key, new.idempotency_key);
    assert_eq!((record.parent, record.root), (Some(parent), parent));
    assert_eq!(record.labels, labels);
    assert_eq!((record.status, record.owner), (RunStatus::Running, Some(node.id)));
    assert_eq!((record.epoch, record.wake_at, record.takeovers), (1, None, 0));
    assert_eq!((record.created_at, record.updated_at), (append.at, append.at));
}
