//! What only SQLite does: the lock, and being a file.

use std::sync::Arc;

use rackwright_engine::store::{
    Append, ClaimScope, ManualClock, Renewal, RunFilter, RunStatus, SqliteStore, Store, StoreError,
};
use sqlx::{ConnectOptions, Row, sqlite::SqliteConnectOptions};

use crate::bench::{HOUR, at, create, create_owned, message, new_run, node, plain, update};

fn url(dir: &tempfile::TempDir) -> String {
    format!("sqlite:{}", dir.path().join("runs.db").display())
}

async fn put(store: &SqliteStore, batch: &[Append]) {
    let outcomes = store.writer().await.unwrap().commit(batch).await.unwrap();
    assert!(outcomes.iter().all(|o| *o == rackwright_engine::store::AppendOutcome::Committed));
}

#[tokio::test]
async fn a_second_node_is_told_who_holds_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(&url(&dir)).await.unwrap();
    let second = SqliteStore::open(&url(&dir)).await.unwrap();
    first.join(&node(1), HOUR).await.unwrap();
    let error = second.join(&node(2), HOUR).await.unwrap_err();
    let StoreError::Held { holder, .. } = &error else { panic!("{error}") };
    assert_eq!(holder, "process 4711 (node-1)");
    assert!(error.to_string().contains("runs.db is in use by process 4711 (node-1)"), "{error}");
    // Looking needs no lock, nor does writing to an inbox.
    put(&first, &[create(new_run())]).await;
    assert_eq!(second.runs(&RunFilter::default()).await.unwrap().len(), 1);
    first.leave(node(1).id).await.unwrap();
    second.join(&node(2), HOUR).await.unwrap();
    assert!(matches!(first.join(&node(3), HOUR).await, Err(StoreError::Held { .. })));
}

#[tokio::test]
async fn a_new_process_takes_the_runs_of_a_dead_one_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let run = new_run();
    let first = SqliteStore::open(&url(&dir)).await.unwrap();
    first.join(&node(1), HOUR).await.unwrap();
    put(&first, &[create_owned(run, &node(1))]).await;
    // Dies: the system closes its files, the lease in the table has an hour to go.
    drop(first);
    let second = SqliteStore::open(&url(&dir)).await.unwrap();
    second.join(&node(2), HOUR).await.unwrap();
    let claims = second.claim(node(2).id, ClaimScope::All, 10).await.unwrap();
    assert_eq!((claims[0].run, claims[0].taken_from), (run, Some(node(1).id)));
    assert_eq!(second.renew(node(1).id, HOUR).await.unwrap(), Renewal::Lost);
}

/// Another process may hold the file's write lock for longer than is waited for it.
#[tokio::test]
async fn a_batch_that_cannot_begin_does_nothing_and_may_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let (run, other) = (new_run(), new_run());
    let store = SqliteStore::open(&url(&dir)).await.unwrap();
    put(&store, &[create(run), create(other)]).await;
    let mut holder = SqliteConnectOptions::new().filename(dir.path().join("runs.db"));
    holder = holder.busy_timeout(HOUR);
    let mut holder = holder.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
    let append = Append {
        update: Some(update(RunStatus::Waiting, Some(at(99)), false)),
        send: vec![message(other, "a")],
        ..plain(run, 1, 0)
    };
    let batch = [append];
    let error = store.writer().await.unwrap().commit(&batch).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
    assert_eq!(store.inbox(&[other]).await.unwrap(), []);
    put(&store, &batch).await;
    assert_eq!(store.inbox(&[other]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_committed_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let run = new_run();
    let first = SqliteStore::open(&url(&dir)).await.unwrap();
    put(&first, &[create(run)]).await;
    put(&first, &[plain(run, 1, 0)]).await;
    drop(first);
    let second = SqliteStore::open(&url(&dir)).await.unwrap();
    assert_eq!(second.journal(run, 0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn commits_are_synchronous_in_a_wal() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&url(&dir)).await.unwrap();
    put(&store, &[create(new_run())]).await;
    let file = dir.path().join("runs.db");
    let mut other = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    let mode = sqlx::query("PRAGMA journal_mode").fetch_one(&mut other).await.unwrap();
    assert_eq!(mode.get::<&str, _>(0), "wal");
    assert!(file.with_extension("db-wal").exists());
}

#[tokio::test]
async fn a_simulation_moves_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(at(1_000_000)));
    let store =
        SqliteStore::with_clock(&url(&dir), Arc::<ManualClock>::clone(&clock)).await.unwrap();
    let joined = store.join(&node(1), HOUR * 3).await.unwrap();
    assert_eq!(joined, at(1_000_000));
    let run = new_run();
    let park = update(RunStatus::Waiting, Some(joined.after(HOUR)), true);
    put(&store, &[Append { update: Some(park), ..create_owned(run, &node(1)) }]).await;
    assert_eq!(store.claim(node(1).id, ClaimScope::All, 10).await.unwrap(), []);
    clock.advance(HOUR);
    assert_eq!(store.claim(node(1).id, ClaimScope::All, 10).await.unwrap().len(), 1);
    clock.advance(HOUR * 2);
    assert_eq!(store.renew(node(1).id, HOUR).await.unwrap(), Renewal::Lost);
}

#[tokio::test]
async fn errors_say_how_to_mend_them() {
    let dir = tempfile::tempdir().unwrap();
    let missing = format!("sqlite:{}/no/such/dir/runs.db", dir.path().display());
    let text = dir.path().join("text.db");
    std::fs::write(&text, "this is no database, ".repeat(100)).unwrap();
    let cases = [
        (missing, "check that its directory exists"),
        (format!("sqlite:{}", text.display()), "not a SQLite database"),
        ("sqlite:".to_owned(), "write sqlite:PATH"),
        ("sqlite::memory:".to_owned(), "memory:"),
    ];
    for (url, hint) in cases {
        let Err(error) = SqliteStore::open(&url).await else { panic!("{url} was opened") };
        assert!(matches!(error, StoreError::Setup { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains(hint), "{url}: {error}");
    }
}

#[tokio::test]
async fn two_programs_may_open_a_new_file_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let url = url(&dir);
        tokio::spawn(async move { SqliteStore::open(&url).await.map(drop) })
    };
    let tasks: Vec<_> = (0..6).map(|_| open()).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}
