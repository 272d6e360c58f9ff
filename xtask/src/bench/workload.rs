//! The engine's workloads: their sizes, their references, and the one that is killed half-way.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::ValueEnum;

use super::{
    Store,
    driver::{Bench, Sample},
    large,
    raw::Probe,
};
use crate::shell;

/// How large the measurements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Full,
    /// A tenth, but for W5.
    Quick,
}

impl Scale {
    pub(super) fn of(self, full: u32) -> u32 {
        match self {
            Self::Full => full,
            Self::Quick => full / 10,
        }
    }

    pub(super) fn probe_seconds(self) -> u32 {
        match self {
            Self::Full => 2,
            Self::Quick => 1,
        }
    }
}

/// A workload of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Workload {
    /// One run of 1,000 steps in sequence
    W1,
    /// 2,000 runs of 10 steps, 64 in flight
    W2,
    /// 5,000 runs of 10 steps, 512 in flight
    #[value(name = "w2-512")]
    W2Wide,
    /// 2,000 runs of 10 steps, 64 in flight, outputs of 10 KB
    #[value(name = "w2-10k")]
    W2Payload,
    /// One run of 1,000 parallel steps
    W3,
    /// One run of 10,000 parallel steps
    #[value(name = "w3-10000")]
    W3Wide,
    /// 200 starts, one after the other
    W4,
    /// 1,000 runs of 10 steps, killed half-way and recovered
    W5,
    /// W2 on each of two nodes at once (PostgreSQL)
    #[value(name = "nodes-2")]
    Nodes2,
    /// W2 on each of three nodes at once (PostgreSQL)
    #[value(name = "nodes-3")]
    Nodes3,
    /// W2 on an empty store, and on one with 10 million journal rows
    Filled,
    /// A node on a store with a million parked runs (SQLite: 100,000)
    Parked,
}

/// The sizes of a workload.
pub(super) struct Size {
    pub(super) runs: u32,
    pub(super) steps: u32,
    pub(super) in_flight: u32,
}

impl Workload {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::W1 => "w1",
            Self::W2 => "w2",
            Self::W2Wide => "w2-512",
            Self::W2Payload => "w2-10k",
            Self::W3 => "w3",
            Self::W3Wide => "w3-10000",
            Self::W4 => "w4",
            Self::W5 => "w5",
            Self::Nodes2 => "nodes-2",
            Self::Nodes3 => "nodes-3",
            Self::Filled => "filled",
            Self::Parked => "parked",
        }
    }

    /// The driver's name for it.
    fn mode(self) -> &'static str {
        match self {
            Self::W1 => "w1",
            Self::W2
            | Self::W2Wide
            | Self::W2Payload
            | Self::Nodes2
            | Self::Nodes3
            | Self::Filled => "w2",
            Self::W3 | Self::W3Wide => "w3",
            Self::W4 => "w4",
            Self::W5 => "w5run",
            Self::Parked => "parked",
        }
    }

    /// Whether it can be measured on this store.
    pub(super) fn fits(self, store: Store) -> bool {
        match self {
            Self::Nodes2 | Self::Nodes3 => store == Store::Postgres,
            Self::W1
            | Self::W2
            | Self::W2Wide
            | Self::W2Payload
            | Self::W3
            | Self::W3Wide
            | Self::W4
            | Self::W5
            | Self::Filled
            | Self::Parked => true,
        }
    }

    fn size(self, scale: Scale) -> Size {
        let (runs, steps, in_flight) = match self {
            Self::W1 | Self::W3 => (1, scale.of(1000), 1),
            Self::W3Wide => (1, scale.of(10_000), 1),
            Self::W2 | Self::W2Payload | Self::Nodes2 | Self::Nodes3 | Self::Filled => {
                (scale.of(2000), 10, 64)
            }
            Self::W2Wide => (scale.of(5000), 10, 512),
            // Those that wait for seconds, among those that wait for a year.
            Self::Parked => (scale.of(1_000_000), 50, 512),
            Self::W4 => (scale.of(200), 1, 1),
            // Never smaller: there must be a half to be killed in.
            Self::W5 => (1000, 10, 1000),
        };
        Size { runs, steps, in_flight }
    }

    /// How many steps it runs.
    pub(super) fn total_steps(self, scale: Scale) -> u32 {
        let size = self.size(scale);
        size.runs * size.steps
    }

    /// The raw figure that it is compared with: what waits for one commit after the other with
    /// one connection, what has many commits under way with eight.
    pub(super) fn reference(self) -> Probe {
        match self {
            Self::W1 | Self::W4 => Probe::Single1,
            Self::W2
            | Self::W2Wide
            | Self::W2Payload
            | Self::W3
            | Self::W3Wide
            | Self::W5
            | Self::Nodes2
            | Self::Nodes3
            | Self::Filled
            | Self::Parked => Probe::Single8,
        }
    }

    /// Runs it on an empty store.
    pub(super) fn measure(self, bench: &Bench<'_>, scale: Scale) -> anyhow::Result<Sample> {
        let size = self.size(scale);
        let mut settings = size.settings();
        match self {
            Self::W5 => return killed_half_way(bench, &size, settings),
            Self::Nodes2 => return large::nodes(bench, 2, &size),
            Self::Nodes3 => return large::nodes(bench, 3, &size),
            Self::Filled => return large::filled(bench, scale, &size),
            Self::Parked => return large::parked(bench, size),
            Self::W2Payload => settings.push(("BENCH_PAYLOAD", "10240".to_owned())),
            Self::W1 | Self::W2 | Self::W2Wide | Self::W3 | Self::W3Wide | Self::W4 => {}
        }
        let scratch = bench.scratch()?;
        bench.drive(bench.engine, self.mode(), &scratch, &settings)
    }
}

impl Size {
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("BENCH_WF", self.runs.to_string()),
            ("BENCH_STEPS", self.steps.to_string()),
            ("BENCH_CONC", self.in_flight.to_string()),
        ]
    }
}

fn killed_half_way(
    bench: &Bench<'_>,
    size: &Size,
    mut settings: Vec<(&'static str, String)>,
) -> anyhow::Result<Sample> {
    let scratch = bench.scratch()?;
    let log = scratch.dir.path().join("steps.log");
    settings.push(("BENCH_STEPLOG", log.display().to_string()));
    let mut running = bench.start(bench.engine, "w5run", &scratch, &settings)?;
    let deadline = Instant::now() + Duration::from_mins(2);
    let half = usize::try_from(size.runs * size.steps / 2)?;
    while steps(&log).len() < half {
        anyhow::ensure!(running.child().try_wait()?.is_none(), "w5run ended before it was killed");
        anyhow::ensure!(Instant::now() < deadline, "w5run did not get half-way");
        shell::interrupted()?;
        thread::sleep(Duration::from_millis(2));
    }
    running.kill()?;
    let before = steps(&log);
    let begun: BTreeSet<_> = before.iter().map(|step| run_of(step)).collect();
    settings.push(("BENCH_EXPECT", begun.len().to_string()));
    let mut sample = bench.drive(bench.engine, "w5recover", &scratch, &settings)?;

    let after = steps(&log);
    let distinct: BTreeSet<_> = after.iter().collect();
    let runs: BTreeSet<_> = after.iter().map(|step| run_of(step)).collect();
    let count = |number: usize| u32::try_from(number).map(f64::from).context("too many steps");
    anyhow::ensure!(after.len() > before.len(), "all steps had run before the kill");
    let left = count(after.len().saturating_sub(before.len()))?;
    let boot = sample.get("boot_to_end_s").copied().context("w5recover was not measured")?;
    sample.insert("steps_at_kill".into(), count(before.len())?);
    sample.insert("steps_left".into(), left);
    sample.insert("steps_s".into(), left / boot);
    sample.insert("run_twice".into(), count(after.len() - distinct.len())?);
    let wanted = runs.len() * usize::try_from(size.steps)?;
    sample.insert("missing".into(), count(wanted.saturating_sub(distinct.len()))?);
    Ok(sample)
}

/// The lines of the step log, without those of the warm-up and one that is being written.
fn steps(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    whole.filter(|line| line.starts_with("wf-")).map(str::to_owned).collect()
}

fn run_of(step: &str) -> &str {
    step.split_once(' ').map_or(step, |(run, _)| run)
}
