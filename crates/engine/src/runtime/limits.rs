//! The bounds of a call: its time, being told to stop, panics.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pulse::Pulse;
use crate::{
    machine::Call,
    model::{ErrorClass, HumanDuration, StepError},
    step::{Effect, SubtaskReport},
};

/// The code of an attempt that was silent for too long.
const HEARTBEAT: &str = "engine.heartbeat";

/// The bounds of a call.
pub(super) struct Limits<'a> {
    pub(super) deadline: Option<Instant>,
    pub(super) stop: CancellationToken,
    pub(super) pulse: &'a Pulse,
    pub(super) call: &'a Call,
    /// How long it may take to stop.
    pub(super) grace: Duration,
}

impl Limits<'_> {
    /// Awaits a call within its time. When the time is over, or it is told to stop, it gets a
    /// moment to end by itself. What must not be interrupted is told, and waited for: then
    /// `patience` is called with what is to be said of it.
    pub(super) async fn bound<T>(
        &self,
        work: impl Future<Output = Result<T, StepError>> + Send,
        effect: Effect,
        patience: Option<impl FnOnce(SubtaskReport)>,
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
            () = timed_out => Some(self.too_late()),
            silence = self.pulse.stopped() => Some(self.too_silent(silence)),
            () = self.stop.cancelled() => None,
        };
        self.stop.cancel();
        let ended = match patience {
            Some(patience) => {
                patience(self.waiting(late.as_ref()));
                Ok(work.await)
            }
            None => tokio::time::timeout(self.grace, &mut work).await,
        };
        match ended {
            Ok(Ok(Ok(done))) => Ok(done),
            Ok(Ok(Err(error))) if error.class == ErrorClass::Cancelled => {
                Err(late.unwrap_or(error))
            }
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(panic)) => Err(self.panicked(&*panic, effect)),
            Err(_) => Err(late.unwrap_or_else(|| self.broken_off(effect))),
        }
    }

    /// What is said of an attempt that was told to stop, must not be interrupted and goes on.
    fn waiting(&self, late: Option<&StepError>) -> SubtaskReport {
        let why = match late {
            Some(late) if late.code == HEARTBEAT => "it gives no sign of life".to_owned(),
            Some(_) | None => {
                let timeout = HumanDuration(self.call.timeout.unwrap_or_default());
                format!("over its time of {timeout}")
            }
        };
        let title = format!("{why}; it must not be interrupted: waiting for it");
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

    fn too_silent(&self, silence: Duration) -> StepError {
        let silence = HumanDuration(silence);
        StepError::new(
            HEARTBEAT,
            ErrorClass::Timeout,
            format!("{} gave no sign of life for {silence}", self.call.uses),
        )
        .hint("raise `timeout.heartbeat`, or have the executor announce its silences")
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
