//! A context whose calls are counted, and one of which goes wrong.

use std::{
    fmt,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Rig;
use crate::{
    model::{RunId, StepError, Timestamp},
    step::{
        AttemptInfo, Credential, CredentialSource, Fenced, Holding, Observation, StaticCredentials,
        StepContext, StepHost, SubtaskReport,
    },
};

/// How long an executor may take, and how long to stop: in whatever time its runtime has.
const LIMIT: Duration = Duration::from_hours(1);
const STOP: Duration = Duration::from_secs(30);

/// What happens at one call of the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    None,
    /// The process dies before the call is done.
    CrashBefore(u32),
    /// The process dies when the call is done.
    CrashAfter(u32),
    /// The node loses its right to act after the call before this one.
    Zombie(u32),
    /// The executor is told to stop before the call.
    Stop(u32),
}

/// How a trial of an executor ended.
#[derive(Debug)]
pub(super) enum End {
    Done,
    Failed(StepError),
    Crashed,
    Panicked,
    Late,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => write!(f, "it succeeds"),
            Self::Failed(error) => write!(f, "it fails: {error}"),
            Self::Crashed => write!(f, "it was killed"),
            Self::Panicked => write!(f, "it panics"),
            Self::Late => write!(f, "it does not end"),
        }
    }
}

/// What a crash unwinds with: destructors run, nothing else.
struct Crash;

/// The host of one attempt.
pub(super) struct Probe {
    disturbance: Disturbance,
    calls: AtomicU32,
    /// Whether the last call that was done was a check of the fence.
    fenced: AtomicBool,
    saved: Mutex<Option<Value>>,
    held: Mutex<Vec<Holding>>,
    credentials: StaticCredentials,
    stop: CancellationToken,
}

impl Probe {
    pub(super) fn new(rig: &Rig, disturbance: Disturbance) -> Arc<Self> {
        let stop = CancellationToken::new();
        if disturbance == Disturbance::Stop(0) {
            stop.cancel();
        }
        Arc::new(Self {
            disturbance,
            calls: AtomicU32::new(0),
            fenced: AtomicBool::new(false),
            saved: Mutex::default(),
            held: Mutex::default(),
            credentials: StaticCredentials(rig.credentials.iter().cloned().collect()),
            stop,
        })
    }

    /// How many calls were made.
    pub(super) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Whether the last call that was done was a check of the fence: a change may follow.
    pub(super) fn may_change(&self) -> bool {
        self.fenced.load(Ordering::SeqCst)
    }

    /// What was saved last.
    pub(super) fn saved(&self) -> Option<Value> {
        self.state().clone()
    }

    /// Whether the right to act is lost.
    fn is_zombie(&self, call: u32) -> bool {
        matches!(self.disturbance, Disturbance::Zombie(at) if call >= at)
    }

    fn state(&self) -> MutexGuard<'_, Option<Value>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> u32 {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if self.disturbance == Disturbance::CrashBefore(call) {
            resume_unwind(Box::new(Crash));
        }
        if self.disturbance == Disturbance::Stop(call) {
            self.stop.cancel();
        }
        self.fenced.store(false, Ordering::SeqCst);
        call
    }

    fn leave(&self, call: u32) {
        if self.disturbance == Disturbance::CrashAfter(call) {
            resume_unwind(Box::new(Crash));
        }
    }

    fn context(self: &Arc<Self>, saved: Option<Value>) -> StepContext {
        let info = AttemptInfo {
            run: RunId::from_parts(Timestamp::from_micros(0), 1),
            path: "conformance".to_owned(),
            attempt: 1,
            deadline: None,
            saved,
        };
        let host = Arc::clone(self) as Arc<dyn StepHost>;
        StepContext::new(Arc::new(info), host, self.stop.clone())
    }

    /// Performs the step with what was saved before.
    pub(super) async fn run(self: &Arc<Self>, rig: &Rig, saved: Option<Value>) -> End {
        let context = self.context(saved);
        let work = rig.executor.run(&context, rig.input.clone());
        let work = AssertUnwindSafe(work).catch_unwind();
        let stopped = async {
            self.stop.cancelled().await;
            tokio::time::sleep(STOP).await;
        };
        let ended = tokio::select! {
            biased;
            ended = work => ended,
            () = stopped => return End::Late,
            () = tokio::time::sleep(LIMIT) => return End::Late,
        };
        if !matches!(ended, Ok(Ok(_)))
            && let Err(error) = self.revoke(rig).await
        {
            return End::Failed(error);
        }
        match ended {
            Ok(Ok(_)) => End::Done,
            Ok(Err(error)) => End::Failed(error),
            Err(panic) if panic.is::<Crash>() => End::Crashed,
            Err(_) => End::Panicked,
        }
    }

    /// Takes away what the attempt held, as an engine does before anything else.
    async fn revoke(&self, rig: &Rig) -> Result<(), StepError> {
        let context = Self::new(rig, Disturbance::None).context(None);
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        for holding in held.iter().rev() {
            rig.executor.revoke(&context, rig.input.clone(), holding).await?;
        }
        Ok(())
    }

    /// Observes the target.
    pub(super) async fn observe(
        self: &Arc<Self>,
        rig: &Rig,
        saved: Option<Value>,
    ) -> Result<Observation, StepError> {
        rig.executor.observe(&self.context(saved), rig.input.clone()).await
    }
}

#[async_trait]
impl StepHost for Probe {
    async fn save(&self, _: &AttemptInfo, progress: Value) -> Result<(), StepError> {
        let call = self.enter();
        if self.is_zombie(call) {
            return Err(Fenced.into());
        }
        *self.state() = Some(progress);
        self.leave(call);
        Ok(())
    }

    async fn hold(&self, _: &AttemptInfo, holding: Holding) -> Result<(), StepError> {
        let call = self.enter();
        if self.is_zombie(call) {
            return Err(Fenced.into());
        }
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(holding);
        self.leave(call);
        Ok(())
    }

    async fn release(&self, _: &AttemptInfo, holding: &Holding) -> Result<(), StepError> {
        let call = self.enter();
        if self.is_zombie(call) {
            return Err(Fenced.into());
        }
        self.held.lock().unwrap_or_else(PoisonError::into_inner).retain(|it| it != holding);
        self.leave(call);
        Ok(())
    }

    fn report(&self, _: &AttemptInfo, _: SubtaskReport) {
        let call = self.enter();
        self.leave(call);
    }

    async fn credential(&self, name: &str) -> Result<Credential, StepError> {
        let call = self.enter();
        let found = self.credentials.credential(name).await;
        self.leave(call);
        found
    }

    fn fence(&self, _: &AttemptInfo) -> Result<(), Fenced> {
        let call = self.enter();
        if self.is_zombie(call) {
            return Err(Fenced);
        }
        self.fenced.store(true, Ordering::SeqCst);
        self.leave(call);
        Ok(())
    }
}
