//! How many rows a second the stores commit, beside the databases' own speed measured in the same
//! minute: `cargo bench -p rackwright-engine --bench store`. PostgreSQL is measured if
//! `RACKWRIGHT_TEST_POSTGRES` names a server. `RACKWRIGHT_BENCH_DIR` says on which disk SQLite is
//! measured.

#![expect(clippy::unwrap_used, reason = "a measurement that can't go on panics")]

use std::{
    collections::BTreeMap,
    env,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use rackwright_engine::{
    model::{NodeId, RunId, Timestamp, Version},
    store::{Append, AppendOutcome, NewRun, RunStatus, RunUpdate, Store, Writer, open},
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, query};
use uuid::Uuid;

/// How long each line is measured.
const SPAN: Duration = Duration::from_secs(2);
/// Between how many runs the rows are spread.
const RUNS: usize = 2000;
/// What a turn's events weigh.
const EVENTS: usize = 240;

fn new_run() -> RunId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::SeqCst);
    let random = u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64;
    RunId::from_parts(Timestamp::from_micros(i64::try_from(n).unwrap() * 1000), random)
}

fn row(run: RunId, seq: u64) -> Append {
    Append {
        run,
        seq,
        epoch: 1,
        at: Timestamp::from_micros(1_700_000_000_000_000),
        events: Bytes::from(format!("[\"{}\"]", "e".repeat(EVENTS - 4))),
        create: None,
        update: None,
        consumed: Vec::new(),
        send: Vec::new(),
        locks: Vec::new(),
        tasks: Vec::new(),
        blobs: Vec::new(),
    }
}

fn beginning(run: RunId) -> Append {
    let new = NewRun {
        workflow: "bench".to_owned(),
        version: Version([1; 32]),
        idempotency_key: None,
        parent: None,
        root: run,
        labels: BTreeMap::new(),
        requires: BTreeMap::new(),
        status: RunStatus::Running,
        owner: Some(NodeId(Uuid::from_u128(1))),
    };
    Append { create: Some(Box::new(new)), ..row(run, 0) }
}

/// What the measured batches hold.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    /// One row in eight changes its run's status.
    Mixed,
}

/// Commits batches for a while; returns commits and rows.
async fn commits(writer: &mut Box<dyn Writer>, size: usize, kind: Kind) -> (u32, usize) {
    let runs: Vec<_> = (0..RUNS).map(|_| new_run()).collect();
    for some in runs.chunks(500) {
        writer.commit(&some.iter().copied().map(beginning).collect::<Vec<_>>()).await.unwrap();
    }
    let mut next = vec![1; RUNS];
    let (mut at, mut done) = (0, 0);
    let began = Instant::now();
    while began.elapsed() < SPAN {
        let mut batch = Vec::with_capacity(size);
        for n in 0..size {
            let place = (at + n) % RUNS;
            let mut append = row(runs[place], next[place]);
            if matches!(kind, Kind::Mixed) && n % 8 == 0 {
                let status = RunStatus::Running;
                append.update =
                    Some(RunUpdate { status, wake_at: None, release: false, version: None });
            }
            next[place] += 1;
            batch.push(append);
        }
        at += size;
        let outcomes = writer.commit(&batch).await.unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == AppendOutcome::Committed));
        done += 1;
    }
    (done, size * done as usize)
}

fn line(name: &str, what: &str, (commits, rows): (u32, usize), took: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "a few digits are printed")]
    let rate = rows as f64 / took.as_secs_f64();
    println!("{name:10} {what:28} {rate:>9.0} rows/s  {:>8.1?} per commit", took / commits);
}

async fn measure(name: &str, store: &dyn Store) {
    let mut writer = store.writer().await.unwrap();
    commits(&mut writer, 64, Kind::Plain).await;
    for size in [1, 8, 64, 512] {
        let began = Instant::now();
        let done = commits(&mut writer, size, Kind::Plain).await;
        line(name, &format!("batches of {size}"), done, began.elapsed().min(SPAN));
    }
    let began = Instant::now();
    let done = commits(&mut writer, 64, Kind::Mixed).await;
    line(name, "batches of 64, 8 ride along", done, began.elapsed().min(SPAN));
}

/// Single rows into a bare table of the same columns, by the same driver.
macro_rules! raw {
    ($name:expr, $connection:expr, $insert:expr) => {{
        let (mut done, events) = (0_u32, vec![b'e'; EVENTS]);
        let began = Instant::now();
        while began.elapsed() < SPAN {
            let insert = query($insert).bind(Uuid::from_u128(7)).bind(i64::from(done)).bind(1_i64);
            let insert = insert.bind(1_700_000_000_000_000_i64).bind(&events);
            $connection.execute(insert).await.unwrap();
            done += 1;
        }
        line($name, "raw single rows", (done, done as usize), began.elapsed());
    }};
}

const RAW_SQLITE: &str = "CREATE TABLE raw (run_id BLOB, seq INTEGER, epoch INTEGER, at INTEGER, \
                          events BLOB, PRIMARY KEY (run_id, seq)) STRICT";
const RAW_POSTGRES: &str = "CREATE TABLE raw (run_id uuid, seq bigint, epoch bigint, at bigint, \
                            events bytea, PRIMARY KEY (run_id, seq))";

async fn sqlite() {
    // Beside the target directory: /tmp may be in memory, where a commit costs nothing.
    let place = env::var("RACKWRIGHT_BENCH_DIR").unwrap_or(env!("CARGO_TARGET_TMPDIR").to_owned());
    let dir = tempfile::tempdir_in(place).unwrap();
    let url = format!("sqlite:{}", dir.path().join("bench.db").display());
    let store = open(&url).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(dir.path().join("raw.db"))
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Full);
    let mut raw = options.connect().await.unwrap();
    raw.execute(RAW_SQLITE).await.unwrap();
    raw!("sqlite", raw, "INSERT INTO raw VALUES (?1, ?2, ?3, ?4, ?5)");
    measure("sqlite", &*store).await;
}

async fn postgres(server: &str) {
    let name = format!("rackwright_bench_{}", std::process::id());
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let url = format!("{server}/{name}");
    {
        let store = open(&url).await.unwrap();
        let mut raw = PgConnection::connect(&url).await.unwrap();
        raw.execute(RAW_POSTGRES).await.unwrap();
        raw!("postgres", raw, "INSERT INTO raw VALUES ($1, $2, $3, $4, $5)");
        measure("postgres", &*store).await;
    }
    let statement = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.execute(AssertSqlSafe(statement)).await.unwrap();
}

#[tokio::main]
async fn main() {
    sqlite().await;
    match env::var("RACKWRIGHT_TEST_POSTGRES") {
        Ok(server) => postgres(server.trim_end_matches('/')).await,
        Err(_) => println!("postgres   skipped: RACKWRIGHT_TEST_POSTGRES names no server"),
    }
}
