//! What an attempt is given.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Credential, Holding};
use crate::model::{ErrorClass, RunId, StepError};

/// Which attempt this is.
#[derive(Clone, Debug)]
pub struct AttemptInfo {
    /// The run.
    pub run: RunId,
    /// The step's address in the run: `machines[3]/bios/push`.
    pub path: String,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// When the attempt runs out of time, by this process's monotonic clock.
    pub deadline: Option<Instant>,
    /// The progress that an earlier attempt, or an observation, left.
    pub saved: Option<Value>,
}

/// A sub-task that a step reports: what it is doing, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskReport {
    /// What is being done ("Exporting BIOS configuration").
    pub title: String,
    /// How far, in percent; absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
}

/// The node may not act on devices any more: its lease ran out, or another node owns the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this node has lost the right to act for the run")]
pub struct Fenced;

impl From<Fenced> for StepError {
    fn from(fenced: Fenced) -> Self {
        Self::new("engine.fenced", ErrorClass::Cancelled, fenced.to_string())
    }
}

/// What stands behind a context: the runtime, or a test.
#[async_trait]
pub trait StepHost: Send + Sync + 'static {
    /// Commits progress of an attempt to the journal; returns when it is durable.
    async fn save(&self, info: &AttemptInfo, progress: Value) -> Result<(), StepError>;
    /// Commits what an attempt holds on its target; returns when it is durable. Refused for an
    /// executor that does not declare that it can revoke.
    async fn hold(&self, info: &AttemptInfo, holding: Holding) -> Result<(), StepError>;
    /// Commits that an attempt gave a holding back.
    async fn release(&self, info: &AttemptInfo, holding: &Holding) -> Result<(), StepError>;
    /// Tells watchers at once and the journal soon.
    fn report(&self, info: &AttemptInfo, report: SubtaskReport);
    /// The attempt gives a sign of life.
    fn heartbeat(&self, _: &AttemptInfo) {}
    /// The attempt announces that it will give none for so long.
    fn expect_silence(&self, _: &AttemptInfo, _: Duration) {}
    /// Finds a credential by name.
    async fn credential(&self, name: &str) -> Result<Credential, StepError>;
    /// Whether this node may still act for the run.
    fn fence(&self, info: &AttemptInfo) -> Result<(), Fenced>;
}

/// What an attempt is given. Cheap to clone.
#[derive(Clone)]
pub struct StepContext {
    info: Arc<AttemptInfo>,
    host: Arc<dyn StepHost>,
    cancelled: CancellationToken,
}

impl StepContext {
    /// Puts a context together; executors are handed one.
    pub fn new(
        info: Arc<AttemptInfo>,
        host: Arc<dyn StepHost>,
        cancelled: CancellationToken,
    ) -> Self {
        Self { info, host, cancelled }
    }

    /// The run.
    pub fn run_id(&self) -> RunId {
        self.info.run
    }

    /// The step's address in the run.
    pub fn path(&self) -> &str {
        &self.info.path
    }

    /// The attempt's number, from 1.
    pub fn attempt(&self) -> u32 {
        self.info.attempt
    }

    /// A key that is the same for all attempts of this step of this run and no other: hand it to
    /// services that drop duplicates. 32 hexadecimal digits.
    pub fn idempotency_key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.info.run.0.as_bytes());
        hash.update(self.info.path.as_bytes());
        hex::encode(&hash.finalize()[..16])
    }

    /// Commits progress to the journal and returns when it is durable: what has to be known after
    /// a crash (the URI of a task that was just created) is saved before it is relied on.
    ///
    /// # Errors
    /// `engine.fenced` if the run belongs to another node by now; `engine.store` if the store
    /// can't be reached.
    pub async fn save<T: Serialize + ?Sized>(&self, progress: &T) -> Result<(), StepError> {
        let progress = serde_json::to_value(progress).map_err(|error| {
            StepError::permanent("engine.save", format!("the progress is not JSON: {error}"))
        })?;
        self.host.save(&self.info, progress).await
    }

    /// The progress that was saved last, by this step's earlier attempts or by an observation.
    pub fn saved(&self) -> Option<&Value> {
        self.info.saved.as_ref()
    }

    /// Commits to the journal what the attempt is about to act with on its target, and returns
    /// when it is durable. To be called after the session (the lock file, …) was made and before
    /// it is used for the first time: if this fails, it must not be used. Whoever takes the step
    /// over, or makes the next attempt, has it revoked first.
    ///
    /// `token` is what [`Executor::revoke`](super::Executor::revoke) needs; it is no secret.
    ///
    /// # Errors
    /// `engine.not_revocable` if the executor does not declare
    /// [`Describe::revocable`](super::Describe::revocable); `engine.fenced` if the attempt is not
    /// under way any more, and for a look at the target, which must not change anything.
    pub async fn hold(
        &self,
        kind: impl Into<String>,
        token: impl Into<Value>,
    ) -> Result<Holding, StepError> {
        let holding = Holding::new(kind, token);
        self.host.hold(&self.info, holding.clone()).await?;
        Ok(holding)
    }

    /// Commits that a holding was given back: it will not be revoked. To be called after it is
    /// gone from the target. What a successful attempt does not release counts as released with
    /// it; what a failed one does not is revoked.
    ///
    /// # Errors
    /// `engine.fenced` if the attempt is not under way any more.
    pub async fn release(&self, holding: &Holding) -> Result<(), StepError> {
        self.host.release(&self.info, holding).await
    }

    /// Reports what the step is doing. Live at once, in the journal soon; never waits.
    pub fn report(&self, title: impl Into<String>, percent: Option<u8>) {
        let report = SubtaskReport { title: title.into(), percent: percent.map(|p| p.min(100)) };
        self.host.report(&self.info, report);
    }

    /// Gives a sign of life, for steps with `timeout: { heartbeat: .. }`. Reports, saves and
    /// holdings are such signs too. Never waits.
    pub fn heartbeat(&self) {
        self.host.heartbeat(&self.info);
    }

    /// Announces that no sign of life is to be expected for so long: the target reboots. The
    /// time-out for heartbeats begins after that; any sign before does not shorten it, but another
    /// announcement does. [`Duration::ZERO`] takes it back.
    pub fn expect_silence(&self, duration: Duration) {
        self.host.expect_silence(&self.info, duration);
    }

    /// Ends when the attempt is told to stop (cancel, time-out, shutdown).
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Whether the attempt was told to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// The token behind [`StepContext::cancelled`], for code that hands it on.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// When the attempt runs out of time.
    pub fn deadline(&self) -> Option<Instant> {
        self.info.deadline
    }

    /// How much time is left; `None` without a time-out.
    pub fn remaining(&self) -> Option<Duration> {
        self.info.deadline.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Waits, unless told to stop first.
    ///
    /// # Errors
    /// `engine.cancelled` when told to stop.
    pub async fn sleep(&self, duration: Duration) -> Result<(), StepError> {
        tokio::select! {
            biased;
            () = tokio::time::sleep(duration) => Ok(()),
            () = self.cancelled.cancelled() => Err(StepError::new(
                "engine.cancelled",
                ErrorClass::Cancelled,
                "the attempt was told to stop",
            )),
        }
    }

    /// Finds a credential by name.
    ///
    /// # Errors
    /// `engine.unknown_credential`, or what the source says.
    pub async fn credential(&self, name: &str) -> Result<Credential, StepError> {
        self.host.credential(name).await
    }

    /// To be checked before every request that changes a device: fails once this node has lost
    /// the right to act for the run.
    ///
    /// A gap remains between the check and the request: a process stopped between the two may be
    /// woken long after another has taken the run over. It is closed where the target has
    /// something to revoke: see [`StepContext::hold`].
    ///
    /// # Errors
    /// [`Fenced`], which converts into a [`StepError`].
    pub fn fence(&self) -> Result<(), Fenced> {
        self.host.fence(&self.info)
    }
}

impl std::fmt::Debug for StepContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepContext").field("info", &self.info).finish_non_exhaustive()
    }
}
