//! What a node tells of itself: tracing spans of runs, steps and attempts, and metrics.
//!
//! Metrics go through the `metrics` facade: without a recorder they cost next to nothing. Their
//! names follow the conventions of Prometheus (base units, `_total` for counters); [`METRICS`] is
//! the list of them. Spans are on the level INFO, under the target `rackwright`.

use std::time::Duration;

use metrics::{Unit, counter, gauge, histogram};
use tokio::time::Instant;
use tracing::{Span, info_span};

use crate::{
    machine::{Call, Created, Phase},
    model::{RunStatus, StepError},
};

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution.
    Histogram,
}

/// A metric of the engine.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// Its unit.
    pub unit: Unit,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

const RUNS_STARTED: &str = "rackwright_runs_started_total";
const RUNS_ENDED: &str = "rackwright_runs_ended_total";
const RUNS_ACTIVE: &str = "rackwright_runs_active";
const RUNS_CLAIMED: &str = "rackwright_runs_claimed_total";
const RUNS_TAKEN_OVER: &str = "rackwright_runs_taken_over_total";
const CLAIM_SECONDS: &str = "rackwright_claim_seconds";
const CLAIM_LATENESS: &str = "rackwright_claim_lateness_seconds";
const ATTEMPTS_WAITING: &str = "rackwright_attempts_waiting";
const ATTEMPTS_ACTIVE: &str = "rackwright_attempts_active";
const ATTEMPT_SECONDS: &str = "rackwright_attempt_seconds";
const STEP_SECONDS: &str = "rackwright_step_seconds";
const RETRIES: &str = "rackwright_retries_total";
const COMMIT_SECONDS: &str = "rackwright_commit_seconds";
const COMMIT_RUNS: &str = "rackwright_commit_runs";
const COMMIT_RETRIES: &str = "rackwright_commit_retries_total";
const RENEWALS_FAILED: &str = "rackwright_lease_renewals_failed_total";
const LEASES_LOST: &str = "rackwright_leases_lost_total";

const fn metric(
    name: &'static str,
    kind: MetricKind,
    unit: Unit,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind, unit, labels, help }
}

/// All metrics of the engine.
pub const METRICS: &[Metric] = {
    use MetricKind::{Counter, Gauge, Histogram};
    use Unit::{Count, Seconds};
    &[
        metric(RUNS_STARTED, Counter, Count, &["workflow"], "runs created by this node"),
        metric(RUNS_ENDED, Counter, Count, &["workflow", "status"], "runs that ended here"),
        metric(RUNS_ACTIVE, Gauge, Count, &[], "runs in this node's memory"),
        metric(
            RUNS_CLAIMED,
            Counter,
            Count,
            &[],
            "runs taken from the store: due, or left by others",
        ),
        metric(RUNS_TAKEN_OVER, Counter, Count, &[], "those of them that a dead node left"),
        metric(CLAIM_SECONDS, Histogram, Seconds, &[], "how long the store took to give out runs"),
        metric(
            CLAIM_LATENESS,
            Histogram,
            Seconds,
            &[],
            "how long after its time a due run was taken",
        ),
        metric(ATTEMPTS_WAITING, Gauge, Count, &[], "attempts that wait for a place (queue depth)"),
        metric(ATTEMPTS_ACTIVE, Gauge, Count, &["executor"], "attempts and observations under way"),
        metric(
            ATTEMPT_SECONDS,
            Histogram,
            Seconds,
            &["executor", "outcome"],
            "how long attempts took",
        ),
        metric(
            STEP_SECONDS,
            Histogram,
            Seconds,
            &["executor", "outcome"],
            "how long steps took, with their retries",
        ),
        metric(RETRIES, Counter, Count, &["executor"], "attempts after the first one"),
        metric(COMMIT_SECONDS, Histogram, Seconds, &[], "how long a group commit took"),
        metric(COMMIT_RUNS, Histogram, Count, &[], "how many runs shared a group commit"),
        metric(
            COMMIT_RETRIES,
            Counter,
            Count,
            &[],
            "group commits made again for the store's sake",
        ),
        metric(
            RENEWALS_FAILED,
            Counter,
            Count,
            &[],
            "renewals of the lease that did not come through",
        ),
        metric(LEASES_LOST, Counter, Count, &[], "how often this node lost its lease"),
    ]
};

/// Tells a recorder what the engine's metrics mean. Call it once, after a recorder is installed.
pub fn describe_metrics() {
    for it in METRICS {
        match it.kind {
            MetricKind::Counter => metrics::describe_counter!(it.name, it.unit, it.help),
            MetricKind::Gauge => metrics::describe_gauge!(it.name, it.unit, it.help),
            MetricKind::Histogram => metrics::describe_histogram!(it.name, it.unit, it.help),
        }
    }
}

/// The time of a run in this node's memory.
pub(super) fn run_span(created: &Created) -> Span {
    let Created { run, root, workflow, .. } = created;
    info_span!(target: "rackwright", parent: None, "run", %run, %root, workflow)
}

/// A step while it is tried, observed and tried again on this node.
pub(super) struct StepSpan {
    pub(super) span: Span,
    executor: String,
    began: Instant,
}

impl StepSpan {
    pub(super) fn new(run: &Span, call: &Call) -> Self {
        let Call { path, uses, .. } = call;
        let span = info_span!(target: "rackwright", parent: run, "step", path, executor = uses);
        Self { span, executor: uses.clone(), began: Instant::now() }
    }

    /// Its end, if the phase is one.
    pub(super) fn ends(&self, phase: &Phase) -> bool {
        let outcome = match phase {
            Phase::Completed => "completed",
            Phase::Failed => "failed",
            Phase::Cancelled => "cancelled",
            Phase::Attention(_) => "attention",
            Phase::Pending
            | Phase::Running
            | Phase::Interrupted
            | Phase::Revoking
            | Phase::RevokeRetrying(_)
            | Phase::Observing
            | Phase::ObserveRetrying(_)
            | Phase::Retrying(_)
            | Phase::Cleared
            | Phase::Skipped(_) => return false,
        };
        let executor = self.executor.clone();
        let seconds = histogram!(STEP_SECONDS, "executor" => executor, "outcome" => outcome);
        seconds.record(self.began.elapsed());
        true
    }
}

/// One attempt, observation or revocation.
pub(super) fn attempt_span(step: &Span, purpose: &'static str, call: &Call) -> Span {
    let Call { attempt, .. } = call;
    info_span!(target: "rackwright", parent: step, "attempt", purpose, attempt)
}

/// Adds one to a gauge for as long as it lives.
pub(super) struct Counted(metrics::Gauge);

impl Counted {
    fn new(gauge: metrics::Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// An attempt that waits for a place.
pub(super) fn waiting() -> Counted {
    Counted::new(gauge!(ATTEMPTS_WAITING))
}

/// An attempt that is under way.
pub(super) struct Attempting {
    executor: String,
    began: Instant,
    _active: Counted,
}

impl Attempting {
    pub(super) fn new(executor: &str) -> Self {
        let executor = executor.to_owned();
        let active = Counted::new(gauge!(ATTEMPTS_ACTIVE, "executor" => executor.clone()));
        Self { executor, began: Instant::now(), _active: active }
    }

    /// Its end.
    pub(super) fn ended(self, error: Option<&StepError>) {
        let outcome = error.map_or("ok", |error| error.class.as_str());
        let seconds =
            histogram!(ATTEMPT_SECONDS, "executor" => self.executor, "outcome" => outcome);
        seconds.record(self.began.elapsed());
    }
}

pub(super) fn retried(executor: &str) {
    counter!(RETRIES, "executor" => executor.to_owned()).increment(1);
}

pub(super) fn run_started(workflow: &str) {
    counter!(RUNS_STARTED, "workflow" => workflow.to_owned()).increment(1);
}

pub(super) fn run_ended(workflow: &str, status: RunStatus) {
    let (workflow, status) = (workflow.to_owned(), status.as_str());
    counter!(RUNS_ENDED, "workflow" => workflow, "status" => status).increment(1);
}

pub(super) fn active(runs: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    gauge!(RUNS_ACTIVE).set(runs as f64);
}

pub(super) fn claimed(taken: Duration, runs: usize, from_the_dead: usize) {
    histogram!(CLAIM_SECONDS).record(taken);
    counter!(RUNS_CLAIMED).increment(runs as u64);
    counter!(RUNS_TAKEN_OVER).increment(from_the_dead as u64);
}

pub(super) fn due_run_taken(late: Duration) {
    histogram!(CLAIM_LATENESS).record(late);
}

pub(super) fn committed(taken: Duration, runs: usize) {
    histogram!(COMMIT_SECONDS).record(taken);
    #[expect(clippy::cast_precision_loss, reason = "a batch is far from 2^52")]
    histogram!(COMMIT_RUNS).record(runs as f64);
}

pub(super) fn commit_retried() {
    counter!(COMMIT_RETRIES).increment(1);
}

pub(super) fn renewal_failed() {
    counter!(RENEWALS_FAILED).increment(1);
}

pub(super) fn lease_lost() {
    counter!(LEASES_LOST).increment(1);
}
