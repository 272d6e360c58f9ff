//! Attempts and observations: executors called on their own tasks, bounded, timed, fenced.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    active::Attempt,
    message::Message,
    shared::{Live, Shared},
};
use crate::{
    machine::{Call, Input, TaskRef},
    model::{ErrorClass, HumanDuration, RunId, StepError},
    step::{
        AttemptInfo, Credential, DynExecutor, Effect, Fenced, StepContext, StepHost, SubtaskReport,
    },
};

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Run,
    Observe,
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
    let worker =
        Worker { shared: Arc::clone(shared), run, owned, life, stop: stop.clone(), call, purpose };
    let handle = tokio::spawn(worker.work(executor));
    Attempt { task, stop, abort: handle.abort_handle(), uninterruptible }
}

struct Worker {
    shared: Arc<Shared>,
    run: RunId,
    owned: Arc<AtomicBool>,
    life: u64,
    stop: CancellationToken,
    call: Call,
    purpose: Purpose,
}

impl Worker {
    async fn work(self, executor: Option<Arc<dyn DynExecutor>>) {
        let Self { shared, run, owned, life, stop, call, purpose } = self;
        let from = Arc::clone(&owned);
        let (task, attempt) = (call.task, call.attempt);
        let _permit = tokio::select! {
            biased;
            () = stop.cancelled() => {
                // Told to stop before it began: it did nothing.
                let error = StepError::new(
                    StepError::NOT_BEGUN, ErrorClass::Cancelled, "told to stop before it began",
                );
                let result = Err(error);
                return shared.tell(run, input(run, Input::AttemptEnded { task, attempt, result }, from));
            }
            permit = shared.permits.acquire() => permit,
        };
        let Some(executor) = executor else {
            let error = StepError::permanent(
                "engine.unknown_executor",
                format!("this node has no executor `{}`", call.uses),
            );
            let result = Err(error);
            shared.tell(run, input(run, Input::AttemptEnded { task, attempt, result }, from));
            return;
        };
        // While the lease can't be renewed nothing can be done: wait for it, or for its loss.
        while !shared.lease.allows(life) {
            if shared.lease.life() != life || stop.is_cancelled() {
                break;
            }
            tokio::time::sleep(LEASE).await;
        }
        let deadline = call.timeout.map(|timeout| Instant::now() + timeout);
        let host = Arc::new(Host {
            shared: Arc::clone(&shared),
            owned,
            life,
            task,
            last_report: Mutex::new(None),
        });
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
        let limits = Limits { deadline, stop, call: &call, shared: &shared };
        let message = match purpose {
            Purpose::Run => {
                let about = executor.describe();
                let work = executor.run(&context, call.input.clone());
                let late = || host.tell_report(&info, limits.over_time());
                let patience = if about.uninterruptible { Some(late) } else { None };
                let result = limits.bound(work, about.effect, patience).await;
                let result = result.map_err(|error| host.name_subtask(error));
                match result {
                    // Nobody may say what became of it but the target itself.
                    Err(error) if error.code == FENCED => Input::AttemptLost { task, attempt },
                    result => Input::AttemptEnded { task, attempt, result },
                }
            }
            Purpose::Observe => {
                let work = executor.observe(&context, call.input.clone());
                let result = limits.bound(work, Effect::Read, None::<fn()>).await;
                Input::Observed { task, result }
            }
        };
        shared.tell(run, input(run, message, from));
    }
}

/// How often an attempt looks whether the lease is there again.
const LEASE: Duration = Duration::from_millis(20);

/// The code of [`Fenced`] as a step error.
const FENCED: &str = "engine.fenced";

fn input(run: RunId, input: Input, from: Arc<AtomicBool>) -> Message {
    Message::Input { run, input, ack: None, from: Some(from) }
}

/// The bounds of a call.
struct Limits<'a> {
    deadline: Option<Instant>,
    stop: CancellationToken,
    call: &'a Call,
    shared: &'a Shared,
}

impl Limits<'_> {
    /// Awaits a call within its time. When the time is over, or it is told to stop, it gets a
    /// moment to end by itself. What must not be interrupted is told, and waited for: then
    /// `patience` is called when its time is over.
    async fn bound<T>(
        &self,
        work: impl Future<Output = Result<T, StepError>> + Send,
        effect: Effect,
        patience: Option<impl FnOnce()>,
    ) -> Result<T, StepError> {
        let work = AssertUnwindSafe(work).catch_unwind();
        tokio::pin!(work);
        let timed_out = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let late = tokio::select! {
            biased;
            result = &mut work => return result.unwrap_or_else(|panic| Err(self.panicked(&*panic, effect))),
            () = timed_out => true,
            () = self.stop.cancelled() => false,
        };
        self.stop.cancel();
        let ended = match patience {
            Some(late) => {
                late();
                Ok(work.await)
            }
            None => tokio::time::timeout(self.shared.config.stop_grace, &mut work).await,
        };
        match ended {
            Ok(Ok(Ok(done))) => Ok(done),
            Ok(Ok(Err(error))) if late && error.class == ErrorClass::Cancelled => {
                Err(self.too_late())
            }
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(panic)) => Err(self.panicked(&*panic, effect)),
            Err(_) if late => Err(self.too_late()),
            Err(_) => Err(self.broken_off(effect)),
        }
    }

    /// What is said of an attempt that is over its time and goes on.
    fn over_time(&self) -> SubtaskReport {
        let timeout = HumanDuration(self.call.timeout.unwrap_or_default());
        let title =
            format!("over its time of {timeout}; it must not be interrupted: waiting for it");
        SubtaskReport { title, percent: None }
    }

    fn too_late(&self) -> StepError {
        let timeout = HumanDuration(self.call.timeout.unwrap_or_default());
        StepError::new(
            "engine.timeout",
            ErrorClass::Timeout,
            format!("{} did not end within {timeout}", self.call.uses),
        )
        .hint("raise the step's `timeout`, or look why its target is slow")
    }

    /// It ignored being told to stop: nobody knows what it did to its target.
    fn broken_off(&self, effect: Effect) -> StepError {
        let class = match effect {
            Effect::Verify => ErrorClass::UnknownOutcome,
            Effect::Read | Effect::Idempotent => ErrorClass::Cancelled,
        };
        StepError::new(
            "engine.broken_off",
            class,
            format!("{} was told to stop, did not, and was broken off", self.call.uses),
        )
    }

    fn panicked(&self, panic: &(dyn std::any::Any + Send), effect: Effect) -> StepError {
        let said = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let class = match effect {
            Effect::Verify => ErrorClass::UnknownOutcome,
            Effect::Read | Effect::Idempotent => ErrorClass::Permanent,
        };
        StepError::new("engine.panic", class, format!("{} panicked: {said}", self.call.uses))
            .hint("this is a defect of the executor")
            .details(json!({ "executor": self.call.uses }))
    }
}

/// The engine's side of a step context.
struct Host {
    shared: Arc<Shared>,
    owned: Arc<AtomicBool>,
    life: u64,
    task: TaskRef,
    last_report: Mutex<Option<String>>,
}

impl Host {
    /// Tells those who follow the run, and its journal.
    fn tell_report(&self, info: &AttemptInfo, report: SubtaskReport) {
        let at = self.shared.clock.now();
        self.shared.publish(|| Live::Report {
            run: info.run,
            path: info.path.clone(),
            attempt: info.attempt,
            at,
            report: report.clone(),
        });
        let report = Input::Report { task: self.task, at, report };
        self.shared.tell(info.run, input(info.run, report, Arc::clone(&self.owned)));
    }

    /// Adds the sub-task that was under way to an error that names none.
    fn name_subtask(&self, mut error: StepError) -> StepError {
        if error.subtask.is_none() {
            let last = self.last_report.lock().unwrap_or_else(PoisonError::into_inner);
            error.subtask.clone_from(&last);
        }
        error
    }
}

#[async_trait]
impl StepHost for Host {
    async fn save(&self, info: &AttemptInfo, progress: Value) -> Result<(), StepError> {
        let (ack, committed) = oneshot::channel();
        let input = Input::Save { task: self.task, attempt: info.attempt, progress };
        let from = Some(Arc::clone(&self.owned));
        self.shared.tell(info.run, Message::Input { run: info.run, input, ack: Some(ack), from });
        // A dropped sender means that the run was lost before the commit.
        committed.await.unwrap_or_else(|_| Err(Fenced.into()))
    }

    fn report(&self, info: &AttemptInfo, report: SubtaskReport) {
        *self.last_report.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(report.title.clone());
        self.tell_report(info, report);
    }

    async fn credential(&self, name: &str) -> Result<Credential, StepError> {
        self.shared.credentials.credential(name).await
    }

    fn fence(&self, _: &AttemptInfo) -> Result<(), Fenced> {
        if self.owned.load(Ordering::SeqCst) && self.shared.lease.allows(self.life) {
            Ok(())
        } else {
            Err(Fenced)
        }
    }
}
