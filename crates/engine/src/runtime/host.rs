//! The engine's side of a step context.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::oneshot;

use super::{
    attempt::input,
    message::Message,
    payload,
    pulse::Pulse,
    shared::{Live, Shared},
};
use crate::{
    machine::{Input, TaskRef},
    model::{StepError, shorten},
    step::{AttemptInfo, Credential, Fenced, Holding, StepHost, SubtaskReport},
};

/// The engine's side of a step context.
pub(super) struct Host {
    shared: Arc<Shared>,
    owned: Arc<AtomicBool>,
    life: u64,
    task: TaskRef,
    /// Whether the executor declares that it can revoke; none: no attempt, so nothing is held.
    may_hold: Option<bool>,
    pub(super) pulse: Pulse,
    last_report: Mutex<Option<String>>,
}

impl Host {
    pub(super) fn new(
        shared: Arc<Shared>,
        (owned, life): (Arc<AtomicBool>, u64),
        task: TaskRef,
        may_hold: Option<bool>,
        pulse: Pulse,
    ) -> Self {
        Self { shared, owned, life, task, may_hold, pulse, last_report: Mutex::new(None) }
    }

    /// Commits an input of this attempt; returns when it is durable.
    async fn commit(&self, info: &AttemptInfo, input: Input) -> Result<(), StepError> {
        let _sign = self.pulse.commit();
        let (ack, committed) = oneshot::channel();
        let from = Some(Arc::clone(&self.owned));
        self.shared.tell(info.run, Message::Input { run: info.run, input, ack: Some(ack), from });
        // A dropped sender means that the run was lost before the commit.
        committed.await.unwrap_or_else(|_| Err(Fenced.into()))
    }

    /// Tells those who follow the run, and its journal.
    pub(super) fn tell_report(&self, info: &AttemptInfo, report: SubtaskReport) {
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
    pub(super) fn name_subtask(&self, mut error: StepError) -> StepError {
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
        payload::kept("saved progress", &info.path, &progress, self.shared.config.max_payload)?;
        let input = Input::Save { task: self.task, attempt: info.attempt, progress };
        self.commit(info, input).await
    }

    async fn hold(&self, info: &AttemptInfo, holding: Holding) -> Result<(), StepError> {
        match self.may_hold {
            Some(true) => {}
            Some(false) => return Err(not_revocable(&holding)),
            None => return Err(Fenced.into()),
        }
        payload::kept("holding", &info.path, &holding, self.shared.config.max_payload)?;
        let input = Input::Hold { task: self.task, attempt: info.attempt, holding };
        self.commit(info, input).await
    }

    async fn release(&self, info: &AttemptInfo, holding: &Holding) -> Result<(), StepError> {
        let holding = holding.clone();
        let input = Input::Release { task: self.task, attempt: info.attempt, holding };
        self.commit(info, input).await
    }

    fn report(&self, info: &AttemptInfo, mut report: SubtaskReport) {
        self.pulse.beat();
        shorten(&mut report.title);
        *self.last_report.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(report.title.clone());
        self.tell_report(info, report);
    }

    fn heartbeat(&self, _: &AttemptInfo) {
        self.pulse.beat();
    }

    fn expect_silence(&self, _: &AttemptInfo, duration: Duration) {
        self.pulse.silence(duration);
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

/// Who can't take it away must not begin to use it.
pub(super) fn not_revocable(holding: &Holding) -> StepError {
    let message = format!("an executor that can't revoke `{holding}` must not hold it");
    StepError::permanent("engine.not_revocable", message)
        .hint("declare `Describe::revocable()` and implement `Executor::revoke`")
}
