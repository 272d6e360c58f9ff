//! A handle on one run.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Client, EngineError, RunEvents, RunView};
use crate::{
    model::{RunId, RunStatus},
    runtime::{Message, Outcome},
};

/// How often the store is asked about a run that no node in this process carries on.
const POLL: Duration = Duration::from_millis(200);

/// A handle on one run.
pub struct RunHandle {
    client: Client,
    run: RunId,
    wait: Option<oneshot::Receiver<Outcome>>,
}

impl RunHandle {
    pub(super) fn new(
        client: Client,
        run: RunId,
        wait: Option<oneshot::Receiver<Outcome>>,
    ) -> Self {
        Self { client, run, wait }
    }

    /// The run's id.
    pub fn id(&self) -> RunId {
        self.run
    }

    /// Where the run is in its life.
    ///
    /// # Errors
    /// [`EngineError::UnknownRun`], or what the store says.
    pub async fn status(&self) -> Result<RunStatus, EngineError> {
        Ok(self.client.record(self.run).await?.status)
    }

    /// The run's state, folded from its journal.
    ///
    /// # Errors
    /// [`EngineError::UnknownRun`] or [`EngineError::Journal`].
    pub async fn view(&self) -> Result<RunView, EngineError> {
        self.client.view(self.run).await
    }

    /// Waits until the run has ended or itself waits for a person. A run whose child waits for one
    /// is still running.
    ///
    /// # Errors
    /// [`EngineError::UnknownRun`], [`EngineError::ShutDown`] if the engine shuts down before, or
    /// what the store says.
    pub async fn wait(mut self) -> Result<Outcome, EngineError> {
        if let Some(wait) = self.wait.take()
            && let Ok(outcome) = wait.await
        {
            return Ok(outcome);
        }
        loop {
            if let Some(node) = &self.client.node {
                let (reply, answer) = oneshot::channel();
                node.tell(self.run, Message::Wait { run: self.run, reply });
                if let Ok(outcome) = answer.await {
                    return Ok(outcome);
                }
                if node.is_shut_down() && !self.client.record(self.run).await?.status.is_ended() {
                    return Err(EngineError::ShutDown);
                }
            }
            let status = self.client.record(self.run).await?.status;
            if status.is_ended() || status == RunStatus::Attention {
                let outcome = self.client.outcome(self.run).await?;
                // One in quarantine waits for a person, whatever its journal says.
                let ended = outcome.status.is_ended();
                return Ok(if ended { outcome } else { Outcome { status, ..outcome } });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The run's events: what the journal holds, then what happens, until the run has ended.
    pub fn events(&self) -> RunEvents {
        RunEvents::new(self.client.clone(), self.run)
    }

    /// Asks the run to stop.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if it has ended.
    pub async fn cancel(&self, by: &str, reason: Option<&str>) -> Result<(), EngineError> {
        self.client.cancel(self.run, by, reason).await.map(drop)
    }
}
