//! Runs a driver under its contract (see `rackwright_bench::contract`) and measures the part
//! between its BEGIN and its END.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};
use tempfile::TempDir;

use super::{
    Store,
    process::{Snapshot, peak_rss_mib},
};
use crate::{
    cluster::Cluster,
    shell::{self, Running},
};

/// A driver that has not ended by then hangs.
const LIMIT: Duration = Duration::from_mins(20);

/// Numbers of one measurement, by name.
pub(super) type Sample = BTreeMap<String, f64>;

/// What is measured, and with what.
pub(super) struct Bench<'a> {
    pub(super) store: Store,
    /// Where the store is PostgreSQL.
    pub(super) cluster: Option<&'a Cluster>,
    /// Our own driver, for the raw probes.
    pub(super) ours: &'a Path,
    /// The driver of the engine under test.
    pub(super) engine: &'a Path,
    /// Where data lies.
    pub(super) place: &'a Path,
}

/// An empty store for one measurement.
pub(super) struct Scratch<'a> {
    pub(super) dir: TempDir,
    pub(super) database: String,
    cluster: Option<&'a Cluster>,
}

impl<'a> Bench<'a> {
    /// A new directory, and a new database in the cluster.
    pub(super) fn scratch(&self) -> anyhow::Result<Scratch<'a>> {
        let dir = tempfile::Builder::new().prefix("rackwright-bench-").tempdir_in(self.place)?;
        let name = dir.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let database = name.to_lowercase().replace('-', "_");
        if let Some(cluster) = self.cluster {
            shell::output(cluster.client("createdb", "postgres").arg(&database))?;
            // What earlier measurements left is not to be written during this one.
            shell::output(cluster.client("psql", "postgres").args(["-qc", "checkpoint"]))?;
        }
        Ok(Scratch { dir, database, cluster: self.cluster })
    }

    /// Lets what was written reach its place, so that a measurement does not pay for it.
    pub(super) fn settle(&self, scratch: &Scratch<'_>) -> anyhow::Result<()> {
        if let Some(cluster) = self.cluster {
            let mut psql = cluster.client("psql", &scratch.database);
            shell::output(psql.args(["-qc", "vacuum analyze", "-c", "checkpoint"]))?;
        }
        Ok(())
    }

    /// Runs a mode of a driver to its end.
    pub(super) fn drive(
        &self,
        driver: &Path,
        mode: &str,
        scratch: &Scratch<'_>,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Sample> {
        let started = Instant::now();
        let mut running = self.start(driver, mode, scratch, settings)?;
        let server = self.cluster.map(Cluster::pid).transpose()?;
        let lines = running.lines()?;
        let mut begin = None;
        let (mut sample, mut result) = (Sample::new(), false);
        while let Some(text) = lines.next(Some(started + LIMIT))? {
            if text == "BEGIN" {
                begin = Some(Snapshot::take(running.id(), server));
                sample.insert("begin_at_s".into(), since_epoch()?);
            } else if text == "END" {
                let begin = begin.as_ref().context("END came without BEGIN")?;
                sample.insert("end_at_s".into(), since_epoch()?);
                let used = begin.until(&Snapshot::take(running.id(), server));
                sample.insert("boot_to_end_s".into(), started.elapsed().as_secs_f64());
                sample.insert("measured_s".into(), used.elapsed_s);
                sample.insert("cpu_engine_s".into(), used.engine_s);
                sample.insert("cpu_database_s".into(), used.database_s);
                sample.insert("foreign_cores".into(), used.foreign_cores);
                let rss = peak_rss_mib(running.id()).context("the driver has no VmHWM")?;
                sample.insert("peak_rss_mib".into(), rss);
                let stdin = running.child().stdin.as_mut().context("standard input is piped")?;
                stdin.write_all(b"\n")?;
            } else if let Some(json) = text.strip_prefix("RESULT ") {
                sample.extend(numbers(json)?);
                result = true;
            }
        }
        let status = running.wait()?;
        if !status.success() || !result {
            bail!("`{} {mode}` ended with {status} and gave no usable result", driver.display());
        }
        Ok(sample)
    }

    /// Starts a mode of a driver.
    pub(super) fn start(
        &self,
        driver: &Path,
        mode: &str,
        scratch: &Scratch<'_>,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Running> {
        let mut command = shell::command(driver);
        command.arg(mode).env("BENCH_SYNC", "1").env("BENCH_STORE", self.store.name());
        command.env("BENCH_DB_DIR", scratch.dir.path());
        if let Some(cluster) = self.cluster {
            command.env("BENCH_PG_URL", format!("{}/{}", cluster.url(), scratch.database));
        }
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        if let Some(cluster) = self.cluster {
            let mut drop = cluster.client("dropdb", "postgres");
            // The whole cluster goes at the end; this only keeps the disk free until then.
            let _ = shell::output(drop.args(["--force", "--if-exists"]).arg(&self.database));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "several processes have no other clock in common")]
/// The wall clock: what several drivers measured is put on one line by it.
fn since_epoch() -> anyhow::Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// The numbers of a JSON object.
fn numbers(json: &str) -> anyhow::Result<Sample> {
    let fields: Map<String, Value> =
        serde_json::from_str(json).with_context(|| format!("RESULT {json}"))?;
    let numbers = fields.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?)));
    Ok(numbers.collect())
}
