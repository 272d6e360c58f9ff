//! The physical limit: what the store can do with no engine on top.
//!
//! `BENCH_CONC` connections each commit transactions of `BENCH_ROWS` rows, for `BENCH_SECS`
//! seconds. A row is as large as a checkpoint of the engine's workloads.

mod postgres;
mod sqlite;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;

pub use self::{postgres::run as postgres, sqlite::run as sqlite};
use crate::contract::{self, Settings, percentile_us};

/// The output of a step, about 100 bytes.
const OUTPUT: &str = r#"{"wf":"wf-123456","i":7,"ok":true,"pad":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#;

/// Any fixed time: the probe needs a number of the right size, not the clock.
const AT: i64 = 1_700_000_000_000_000;

/// One connection that can commit transactions.
trait Committer: Send + Sized + 'static {
    /// Commits rows with these run ids in one transaction.
    fn commit(&mut self, ids: &[String]) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// Lets all connections commit at once and reports rows and transactions per second.
async fn measure(connections: Vec<impl Committer>, settings: &Settings) -> anyhow::Result<()> {
    contract::begin()?;
    let start = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(number, connection)| {
            let (rows, limit) = (settings.rows, settings.probe_for);
            tokio::spawn(commit_until(connection, number, rows, start, limit))
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await?.context("a connection of the probe failed")?);
    }
    let elapsed = start.elapsed().as_secs_f64();
    contract::end(settings)?;
    report(latencies, settings, elapsed)
}

async fn commit_until(
    mut connection: impl Committer,
    number: usize,
    rows: usize,
    start: Instant,
    limit: Duration,
) -> sqlx::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while start.elapsed() < limit {
        let turn = latencies.len();
        let ids: Vec<_> = (0..rows).map(|row| format!("wf-{number}-{turn}-{row}")).collect();
        let before = Instant::now();
        connection.commit(&ids).await?;
        latencies.push(before.elapsed());
    }
    Ok(latencies)
}

fn report(mut latencies: Vec<Duration>, settings: &Settings, elapsed: f64) -> anyhow::Result<()> {
    let commits = u32::try_from(latencies.len()).context("more commits than a probe can make")?;
    let rows = u32::try_from(settings.rows).context("BENCH_ROWS is too large")?;
    contract::result(&json!({
        "connections": settings.in_flight,
        "rows_per_tx": settings.rows,
        "elapsed_s": elapsed,
        "tx_s": f64::from(commits) / elapsed,
        "steps_s": f64::from(commits) * f64::from(rows) / elapsed,
        "p50_us": percentile_us(&mut latencies, 50),
        "p99_us": percentile_us(&mut latencies, 99),
    }))
}
