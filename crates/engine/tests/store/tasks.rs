//! Calls for pools: who has which, and what is told to whom.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rackwright_engine::{
    model::RunId,
    store::{Append, AppendOutcome, NewTask, RunStatus, TaskChange, TaskLease},
};

use crate::bench::{
    Bench, HOUR, create_owned, each_backend, message, new_run, node, plain, update,
};

each_backend!(
    a_call_goes_to_one_worker,
    what_a_worker_says_arrives_with_its_lease,
    a_lost_worker_is_told_of_and_comes_too_late,
    a_call_that_nobody_has_is_taken_back,
    a_worker_learns_that_it_is_to_stop,
    an_append_that_does_not_go_in_changes_no_calls,
    a_call_that_is_put_again_is_another,
    a_race_gives_each_call_to_one_worker,
);

const SOON: Duration = Duration::from_millis(1);

fn put(task: &str, pool: &str) -> TaskChange {
    TaskChange::Put(Box::new(NewTask {
        task: task.to_owned(),
        pool: pool.to_owned(),
        call: Bytes::from(format!("call of {task}")),
        lost: Bytes::from(format!("{task} was lost")),
        refused: Bytes::from(format!("{task} was refused")),
    }))
}

/// A run of node 1 with these calls in the queue.
async fn run_with(bench: &Bench, tasks: Vec<TaskChange>) -> RunId {
    let run = new_run();
    bench.put(&[Append { tasks, ..create_owned(run, &node(1)) }]).await;
    run
}

async fn lease(bench: &Bench, pool: &str, ttl: Duration) -> Vec<TaskLease> {
    let pools = [pool.to_owned(), "another".to_owned()];
    bench.store.pools().lease_tasks(&pools, "w", 10, ttl).await.unwrap()
}

async fn mail(bench: &Bench, run: RunId) -> Vec<String> {
    let rows = bench.store.inbox(&[run]).await.unwrap();
    rows.into_iter().map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect()
}

async fn a_call_goes_to_one_worker(bench: Arc<Bench>) {
    let run = run_with(&bench, vec![put("1", "a"), put("2", "b"), put("3", "a")]).await;
    let all = bench.store.pools().tasks(Some(run), 10).await.unwrap();
    let queue: Vec<_> = all.iter().map(|it| (it.task.as_str(), it.worker.as_deref())).collect();
    assert_eq!(queue, [("1", None), ("2", None), ("3", None)]);
    let mine = lease(&bench, "a", HOUR).await;
    let calls: Vec<_> = mine.iter().map(|it| (it.run, &it.call[..])).collect();
    assert_eq!(calls, [(run, &b"call of 1"[..]), (run, &b"call of 3"[..])]);
    assert_eq!(lease(&bench, "a", HOUR).await, []);
    assert_eq!(lease(&bench, "b", HOUR).await.len(), 1);
    let all = bench.store.pools().tasks(None, 10).await.unwrap();
    assert!(all.iter().all(|it| it.worker.as_deref() == Some("w") && it.lease_until.is_some()));
    assert!(bench.store.pools().finish_task(&mine[0], &[message(run, "end")]).await.unwrap());
    assert_eq!(mail(&bench, run).await, ["body of end"]);
    assert_eq!(bench.store.pools().tasks(Some(run), 10).await.unwrap().len(), 2);
}

async fn what_a_worker_says_arrives_with_its_lease(bench: Arc<Bench>) {
    let run = run_with(&bench, vec![put("1", "a")]).await;
    let mine = lease(&bench, "a", HOUR).await.remove(0);
    let pools = bench.store.pools();
    let said = [message(run, "x"), message(run, "y")];
    assert_eq!(pools.beat_task(&mine, HOUR, &said).await.unwrap(), Some(false));
    assert_eq!(mail(&bench, run).await, ["body of x", "body of y"]);
    // Somebody who had it before.
    let other = TaskLease { grip: mine.grip - 1, ..mine.clone() };
    assert_eq!(pools.beat_task(&other, HOUR, &[message(run, "z")]).await.unwrap(), None);
    assert!(!pools.finish_task(&other, &[message(run, "z")]).await.unwrap());
    assert!(pools.finish_task(&mine, &[message(run, "end")]).await.unwrap());
    assert!(!pools.finish_task(&mine, &[message(run, "again")]).await.unwrap());
    assert_eq!(mail(&bench, run).await, ["body of x", "body of y", "body of end"]);
}

async fn a_lost_worker_is_told_of_and_comes_too_late(bench: Arc<Bench>) {
    let run = run_with(&bench, vec![put("1", "a"), put("2", "a")]).await;
    let pools = bench.store.pools();
    let first = pools.lease_tasks(&["a".to_owned()], "w", 1, SOON).await.unwrap().remove(0);
    let second = lease(&bench, "a", HOUR).await.remove(0);
    let began = bench.store.now().await.unwrap();
    let mut told = Vec::new();
    while told.is_empty() {
        told = pools.reap_tasks().await.unwrap();
        let waited = bench.store.now().await.unwrap().since(began);
        assert!(waited < Duration::from_secs(20), "nobody notices");
    }
    assert_eq!(told, [run]);
    assert_eq!(mail(&bench, run).await, ["1 was lost"]);
    assert!(!pools.finish_task(&first, &[message(run, "late")]).await.unwrap());
    assert_eq!(pools.beat_task(&first, HOUR, &[message(run, "late")]).await.unwrap(), None);
    assert_eq!(pools.reap_tasks().await.unwrap(), []);
    assert_eq!(mail(&bench, run).await, ["1 was lost"]);
    assert!(pools.finish_task(&second, &[message(run, "end")]).await.unwrap());
}

async fn a_call_that_nobody_has_is_taken_back(bench: Arc<Bench>) {
    let run = run_with(&bench, vec![put("1", "a"), put("2", "a"), put("3", "a")]).await;
    let tasks = vec![
        TaskChange::Stop { task: "1".to_owned() },
        TaskChange::Recall { task: "2".to_owned() },
        TaskChange::Stop { task: "not there".to_owned() },
    ];
    bench.put(&[Append { tasks, ..plain(run, 1, 1) }]).await;
    let mut told = mail(&bench, run).await;
    told.sort();
    assert_eq!(told, ["1 was refused", "2 was lost"]);
    assert_eq!(lease(&bench, "a", HOUR).await.len(), 1);
    let ended = Some(update(RunStatus::Completed, None, true));
    let clear = vec![TaskChange::Clear];
    bench.put(&[Append { update: ended, tasks: clear, ..plain(run, 2, 1) }]).await;
    assert_eq!(bench.store.pools().tasks(None, 10).await.unwrap(), []);
}

async fn a_worker_learns_that_it_is_to_stop(bench: Arc<Bench>) {
    let run = run_with(&bench, vec![put("1", "a"), put("2", "a")]).await;
    let mine = lease(&bench, "a", HOUR).await;
    let tasks = vec![
        TaskChange::Stop { task: "1".to_owned() },
        TaskChange::Recall { task: "2".to_owned() },
    ];
    bench.put(&[Append { tasks, ..plain(run, 1, 1) }]).await;
    assert_eq!(mail(&bench, run).await, [""; 0]);
    let pools = bench.store.pools();
    assert_eq!(pools.beat_task(&mine[0], HOUR, &[]).await.unwrap(), Some(true));
    assert_eq!(pools.beat_task(&mine[1], HOUR, &[]).await.unwrap(), Some(false));
}

/// A zombie neither puts nor stops anything.
async fn an_append_that_does_not_go_in_changes_no_calls(bench: Arc<Bench>) {
    let run = run_with(&bench, vec![put("1", "a")]).await;
    let tasks = vec![put("2", "a"), TaskChange::Stop { task: "1".to_owned() }];
    let late = Append { tasks, ..plain(run, 1, 0) };
    let good = new_run();
    let beside = Append { tasks: vec![put("9", "a")], ..create_owned(good, &node(1)) };
    let outcomes = bench.commit(&[late, beside.clone()]).await;
    assert_eq!(outcomes, [AppendOutcome::Conflict, AppendOutcome::Committed]);
    // The same batch again does nothing twice.
    assert_eq!(bench.commit(&[beside]).await, [AppendOutcome::Committed]);
    let tasks = bench.store.pools().tasks(None, 10).await.unwrap();
    let names: Vec<_> = tasks.iter().map(|it| it.task.as_str()).collect();
    assert_eq!(names, ["1", "9"]);
    assert_eq!(mail(&bench, run).await, [""; 0]);
}

async fn a_call_that_is_put_again_is_another(bench: Arc<Bench>) {
    let run = run_with(&bench, vec![put("1", "a")]).await;
    let first = lease(&bench, "a", HOUR).await.remove(0);
    bench.put(&[Append { tasks: vec![put("1", "a")], ..plain(run, 1, 1) }]).await;
    let second = lease(&bench, "a", HOUR).await.remove(0);
    let pools = bench.store.pools();
    assert!(!pools.finish_task(&first, &[message(run, "late")]).await.unwrap());
    assert!(pools.finish_task(&second, &[message(run, "end")]).await.unwrap());
    assert_eq!(mail(&bench, run).await, ["body of end"]);
}

async fn a_race_gives_each_call_to_one_worker(bench: Arc<Bench>) {
    let names: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    let run = run_with(&bench, names.iter().map(|name| put(name, "a")).collect()).await;
    let race = |_| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move {
            let (mut mine, mut empty) = (Vec::new(), 0);
            while empty < 3 {
                let leases = lease(&bench, "a", HOUR).await;
                empty = if leases.is_empty() { empty + 1 } else { 0 };
                mine.extend(leases.into_iter().map(|lease| lease.id));
            }
            mine
        })
    };
    let mut all = Vec::new();
    for task in (0..6).map(race).collect::<Vec<_>>() {
        all.extend(task.await.unwrap());
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), names.len());
    let tasks = bench.store.pools().tasks(Some(run), 1000).await.unwrap();
    assert!(tasks.iter().all(|it| it.worker.is_some()));
}
