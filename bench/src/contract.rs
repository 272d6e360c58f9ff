//! The contract between a driver and the harness.
//!
//! A driver brings its schema up, warms up, prints `BEGIN`, works, prints `END`, waits for one
//! line on standard input if `BENCH_SYNC` is set (meanwhile the harness reads `/proc`), prints
//! `RESULT {json}` and exits with 0.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `BENCH_STORE` | `sqlite` or `postgres` | `sqlite` |
//! | `BENCH_PG_URL` | address of an empty database | |
//! | `BENCH_DB_DIR` | an empty directory for SQLite | `.` |
//! | `BENCH_WF`, `BENCH_STEPS`, `BENCH_CONC` | runs, steps per run, runs in flight; of a probe, `BENCH_CONC` is its connections | 2000, 10, 64 |
//! | `BENCH_POOL` | connections of the engine's pool | the engine's own |
//! | `BENCH_ROWS`, `BENCH_SECS` | of a raw probe: rows per transaction, seconds | 1, 3 |
//! | `BENCH_STEPLOG` | file to which every step appends `wf-<k> <i>` | |
//! | `BENCH_EXPECT` | of `w5recover`: how many runs the store holds | |
//! | `BENCH_PAYLOAD` | bytes of padding in the output of a step | 54 |
//! | `BENCH_NODE` | of a workload that several drivers run on one store: the name of this one | |
//! | `BENCH_SYNC` | wait for a line after `END` | |

use std::{
    env,
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::{Value, json};

/// With it an output has about 100 bytes.
const PADDING: usize = 54;

/// The store under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// SQLite, write-ahead log, `synchronous=FULL`.
    Sqlite,
    /// PostgreSQL at `BENCH_PG_URL`.
    Postgres,
}

/// What the environment asks for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store under test.
    pub store: Store,
    /// Address of an empty PostgreSQL database; empty for SQLite.
    pub pg_url: String,
    /// Directory of the SQLite file.
    pub db_dir: PathBuf,
    /// Number of runs.
    pub runs: usize,
    /// Steps of each run.
    pub steps: usize,
    /// Runs in flight; connections of a raw probe.
    pub in_flight: usize,
    /// Connections of the engine's pool, if not the engine's own choice.
    pub pool: Option<usize>,
    /// Rows per transaction of a raw probe.
    pub rows: usize,
    /// How long a raw probe runs.
    pub probe_for: Duration,
    /// File to which every step appends a line.
    pub step_log: Option<PathBuf>,
    /// How many runs the store holds before `w5recover`.
    pub expect: Option<usize>,
    /// Bytes of padding in the output of a step.
    pub payload: usize,
    /// The name of this driver among several on one store; empty if it is alone.
    pub node: String,
    /// Wait for a line on standard input after `END`.
    pub sync: bool,
}

impl Settings {
    /// Reads the environment.
    pub fn from_env() -> anyhow::Result<Self> {
        let store = match text("BENCH_STORE").as_deref() {
            None | Some("sqlite") => Store::Sqlite,
            Some("postgres") => Store::Postgres,
            Some(other) => anyhow::bail!("BENCH_STORE={other}: say sqlite or postgres"),
        };
        Ok(Self {
            store,
            pg_url: text("BENCH_PG_URL").unwrap_or_default(),
            db_dir: text("BENCH_DB_DIR").unwrap_or_else(|| ".".into()).into(),
            runs: number("BENCH_WF")?.unwrap_or(2000),
            steps: number("BENCH_STEPS")?.unwrap_or(10),
            in_flight: number("BENCH_CONC")?.unwrap_or(64),
            pool: number("BENCH_POOL")?,
            rows: number("BENCH_ROWS")?.unwrap_or(1),
            probe_for: Duration::try_from_secs_f64(number("BENCH_SECS")?.unwrap_or(3.0))
                .context("BENCH_SECS: say a number of seconds")?,
            step_log: text("BENCH_STEPLOG").map(PathBuf::from),
            expect: number("BENCH_EXPECT")?,
            payload: number("BENCH_PAYLOAD")?.unwrap_or(PADDING),
            node: text("BENCH_NODE").unwrap_or_default(),
            sync: text("BENCH_SYNC").is_some(),
        })
    }

    /// The address of the store, as the engine takes it.
    pub fn url(&self) -> String {
        match self.store {
            Store::Postgres => self.pg_url.clone(),
            Store::Sqlite => format!("sqlite:{}", self.db_dir.join("rackwright.db").display()),
        }
    }
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn number<T: FromStr>(name: &str) -> anyhow::Result<Option<T>> {
    let Some(value) = text(name) else { return Ok(None) };
    match value.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => anyhow::bail!("{name}={value}: say a number"),
    }
}

/// Says that the measured part begins.
pub fn begin() -> anyhow::Result<()> {
    say("BEGIN")
}

/// Says that the measured part is over, and lets the harness look at this process.
pub fn end(settings: &Settings) -> anyhow::Result<()> {
    say("END")?;
    if settings.sync {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).context("the harness went away after END")?;
    }
    Ok(())
}

/// Prints the result; the last line of a driver.
pub fn result(value: &Value) -> anyhow::Result<()> {
    say(&format!("RESULT {value}"))
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The body of every step, and the record of when each one ran.
#[derive(Debug)]
pub struct Recorder {
    started: Instant,
    log: Option<File>,
    padding: String,
    stamps: Mutex<Vec<Duration>>,
}

impl Recorder {
    /// A recorder whose clock starts now; it appends to `step_log` where one is asked for, and its
    /// steps give `payload` bytes of padding.
    pub fn new(step_log: Option<&Path>, payload: usize) -> anyhow::Result<Self> {
        let log = step_log
            .map(|path| {
                let file = OpenOptions::new().create(true).append(true).open(path);
                file.with_context(|| format!("BENCH_STEPLOG={}", path.display()))
            })
            .transpose()?;
        let padding = "x".repeat(payload);
        Ok(Self { started: Instant::now(), log, padding, stamps: Mutex::default() })
    }

    /// Forgets the steps of the warm-up.
    pub fn clear(&self) {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What a step does: it notes the time and its address, and returns its output.
    pub fn step(&self, run: &str, index: usize) -> std::io::Result<Value> {
        let at = self.started.elapsed();
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).push(at);
        if let Some(mut log) = self.log.as_ref() {
            // One write, so that a line is whole whenever the process is killed.
            log.write_all(format!("{run} {index}\n").as_bytes())?;
        }
        Ok(json!({"wf": run, "i": index, "ok": true, "pad": self.padding}))
    }

    /// When each step ran, since this recorder was made, in the order of their execution.
    pub fn stamps(&self) -> Vec<Duration> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The time since this recorder was made.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The gaps between neighbours: of a sequence of steps, the latency of each.
pub fn gaps(stamps: &[Duration]) -> Vec<Duration> {
    stamps.iter().zip(stamps.iter().skip(1)).map(|(a, b)| b.saturating_sub(*a)).collect()
}

/// The value below which `percent` per cent of `values` lie, in microseconds; 0 for no values.
pub fn percentile_us(values: &mut [Duration], percent: usize) -> u128 {
    values.sort_unstable();
    let rank = (values.len().saturating_sub(1) * percent + 50) / 100;
    values.get(rank).map_or(0, Duration::as_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut values: Vec<_> = (1..=101).rev().map(Duration::from_micros).collect();
        assert_eq!(percentile_us(&mut values, 50), 51);
        assert_eq!(percentile_us(&mut values, 99), 100);
        assert_eq!(percentile_us(&mut [], 99), 0);
    }

    #[test]
    fn a_step_leaves_its_line_and_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("steps.log");
        let recorder = Recorder::new(Some(&path), PADDING).unwrap();
        let output = recorder.step("wf-3", 7).unwrap();
        recorder.step("wf-3", 8).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "wf-3 7\nwf-3 8\n");
        assert!((90..=130).contains(&output.to_string().len()), "{output}");
        assert_eq!(gaps(&recorder.stamps()).len(), 1);
    }
}
