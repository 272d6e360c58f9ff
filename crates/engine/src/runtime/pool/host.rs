//! A worker's side of a step context. What an attempt says goes to its run as mail, in one
//! transaction with a look at the lease.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use tokio::time::Instant;

use super::{lease::Grip, worker::Shop};
use crate::{
    machine::{Input, TaskRef},
    model::{StepError, shorten},
    runtime::{active::outgoing, host::not_revocable, payload, pulse::Pulse},
    step::{AttemptInfo, Credential, Fenced, Holding, StepHost, SubtaskReport},
    store::{Outgoing, StoreError, TaskLease},
};

/// How long to wait before the store is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// A worker's side of a step context.
pub(super) struct WorkerHost {
    pub(super) shop: Arc<Shop>,
    pub(super) lease: TaskLease,
    pub(super) grip: Grip,
    pub(super) task: TaskRef,
    /// Whether the executor declares that it can revoke; none: no attempt, so nothing is held.
    pub(super) may_hold: Option<bool>,
    pub(super) pulse: Pulse,
    last_report: Mutex<Option<String>>,
    /// What was reported and not sent yet.
    reports: Mutex<Vec<Outgoing>>,
    /// How many messages there were.
    sent: AtomicU64,
}

impl WorkerHost {
    pub(super) fn new(
        shop: Arc<Shop>,
        lease: TaskLease,
        grip: Grip,
        task: TaskRef,
        may_hold: Option<bool>,
        pulse: Pulse,
    ) -> Self {
        Self {
            shop,
            lease,
            grip,
            task,
            may_hold,
            pulse,
            last_report: Mutex::default(),
            reports: Mutex::default(),
            sent: AtomicU64::new(0),
        }
    }

    fn message(&self, input: &Input) -> Outgoing {
        let number = self.sent.fetch_add(1, Ordering::SeqCst);
        let key = format!("task {}.{} {number}", self.lease.id, self.lease.grip);
        outgoing(self.lease.run, &key, input)
    }

    fn take_reports(&self) -> Vec<Outgoing> {
        std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Extends the lease and sends what there is to say; whether the attempt is to stop. `Fenced`:
    /// the lease is lost.
    pub(super) async fn beat(&self, more: Option<&Input>) -> Result<bool, Fenced> {
        let mut messages = self.take_reports();
        messages.extend(more.map(|input| self.message(input)));
        while self.grip.lives() {
            let asked = Instant::now();
            let beat = self.shop.store.pools().beat_task(&self.lease, self.shop.ttl, &messages);
            match beat.await {
                Ok(Some(stop)) => {
                    self.grip.granted(asked);
                    if !messages.is_empty() {
                        self.shop.look(self.lease.run);
                    }
                    return Ok(stop);
                }
                Ok(None) => break,
                Err(error) => self.again("could not tell that a worker lives", &error).await,
            }
        }
        self.grip.lost();
        Err(Fenced)
    }

    /// Says how the call ended. Refused if the lease is lost: then the run was told that.
    pub(super) async fn finish(&self, said: &Input) {
        let mut messages = self.take_reports();
        messages.push(self.message(said));
        while self.grip.lives() {
            match self.shop.store.pools().finish_task(&self.lease, &messages).await {
                Ok(true) => return self.shop.look(self.lease.run),
                Ok(false) => break,
                Err(error) => self.again("could not tell the end of a call", &error).await,
            }
        }
        tracing::warn!(run = %self.lease.run, task = self.lease.id, "a result came too late");
    }

    async fn again(&self, what: &str, error: &StoreError) {
        tracing::warn!(run = %self.lease.run, %error, "{what}; trying again");
        tokio::time::sleep(AGAIN).await;
    }

    /// Has something recorded; returns when it is durable.
    async fn commit(&self, input: Input) -> Result<(), StepError> {
        let _sign = self.pulse.commit();
        Ok(self.beat(Some(&input)).await.map(drop)?)
    }

    pub(super) fn tell_report(&self, report: SubtaskReport) {
        let input = Input::Report { task: self.task, at: self.shop.clock.now(), report };
        let message = self.message(&input);
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(message);
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
impl StepHost for WorkerHost {
    async fn save(&self, info: &AttemptInfo, progress: Value) -> Result<(), StepError> {
        payload::kept("saved progress", &info.path, &progress, self.shop.max_payload)?;
        self.commit(Input::Save { task: self.task, attempt: info.attempt, progress }).await
    }

    async fn hold(&self, info: &AttemptInfo, holding: Holding) -> Result<(), StepError> {
        match self.may_hold {
            Some(true) => {}
            Some(false) => return Err(not_revocable(&holding)),
            None => return Err(Fenced.into()),
        }
        payload::kept("holding", &info.path, &holding, self.shop.max_payload)?;
        self.commit(Input::Hold { task: self.task, attempt: info.attempt, holding }).await
    }

    async fn release(&self, info: &AttemptInfo, holding: &Holding) -> Result<(), StepError> {
        let holding = holding.clone();
        self.commit(Input::Release { task: self.task, attempt: info.attempt, holding }).await
    }

    fn report(&self, _: &AttemptInfo, mut report: SubtaskReport) {
        self.pulse.beat();
        shorten(&mut report.title);
        *self.last_report.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(report.title.clone());
        self.tell_report(report);
    }

    fn heartbeat(&self, _: &AttemptInfo) {
        self.pulse.beat();
    }

    fn expect_silence(&self, _: &AttemptInfo, duration: Duration) {
        self.pulse.silence(duration);
    }

    async fn credential(&self, name: &str) -> Result<Credential, StepError> {
        self.shop.credentials.credential(name).await
    }

    fn fence(&self, _: &AttemptInfo) -> Result<(), Fenced> {
        if self.grip.allows() { Ok(()) } else { Err(Fenced) }
    }
}
