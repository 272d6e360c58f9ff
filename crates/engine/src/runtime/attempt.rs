//! Attempts and observations: executors called on their own tasks, bounded, timed, fenced.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{sync::OwnedSemaphorePermit, task::AbortHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::{
    host::Host,
    limits::Limits,
    message::Message,
    payload,
    pulse::Pulse,
    shared::Shared,
    telemetry::{self, Attempting},
};
use crate::{
    machine::{Call, Input, TaskRef},
    model::{ErrorClass, RunId, StepError},
    step::{AttemptInfo, DynExecutor, Effect, Holding, StepContext, StepHost, SubtaskReport},
};

/// An attempt or observation under way on this node.
pub(super) struct Attempt {
    pub(super) stop: CancellationToken,
    pub(super) abort: AbortHandle,
    pub(super) uninterruptible: bool,
    stage: Arc<Stage>,
}

impl Attempt {
    /// Tells it to stop, unless it has begun and must not be interrupted.
    pub(super) fn stop(&self) {
        if self.stage.leave(Stage::STOPPED) || !self.uninterruptible {
            self.stop.cancel();
        }
    }

    /// Takes it back if it has not begun.
    pub(super) fn recall(&self) {
        if self.stage.leave(Stage::RECALLED) {
            self.stop.cancel();
        }
    }
}

/// Whether an attempt has begun: it waits for its turn first, and what waits can be taken back
/// without a trace at the target.
#[derive(Debug, Default)]
struct Stage {
    now: AtomicU8,
    /// Its place among the attempts under way, once it has one. Kept until its end is durable: this
    /// bounds what a crash makes anybody do again.
    place: OnceLock<OwnedSemaphorePermit>,
}

impl Stage {
    const WAITS: u8 = 0;
    const BEGUN: u8 = 1;
    const STOPPED: u8 = 2;
    const RECALLED: u8 = 3;

    /// From waiting to something else; whether it still waited.
    fn leave(&self, to: u8) -> bool {
        self.now.compare_exchange(Self::WAITS, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn is_recalled(&self) -> bool {
        self.now.load(Ordering::SeqCst) == Self::RECALLED
    }
}

/// What a call is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Purpose {
    Run,
    Observe,
    Revoke(Vec<Holding>),
}

impl Purpose {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Observe => "observe",
            Self::Revoke(_) => "revoke",
        }
    }

    /// What is said of a call that came to nothing.
    pub(super) fn refused(&self, task: TaskRef, attempt: u32, error: StepError) -> Input {
        match self {
            Self::Run => Input::AttemptEnded { task, attempt, result: Err(error) },
            Self::Observe => Input::Observed { task, result: Err(error) },
            Self::Revoke(_) => Input::Revoked { task, result: Err(error) },
        }
    }

    /// What is said of a call that was taken back, or told to stop, before it began.
    fn not_begun(&self, stage: &Stage, task: TaskRef, attempt: u32) -> Input {
        if *self == Self::Run && stage.is_recalled() {
            return Input::AttemptLost { task, attempt };
        }
        let told = "told to stop before it began";
        let error = StepError::new(StepError::NOT_BEGUN, ErrorClass::Cancelled, told);
        self.refused(task, attempt, error)
    }
}

/// Starts an attempt or an observation on a task of its own.
pub(super) fn spawn(
    shared: &Arc<Shared>,
    run: RunId,
    (owned, life): (Arc<AtomicBool>, u64),
    (call, purpose): (Call, Purpose),
    around: &Span,
) -> Attempt {
    let stop = CancellationToken::new();
    let executor = shared.registry.get(&call.uses).cloned();
    let uninterruptible = executor.as_ref().is_some_and(|it| it.describe().uninterruptible);
    let stage = Arc::new(Stage::default());
    if purpose == Purpose::Run && call.attempt > 1 {
        telemetry::retried(&call.uses);
    }
    let span = telemetry::attempt_span(around, purpose.as_str(), &call);
    let worker = Worker {
        shared: Arc::clone(shared),
        run,
        owned,
        life,
        stop: stop.clone(),
        stage: Arc::clone(&stage),
        call,
        purpose,
    };
    let handle = tokio::spawn(worker.work(executor).instrument(span));
    Attempt { stop, abort: handle.abort_handle(), uninterruptible, stage }
}

struct Worker {
    shared: Arc<Shared>,
    run: RunId,
    owned: Arc<AtomicBool>,
    life: u64,
    stop: CancellationToken,
    stage: Arc<Stage>,
    call: Call,
    purpose: Purpose,
}

impl Worker {
    async fn work(self, executor: Option<Arc<dyn DynExecutor>>) {
        let said = match (self.begin().await, executor) {
            (false, _) => self.purpose.not_begun(&self.stage, self.call.task, self.call.attempt),
            (true, None) => self.refused(StepError::permanent(
                "engine.unknown_executor",
                format!("this node has no executor `{}`", self.call.uses),
            )),
            (true, Some(executor)) => self.perform(&*executor).await,
        };
        self.shared.tell(self.run, input(self.run, said, self.owned));
    }

    /// Waits for a place among the attempts under way; false: told to stop, or taken back, before.
    async fn begin(&self) -> bool {
        let _waiting = telemetry::waiting();
        let permit = tokio::select! {
            biased;
            () = self.stop.cancelled() => return false,
            permit = Arc::clone(&self.shared.permits).acquire_owned() => permit,
        };
        // The semaphore is never closed, and the place is taken here only.
        let _ = permit.map(|permit| self.stage.place.set(permit));
        self.stage.leave(Stage::BEGUN)
    }

    fn refused(&self, error: StepError) -> Input {
        self.purpose.refused(self.call.task, self.call.attempt, error)
    }

    /// While the lease can't be renewed nothing can be done: wait for it, or for its loss.
    async fn lease(&self) {
        while !self.shared.lease.allows(self.life) {
            if self.shared.lease.life() != self.life || self.stop.is_cancelled() {
                break;
            }
            tokio::time::sleep(LEASE).await;
        }
    }

    async fn perform(&self, executor: &dyn DynExecutor) -> Input {
        let Self { shared, run, call, purpose, .. } = self;
        let (task, attempt) = (call.task, call.attempt);
        self.lease().await;
        let deadline = call.timeout.map(|timeout| Instant::now() + timeout);
        let runs = *purpose == Purpose::Run;
        let may_hold = runs.then(|| executor.describe().revocable);
        // What only looks or revokes has the time of an attempt, and need give no signs.
        let pulse = Pulse::new(call.heartbeat.filter(|_| runs));
        let owner = (Arc::clone(&self.owned), self.life);
        let host = Arc::new(Host::new(Arc::clone(shared), owner, task, may_hold, pulse));
        let info = Arc::new(AttemptInfo {
            run: *run,
            path: call.path.clone(),
            attempt,
            deadline,
            saved: call.saved.as_deref().cloned(),
        });
        let context = StepContext::new(
            Arc::clone(&info),
            Arc::clone(&host) as Arc<dyn StepHost>,
            self.stop.clone(),
        );
        let (stop, grace) = (self.stop.clone(), shared.config.stop_grace);
        let limits = Limits { deadline, stop, pulse: &host.pulse, call, grace };
        let late = |report| host.tell_report(&info, report);
        let named = |error| host.name_subtask(error);
        make(executor, &context, purpose, &limits, shared.config.max_payload, (late, named)).await
    }
}

/// Makes a call within its bounds, and says how it ended.
pub(super) async fn make(
    executor: &dyn DynExecutor,
    context: &StepContext,
    purpose: &Purpose,
    limits: &Limits<'_>,
    max: usize,
    (late, named): (impl FnOnce(SubtaskReport), impl FnOnce(StepError) -> StepError),
) -> Input {
    let call = limits.call;
    let (task, attempt) = (call.task, call.attempt);
    let counted = Attempting::new(&call.uses);
    match purpose {
        Purpose::Run => {
            let about = executor.describe();
            let work = executor.run(context, call.input.clone());
            let patience = if about.uninterruptible { Some(late) } else { None };
            let result = limits.bound(work, about.effect, patience).await;
            let result = result.and_then(|output| payload::output(call, output, max));
            let result = result.map_err(|error| named(error).within(max));
            counted.ended(result.as_ref().err());
            match result {
                // Nobody may say what became of it but the target itself.
                Err(error) if error.code == FENCED => Input::AttemptLost { task, attempt },
                result => Input::AttemptEnded { task, attempt, result },
            }
        }
        Purpose::Observe => {
            let work = executor.observe(context, call.input.clone());
            let result = limits.bound(work, Effect::Read, None::<fn(SubtaskReport)>).await;
            let result = result.and_then(|seen| payload::seen(call, seen, max));
            Input::Observed { task, result: result.map_err(|error| error.within(max)) }
        }
        Purpose::Revoke(held) => {
            let work = revoke(executor, context, &call.input, held);
            let result = limits.bound(work, Effect::Idempotent, None::<fn(SubtaskReport)>).await;
            Input::Revoked { task, result: result.map_err(|error| error.within(max)) }
        }
    }
}

/// Revokes all that can be, the last holding first; tells the first that can't.
async fn revoke(
    executor: &dyn DynExecutor,
    context: &StepContext,
    input: &Value,
    held: &[Holding],
) -> Result<(), StepError> {
    let mut result = Ok(());
    for holding in held.iter().rev() {
        let revoked = match context.fence() {
            Ok(()) => executor.revoke(context, input.clone(), holding).await,
            Err(fenced) => Err(fenced.into()),
        };
        result = result.and(revoked);
    }
    result
}

/// How often an attempt looks whether the lease is there again.
const LEASE: Duration = Duration::from_millis(20);

/// The code of [`Fenced`] as a step error.
const FENCED: &str = "engine.fenced";

pub(super) fn input(run: RunId, input: Input, from: Arc<AtomicBool>) -> Message {
    Message::Input { run, input, ack: None, from: Some(from) }
}
