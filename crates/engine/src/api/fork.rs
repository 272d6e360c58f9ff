//! New runs that go on from old ones.

use std::sync::Arc;

use serde_json::Value;

use super::{Client, EngineError};
use crate::{
    graph::validate_input,
    machine::{Created, Event, Forked, Order, fork},
    model::{RunId, RunStatus, Workflow},
    runtime::{Config, encode_journal},
    store::{Append, AppendOutcome, NewRun},
};

/// What a new run is to do that goes on from an old one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForkRequest {
    /// The path of the step to go on from; none: from what failed or was cancelled.
    pub from: Option<String>,
    /// Another input; none: that of the old run. Results of steps that are not performed again stay
    /// what they are. Approvals are asked for again.
    pub input: Option<Value>,
    /// Who asks for it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// A new run that goes on from an old one.
#[derive(Clone, Debug, PartialEq)]
pub struct ForkedRun {
    /// The new run.
    pub run: RunId,
    /// What it starts with.
    pub forked: Forked,
}

impl Client {
    /// Starts a new run of the same version that goes on from a run that has ended: what comes
    /// before the step keeps its results, the step and what comes after it is performed. What was
    /// taken back when the old run ended (by a cleanup or an undo) is performed again too, which may
    /// move the beginning; [`Forked::from`] tells. The run belongs to nobody at first: the next node
    /// that looks for work takes it.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if the run has not ended, is a child run, or has no such step;
    /// [`EngineError::Input`] for an input that does not fit; or what the store says.
    pub async fn fork(&self, run: RunId, request: ForkRequest) -> Result<ForkedRun, EngineError> {
        let view = self.view(run).await?;
        let ForkRequest { from, input, by, reason } = request;
        let asks_again = input.is_some();
        let forked =
            fork(view.plan(), view.state(), from.as_deref(), Order { by, reason }, asks_again)
                .map_err(|why| EngineError::Refused(format!("run {run}: {why}")))?;
        let old = &view.state().created;
        let input = match input {
            Some(input) => Arc::new(self.checked(old, input).await?),
            None => Arc::clone(&old.input),
        };
        let at = self.store.now().await?;
        let id = RunId::from_parts(at, rand::random());
        let created = Created {
            run: id,
            root: id,
            input,
            held: Vec::new(),
            forked_from: Some(Box::new(forked.clone())),
            ..(**old).clone()
        };
        let new = NewRun {
            workflow: created.workflow.clone(),
            version: created.version,
            idempotency_key: None,
            parent: None,
            root: id,
            labels: created.labels.clone(),
            requires: created.requires.clone(),
            status: RunStatus::Running,
            owner: None,
        };
        let large = Config::default().large_value;
        let (events, blobs) = encode_journal(&[Event::Created(Box::new(created))], large);
        let append = Append {
            run: id,
            seq: 0,
            epoch: 0,
            at,
            events,
            blobs,
            create: Some(Box::new(new)),
            update: None,
            consumed: Vec::new(),
            send: Vec::new(),
            locks: Vec::new(),
            tasks: Vec::new(),
        };
        let outcome = self.store.writer().await?.commit(&[append]).await?;
        if outcome != [AppendOutcome::Committed] {
            return Err(EngineError::Refused(format!("run {id} is there already")));
        }
        Ok(ForkedRun { run: id, forked })
    }

    /// Lets a run that failed or was cancelled go on from there, as a new run: see [`Client::fork`].
    ///
    /// # Errors
    /// See [`Client::fork`].
    pub async fn retry(
        &self,
        run: RunId,
        by: &str,
        reason: Option<&str>,
    ) -> Result<ForkedRun, EngineError> {
        let (by, reason) = (by.to_owned(), reason.map(str::to_owned));
        self.fork(run, ForkRequest { by, reason, ..ForkRequest::default() }).await
    }

    /// An input that fits the workflow of a run, with defaults filled in.
    async fn checked(&self, old: &Created, input: Value) -> Result<Value, EngineError> {
        let definition = self.store.definition(old.version).await?;
        let unknown = || EngineError::UnknownWorkflow(old.workflow.clone());
        let workflow: Workflow = serde_json::from_slice(&definition.ok_or_else(unknown)?.canonical)
            .map_err(|error| EngineError::Journal { run: old.run, reason: error.to_string() })?;
        let input = validate_input(&workflow, input)
            .map_err(|problems| EngineError::Input { workflow: old.workflow.clone(), problems })?;
        self.check_size(|| format!("the input of workflow `{}`", old.workflow), &input)?;
        Ok(input)
    }
}
