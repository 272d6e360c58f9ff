//! The engine under load: W1 to W5.

use anyhow::bail;

use crate::contract::Settings;

/// A workload; its sizes come from [`Settings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// W1: one run of many steps in sequence; measures the latency from step to step.
    Sequence,
    /// W2: many runs, a fixed number in flight; measures throughput.
    Throughput,
    /// W3: one run whose steps are all parallel.
    FanOut,
    /// W4: starts one after the other; measures the time until the first step's body.
    Start,
    /// W5, first half: many runs in flight, until the process is killed.
    CrashRun,
    /// W5, second half: recovers and completes what the first half left.
    CrashRecover,
}

/// Runs a workload over the engine.
///
/// # Errors
/// Always, for now: the engine has no runtime yet that could be measured.
#[expect(clippy::unused_async, reason = "the workloads will await the engine")]
pub async fn run(workload: Workload, _: &Settings) -> anyhow::Result<()> {
    bail!("{workload:?}: the engine has no runtime yet, only the raw probes can be measured")
}
