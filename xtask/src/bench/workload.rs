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
    driver::{Bench, Sample},
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
    fn of(self, full: u32) -> u32 {
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
    /// One run of 1,000 parallel steps
    W3,
    /// 200 starts, one after the other
    W4,
    /// 1,000 runs of 10 steps, killed half-way and recovered
    W5,
}

/// The sizes of a workload.
struct Size {
    runs: u32,
    steps: u32,
    in_flight: u32,
}

impl Workload {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::W1 => "w1",
            Self::W2 => "w2",
            Self::W3 => "w3",
            Self::W4 => "w4",
            Self::W5 => "w5",
        }
    }

    fn size(self, scale: Scale) -> Size {
        let (runs, steps, in_flight) = match self {
            Self::W1 | Self::W3 => (1, scale.of(1000), 1),
            Self::W2 => (scale.of(2000), 10, 64),
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
            Self::W2 | Self::W3 | Self::W5 => Probe::Single8,
        }
    }

    /// Runs it on an empty store.
    pub(super) fn measure(self, bench: &Bench<'_>, scale: Scale) -> anyhow::Result<Sample> {
        let size = self.size(scale);
        let settings = [
            ("BENCH_WF", size.runs.to_string()),
            ("BENCH_STEPS", size.steps.to_string()),
            ("BENCH_CONC", size.in_flight.to_string()),
        ];
        if self == Self::W5 {
            return killed_half_way(bench, &size, settings.to_vec());
        }
        let scratch = bench.scratch()?;
        bench.drive(bench.engine, self.name(), &scratch, &settings)
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
