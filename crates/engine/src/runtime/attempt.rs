//! Attempts and observations: executors called on their own tasks, bounded, timed, fenced.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{task::AbortHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{host::Host, limits::Limits, message::Message, payload, pulse::Pulse, shared::Shared};
use crate::{
    machine::{Call, Input, TaskRef},
    model::{ErrorClass, RunId, StepError},
    step::{AttemptInfo, DynExecutor, Effect, Holding, StepContext, StepHost, SubtaskReport},
};

/// An attempt or observation under way on this node.
pub(super) struct Attempt {
    pub(super) task: TaskRef,
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
struct Stage(AtomicU8);

impl Stage {
    const WAITS: u8 = 0;
    const BEGUN: u8 = 1;
    const STOPPED: u8 = 2;
    const RECALLED: u8 = 3;

    /// From waiting to something else; whether it still waited.
    fn leave(&self, to: u8) -> bool {
        self.0.compare_exchange(Self::WAITS, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn is_recalled(&self) -> bool {
        self.0.load(Ordering::SeqCst) == Self::RECALLED
    }
}

/// What a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Run,
    Observe,
    Revoke(Vec<Holding>),
}

impl Purpose {
    /// What is said of a call that came to nothing.
    fn refused(&self, task: TaskRef, attempt: u32, error: StepError) -> Input {
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
    call: Call,
    purpose: Purpose,
) -> Attempt {
    let stop = CancellationToken::new();
    let executor = shared.registry.get(&call.uses).cloned();
    let uninterruptible = executor.as_ref().is_some_and(|it| it.describe().uninterruptible);
    let task = call.task;
    let stage = Arc::new(Stage::default());
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
    let handle = tokio::spawn(worker.work(executor));
    Attempt { task, stop, abort: handle.abort_handle(), uninterruptible, stage }
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
        let Self { shared, run, owned, life, stop, stage, call, purpose } = self;
        let from = Arc::clone(&owned);
        let (task, attempt) = (call.task, call.attempt);
        let permit = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            permit = shared.permits.acquire() => permit.ok(),
        };
        if permit.is_none() || !stage.leave(Stage::BEGUN) {
            let said = purpose.not_begun(&stage, task, attempt);
            return shared.tell(run, input(run, said, from));
        }
        let Some(executor) = executor else {
            let error = StepError::permanent(
                "engine.unknown_executor",
                format!("this node has no executor `{}`", call.uses),
            );
            return shared.tell(run, input(run, purpose.refused(task, attempt, error), from));
        };
        // While the lease can't be renewed nothing can be done: wait for it, or for its loss.
        while !shared.lease.allows(life) {
            if shared.lease.life() != life || stop.is_cancelled() {
                break;
            }
            tokio::time::sleep(LEASE).await;
        }
        let deadline = call.timeout.map(|timeout| Instant::now() + timeout);
        let runs = purpose == Purpose::Run;
        let may_hold = runs.then(|| executor.describe().revocable);
        // What only looks or revokes has the time of an attempt, and need give no signs.
        let pulse = Pulse::new(call.heartbeat.filter(|_| runs));
        let host = Host::new(Arc::clone(&shared), (owned, life), task, may_hold, pulse);
        let host = Arc::new(host);
        let info = AttemptInfo {
            run,
            path: call.path.clone(),
            attempt,
            deadline,
            saved: call.saved.as_deref().cloned(),
        };
        let info = Arc::new(info);
        let context = StepContext::new(
            Arc::clone(&info),
            Arc::clone(&host) as Arc<dyn StepHost>,
            stop.clone(),
        );
        let limits = Limits { deadline, stop, pulse: &host.pulse, call: &call, shared: &shared };
        let max = shared.config.max_payload;
        let message = match purpose {
            Purpose::Run => {
                let about = executor.describe();
                let work = executor.run(&context, call.input.clone());
                let late = |report| host.tell_report(&info, report);
                let patience = if about.uninterruptible { Some(late) } else { None };
                let result = limits.bound(work, about.effect, patience).await;
                let result = result.and_then(|output| payload::output(&call, output, max));
                let result = result.map_err(|error| host.name_subtask(error).within(max));
                match result {
                    // Nobody may say what became of it but the target itself.
                    Err(error) if error.code == FENCED => Input::AttemptLost { task, attempt },
                    result => Input::AttemptEnded { task, attempt, result },
                }
            }
            Purpose::Observe => {
                let work = executor.observe(&context, call.input.clone());
                let result = limits.bound(work, Effect::Read, None::<fn(SubtaskReport)>).await;
                let result = result.and_then(|seen| payload::seen(&call, seen, max));
                Input::Observed { task, result: result.map_err(|error| error.within(max)) }
            }
            Purpose::Revoke(held) => {
                let work = revoke(&*executor, &context, &call.input, held);
                let result =
                    limits.bound(work, Effect::Idempotent, None::<fn(SubtaskReport)>).await;
                Input::Revoked { task, result: result.map_err(|error| error.within(max)) }
            }
        };
        shared.tell(run, input(run, message, from));
    }
}

/// Revokes all that can be, the last holding first; tells the first that can't.
async fn revoke(
    executor: &dyn DynExecutor,
    context: &StepContext,
    input: &Value,
    held: Vec<Holding>,
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
