//! SQLite: write-ahead log, `synchronous=FULL`, one statement per transaction.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, QueryBuilder, Sqlite, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{AT, Committer, OUTPUT, measure};
use crate::contract::Settings;

/// Measures inserts into a new file in `BENCH_DB_DIR`.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(settings.db_dir.join("raw.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_mins(1));
    let mut first = options.connect().await?;
    sqlx::query(include_str!("../sql/raw_create.sql")).execute(&mut first).await?;
    let mut connections = vec![Probe(first)];
    while connections.len() < settings.in_flight {
        connections.push(Probe(options.connect().await?));
    }
    measure(connections, settings).await
}

struct Probe(SqliteConnection);

impl Committer for Probe {
    async fn commit(&mut self, ids: &[String]) -> sqlx::Result<()> {
        // The text is the same for each batch of a probe, so that it is prepared once.
        let mut insert =
            QueryBuilder::<Sqlite>::new("insert into ckpt (wf_id, seq, name, output, at) ");
        insert.push_values(ids, |mut row, id| {
            row.push_bind(id).push_bind(0_i32).push_bind("s").push_bind(OUTPUT).push_bind(AT);
        });
        insert.build().execute(&mut self.0).await?;
        Ok(())
    }
}
