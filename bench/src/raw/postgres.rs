//! PostgreSQL: one prepared statement per transaction, rows gathered with `unnest`.

use sqlx::{Connection as _, PgConnection};

use super::{AT, Committer, OUTPUT, measure};
use crate::contract::Settings;

/// Measures inserts into `BENCH_PG_URL`.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut first = PgConnection::connect(&settings.pg_url).await?;
    sqlx::query(include_str!("../sql/raw_create.sql")).execute(&mut first).await?;
    let mut connections = vec![Probe(first)];
    while connections.len() < settings.in_flight {
        connections.push(Probe(PgConnection::connect(&settings.pg_url).await?));
    }
    measure(connections, settings).await
}

struct Probe(PgConnection);

impl Committer for Probe {
    async fn commit(&mut self, ids: &[String]) -> sqlx::Result<()> {
        sqlx::query(include_str!("../sql/raw_insert_postgres.sql"))
            .bind(ids)
            .bind(vec![0_i32; ids.len()])
            .bind(vec!["s"; ids.len()])
            .bind(vec![OUTPUT; ids.len()])
            .bind(vec![AT; ids.len()])
            .execute(&mut self.0)
            .await?;
        Ok(())
    }
}
