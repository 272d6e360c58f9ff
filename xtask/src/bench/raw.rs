//! The raw figures: what the store does with nothing on top.

use std::{fs, path::Path};

use anyhow::Context as _;

use super::{
    Store,
    driver::{Bench, Sample, Scratch},
    workload::Scale,
};
use crate::shell;

/// Rows of a batch.
const ROWS: u32 = 100;

/// How the names of pgbench's logs begin.
const LOG: &str = "pgbench-log";

/// A raw figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Probe {
    /// One row per commit, one connection.
    Single1,
    /// One row per commit, eight connections.
    Single8,
    /// One hundred rows per commit, one connection.
    Batch,
}

impl Probe {
    /// Its name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Single1 => "single_row_1_connection",
            Self::Single8 => "single_row_8_connections",
            Self::Batch => "batches_of_100",
        }
    }

    /// Its name for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Single1 => "raw single-row commits, 1 connection",
            Self::Single8 => "raw single-row commits, 8 connections",
            Self::Batch => "raw inserts in batches of 100",
        }
    }

    fn connections(self) -> u32 {
        match self {
            Self::Single1 | Self::Batch => 1,
            Self::Single8 => 8,
        }
    }

    /// Measures it on an empty store; `steps_s` of the sample is rows per second.
    pub(super) fn measure(self, bench: &Bench<'_>, scale: Scale) -> anyhow::Result<Sample> {
        let scratch = bench.scratch()?;
        let seconds = scale.probe_seconds();
        match (bench.store, self) {
            (Store::Postgres, Self::Single1 | Self::Single8) => {
                pgbench(bench, &scratch, self.connections(), seconds)
            }
            (Store::Postgres, Self::Batch) => self.ours("raw-postgres", bench, &scratch, seconds),
            (Store::Sqlite, _) => self.ours("raw-sqlite", bench, &scratch, seconds),
        }
    }

    fn ours(
        self,
        mode: &str,
        bench: &Bench<'_>,
        scratch: &Scratch<'_>,
        seconds: u32,
    ) -> anyhow::Result<Sample> {
        let rows = if self == Self::Batch { ROWS } else { 1 };
        let settings = [
            ("BENCH_CONC", self.connections().to_string()),
            ("BENCH_ROWS", rows.to_string()),
            ("BENCH_SECS", seconds.to_string()),
        ];
        bench.drive(bench.ours, mode, scratch, &settings)
    }
}

/// PostgreSQL's own measure: a prepared insert of one checkpoint per transaction.
fn pgbench(
    bench: &Bench<'_>,
    scratch: &Scratch<'_>,
    clients: u32,
    seconds: u32,
) -> anyhow::Result<Sample> {
    let cluster = bench.cluster.context("pgbench needs a cluster")?;
    let create = include_str!("../../../bench/src/sql/raw_create.sql");
    shell::output(cluster.client("psql", &scratch.database).args(["-qc", create]))?;
    let script = scratch.dir.path().join("insert.sql");
    fs::write(&script, include_str!("raw_insert.sql"))?;
    let mut command = cluster.client("pgbench", &scratch.database);
    command.args(["--no-vacuum", "--protocol", "prepared", "--file"]).arg(script);
    command.args(["--client", &clients.to_string(), "--jobs", &clients.min(2).to_string()]);
    command.args(["--time", &seconds.to_string(), "--log", "--log-prefix", LOG]);
    let text = shell::output(command.current_dir(scratch.dir.path()))?;
    let mut sample = parse(&text).with_context(|| format!("pgbench said:\n{text}"))?;
    let mut latencies = latencies(scratch.dir.path())?;
    latencies.sort_unstable();
    let median = latencies.get(latencies.len() / 2).context("pgbench logged nothing")?;
    sample.insert("p50_us".into(), f64::from(*median));
    Ok(sample)
}

/// The latency of each transaction, in microseconds, from the logs of pgbench's threads.
fn latencies(dir: &Path) -> anyhow::Result<Vec<u32>> {
    let mut latencies = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(LOG) {
            let text = fs::read_to_string(entry.path())?;
            let third = |line: &str| line.split(' ').nth(2)?.parse::<u32>().ok();
            latencies.extend(text.lines().filter_map(third));
        }
    }
    Ok(latencies)
}

/// Reads pgbench's summary.
fn parse(text: &str) -> Option<Sample> {
    let number = |name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let latency_us = number("latency average = ")? * 1000.0;
    Some(Sample::from([("steps_s".into(), number("tps = ")?), ("mean_us".into(), latency_us)]))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_the_summary_of_pgbench() {
        let text = "number of clients: 8\nlatency average = 0.542 ms\n\
                    tps = 14755.104 (without initial connection time)\n";
        let sample = parse(text).unwrap();
        assert!((sample["steps_s"] - 14755.104).abs() < 1e-6);
        assert!((sample["mean_us"] - 542.0).abs() < 1e-6);
        assert!(parse("connection refused").is_none());
    }
}
