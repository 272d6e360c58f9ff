//! What rides along with a row happens with it or not at all.

use std::sync::Arc;

use rackwright_engine::store::{Append, AppendOutcome, ClaimScope, RunStatus};

use crate::bench::{
    Bench, at, create, create_owned, each_backend, message, new_run, plain, update,
};
use AppendOutcome::{Committed, Conflict};

each_backend!(
    a_zombie_changes_nothing,
    rides_happen_with_their_rows,
    a_conflict_takes_only_its_own_rides_with_it,
    an_ended_run_is_nobodys,
    released_work_is_due,
    a_person_has_no_alarm,
    a_run_is_made_with_its_update,
    writers_in_opposite_orders_do_not_block,
);

async fn a_zombie_changes_nothing(bench: Arc<Bench>) {
    let (old, new) = (bench.join(1).await, bench.join(2).await);
    let (run, other) = (new_run(), new_run());
    bench.put(&[create_owned(run, &old), create_owned(other, &new)]).await;
    bench.store.send(&[message(run, "hello")]).await.unwrap();
    let mail = bench.store.inbox(&[run]).await.unwrap();
    bench.store.expire(old.id).await.unwrap();
    bench.store.claim(new.id, ClaimScope::All, 10).await.unwrap();

    let before = bench.store.run(run).await.unwrap();
    let zombie = Append {
        update: Some(update(RunStatus::Completed, None, true)),
        consumed: vec![mail[0].id],
        send: vec![message(other, "from the dead")],
        ..plain(run, 1, 1)
    };
    let alone = [
        Append { update: None, ..zombie.clone() },
        Append { consumed: Vec::new(), send: Vec::new(), ..zombie.clone() },
        zombie,
    ];
    for append in alone {
        assert_eq!(bench.commit(&[append]).await, [Conflict]);
    }
    assert_eq!(bench.store.run(run).await.unwrap(), before);
    assert_eq!(bench.mail(run).await, ["hello"]);
    assert_eq!(bench.mail(other).await, [] as [&str; 0]);
    assert_eq!(bench.seqs(run).await, [0]);
}

async fn rides_happen_with_their_rows(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let (run, other) = (new_run(), new_run());
    bench.put(&[create_owned(run, &node), create_owned(other, &node)]).await;
    bench.store.send(&[message(run, "a"), message(run, "b"), message(other, "c")]).await.unwrap();
    let mail = bench.store.inbox(&[run, other]).await.unwrap();
    let append = Append {
        update: Some(update(RunStatus::Waiting, Some(at(99)), false)),
        // The last is another run's: not ours to read.
        consumed: mail.iter().filter(|row| row.dedup != "b").map(|row| row.id).collect(),
        send: vec![message(other, "d"), message(run, "e")],
        ..plain(run, 1, 1)
    };
    for _ in 0..2 {
        bench.put(std::slice::from_ref(&append)).await;
    }
    assert_eq!(bench.mail(run).await, ["b", "e"]);
    assert_eq!(bench.mail(other).await, ["c", "d"]);
    let record = bench.store.run(run).await.unwrap().unwrap();
    assert_eq!(record.status, RunStatus::Waiting);
    assert_eq!(record.wake_at, Some(at(99)));
    assert_eq!(record.owner, Some(node.id));
    assert_eq!(record.updated_at, append.at);
}

async fn a_conflict_takes_only_its_own_rides_with_it(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let runs: Vec<_> = (0..7).map(|_| new_run()).collect();
    let target = new_run();
    bench.put(&[create_owned(target, &node)]).await;
    bench.put(&runs.iter().map(|run| create_owned(*run, &node)).collect::<Vec<_>>()).await;
    let mut batch = Vec::new();
    for (n, run) in runs.iter().enumerate() {
        batch.push(Append {
            update: Some(update(RunStatus::Completed, None, false)),
            send: vec![message(target, &n.to_string())],
            ..plain(*run, 1, 1)
        });
    }
    batch[3].seq = 2;
    batch[6].epoch = 2;
    let outcomes = bench.commit(&batch).await;
    assert_eq!(outcomes[3], Conflict);
    assert_eq!(outcomes[6], Conflict);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Committed).count(), 5);
    let mut mail = bench.mail(target).await;
    mail.sort();
    assert_eq!(mail, ["0", "1", "2", "4", "5"]);
    for (run, outcome) in runs.iter().zip(outcomes) {
        let status = bench.store.run(*run).await.unwrap().unwrap().status;
        assert_eq!(status.is_ended(), outcome == Committed);
    }
}

async fn an_ended_run_is_nobodys(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    for status in [RunStatus::Completed, RunStatus::Failed, RunStatus::Cancelled] {
        let run = new_run();
        bench.put(&[create_owned(run, &node)]).await;
        bench.store.send(&[message(run, "unread")]).await.unwrap();
        let end = update(status, Some(at(1)), false);
        bench.put(&[Append { update: Some(end), ..plain(run, 1, 1) }]).await;
        bench.store.send(&[message(run, "too late")]).await.unwrap();
        let record = bench.store.run(run).await.unwrap().unwrap();
        assert_eq!((record.status, record.owner, record.wake_at), (status, None, None));
        assert_eq!(bench.mail(run).await, [] as [&str; 0]);
    }
    assert_eq!(bench.store.claim(node.id, ClaimScope::All, 10).await.unwrap(), []);
}

async fn released_work_is_due(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let run = new_run();
    bench.put(&[create_owned(run, &node)]).await;
    let append =
        Append { update: Some(update(RunStatus::Running, None, true)), ..plain(run, 1, 1) };
    bench.put(std::slice::from_ref(&append)).await;
    let record = bench.store.run(run).await.unwrap().unwrap();
    assert_eq!((record.owner, record.wake_at), (None, Some(append.at)));
    let claims = bench.store.claim(node.id, ClaimScope::All, 10).await.unwrap();
    assert_eq!((claims[0].run, claims[0].epoch, claims[0].taken_from), (run, 2, None));
}

async fn a_person_has_no_alarm(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let run = new_run();
    bench.put(&[create_owned(run, &node)]).await;
    let waits = update(RunStatus::Attention, Some(at(5)), true);
    bench.put(&[Append { update: Some(waits), ..plain(run, 1, 1) }]).await;
    let record = bench.store.run(run).await.unwrap().unwrap();
    assert_eq!((record.owner, record.wake_at), (None, None));
}

async fn a_run_is_made_with_its_update(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let (parked, ended) = (new_run(), new_run());
    let park = update(RunStatus::Waiting, Some(at(77)), true);
    let end = update(RunStatus::Completed, None, false);
    bench
        .put(&[
            Append { update: Some(park), ..create_owned(parked, &node) },
            Append { update: Some(end), ..create_owned(ended, &node) },
        ])
        .await;
    let record = bench.store.run(parked).await.unwrap().unwrap();
    assert_eq!(record.status, RunStatus::Waiting);
    assert_eq!((record.owner, record.wake_at), (None, Some(at(77))));
    let record = bench.store.run(ended).await.unwrap().unwrap();
    assert_eq!((record.status, record.owner), (RunStatus::Completed, None));
}

/// Every run of two batches sends to every run of the other, and both make runs with shared keys.
async fn writers_in_opposite_orders_do_not_block(bench: Arc<Bench>) {
    const ROUNDS: u64 = 15;
    let node = bench.join(1).await;
    let runs: Vec<_> = (0..12).map(|_| new_run()).collect();
    bench.put(&runs.iter().map(|run| create_owned(*run, &node)).collect::<Vec<_>>()).await;
    let write = |me: usize| {
        let (bench, runs) = (Arc::clone(&bench), runs.clone());
        tokio::spawn(async move {
            let mut writer = bench.store.writer().await.unwrap();
            for seq in 1..=ROUNDS {
                let mut batch = Vec::new();
                for run in runs.iter().skip(me).step_by(2) {
                    let send = runs.iter().map(|to| message(*to, &format!("{seq}"))).collect();
                    let update = Some(update(RunStatus::Running, None, false));
                    batch.push(Append { update, send, ..plain(*run, seq, 1) });
                }
                for n in 0..4 {
                    let mut append = create(new_run());
                    if let Some(new) = &mut append.create {
                        let key = if me == 0 { n } else { 3 - n };
                        new.idempotency_key = Some(format!("{seq}-{key}"));
                    }
                    batch.push(append);
                }
                let outcomes = writer.commit(&batch).await.unwrap();
                assert!(outcomes[..6].iter().all(|outcome| *outcome == Committed));
            }
        })
    };
    let (one, two) = tokio::join!(write(0), write(1));
    one.unwrap();
    two.unwrap();
    for run in runs {
        assert_eq!(bench.mail(run).await.len() as u64, ROUNDS, "one message per key");
    }
}
