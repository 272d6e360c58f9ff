//! Asking about runs and telling them something, without being a node.

use std::sync::Arc;

use serde_json::Value;

use super::{EngineError, RunHandle, RunView};
use crate::{
    graph::compile,
    machine::{Created, Event, Input},
    model::{MAX_PAYLOAD, RunId, Timestamp, Workflow, check_payload},
    runtime::{Outcome, Shared, Unreadable, outgoing, read_journal},
    step::Effect,
    store::{JournalRow, LockQuery, LockRecord, RunFilter, RunRecord, Store},
};

/// How many journal rows are read at once.
const PAGE: u32 = 1000;

/// Access to the runs of a store. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(super) store: Arc<dyn Store>,
    /// The node in this process, if there is one: it knows earlier than the store.
    pub(super) node: Option<Arc<Shared>>,
    max_payload: usize,
}

impl Client {
    /// A client of a store, without a node. It needs no lock and no lease.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, node: None, max_payload: MAX_PAYLOAD }
    }

    /// The client that a node is.
    pub(super) fn of_node(store: Arc<dyn Store>, node: Arc<Shared>) -> Self {
        let max_payload = node.config.max_payload;
        Self { store, node: Some(node), max_payload }
    }

    /// How large what is sent may be, in bytes of JSON: as the nodes have it
    /// ([`Config::max_payload`](crate::Config::max_payload)); 4 MiB if nobody says.
    #[must_use]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Refuses what is too large to be recorded.
    pub(super) fn check_size(
        &self,
        what: impl FnOnce() -> String,
        value: &Value,
    ) -> Result<(), EngineError> {
        Ok(check_payload(what, value, self.max_payload)?)
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// A handle on a run, whether or not it exists.
    pub fn run(&self, run: RunId) -> RunHandle {
        RunHandle::new(self.clone(), run, None)
    }

    /// The row of a run.
    ///
    /// # Errors
    /// [`EngineError::UnknownRun`], or what the store says.
    pub async fn record(&self, run: RunId) -> Result<RunRecord, EngineError> {
        self.store.run(run).await?.ok_or(EngineError::UnknownRun(run))
    }

    /// Runs that match, the newest first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, EngineError> {
        Ok(self.store.runs(filter).await?)
    }

    /// Who holds locks and slots of limits, and who waits for them, by ticket.
    ///
    /// # Errors
    /// What the store says.
    pub async fn locks(&self, query: &LockQuery) -> Result<Vec<LockRecord>, EngineError> {
        Ok(self.store.locks(query).await?)
    }

    /// The journal of a run from a row on, all of it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn journal(&self, run: RunId, from: u64) -> Result<Vec<JournalRow>, EngineError> {
        let mut rows = Vec::new();
        let mut next = from;
        loop {
            let page = self.store.journal(run, next, PAGE).await?;
            let full = page.len() == PAGE as usize;
            next = page.last().map_or(next, |row| row.seq + 1);
            rows.extend(page);
            if !full {
                return Ok(rows);
            }
        }
    }

    /// The state of a run, folded from its journal.
    ///
    /// # Errors
    /// [`EngineError::UnknownRun`] or [`EngineError::Journal`].
    pub async fn view(&self, run: RunId) -> Result<RunView, EngineError> {
        Ok(self.view_and_next(run).await?.0)
    }

    /// The same, with the number of the journal row that comes next.
    pub(super) async fn view_and_next(&self, run: RunId) -> Result<(RunView, u64), EngineError> {
        let rows = self.journal(run, 0).await?;
        let first = rows.first().ok_or(EngineError::UnknownRun(run))?;
        let mut view = self.first_view(run, first).await?;
        for (number, events) in self.events_of(run, &rows).await?.into_iter().enumerate() {
            for (at, event) in events.into_iter().skip(usize::from(number == 0)) {
                self.apply(&mut view, &event, at).await?;
            }
        }
        Ok((view, rows.last().map_or(0, |row| row.seq + 1)))
    }

    /// Applies an event to the view of its run, also [`Event::Migrated`], for which the store is
    /// asked.
    ///
    /// # Errors
    /// [`EngineError::Journal`] if it can't follow those before it, or what the store says.
    pub async fn apply(
        &self,
        view: &mut RunView,
        event: &Event,
        at: Timestamp,
    ) -> Result<(), EngineError> {
        let applied = if let Event::Migrated { version, .. } = event {
            view.moved(self.plan(*version).await?, event, at)
        } else {
            view.apply(event, at)
        };
        applied.map_err(|error| EngineError::journal(view.state().created.run, &error))
    }

    /// The state of a run right after its creation: what [`RunHandle::events`] is applied to, from
    /// its first event on.
    ///
    /// # Errors
    /// [`EngineError::UnknownRun`] or [`EngineError::Journal`].
    pub async fn beginning(&self, run: RunId) -> Result<RunView, EngineError> {
        let rows = self.store.journal(run, 0, 1).await?;
        let first = rows.first().ok_or(EngineError::UnknownRun(run))?;
        self.first_view(run, first).await
    }

    /// The events of rows of a journal, with the values that are kept beside it.
    pub(super) async fn events_of(
        &self,
        run: RunId,
        rows: &[JournalRow],
    ) -> Result<Vec<Vec<(Timestamp, Event)>>, EngineError> {
        read_journal(&*self.store, run, rows).await.map_err(|error| match error {
            Unreadable::Store(error) => EngineError::Store(error),
            error @ (Unreadable::Row { .. } | Unreadable::Missing { .. }) => {
                EngineError::Journal { run, reason: error.to_string() }
            }
        })
    }

    /// A view of the run as its creation made it.
    pub(super) async fn first_view(
        &self,
        run: RunId,
        first: &JournalRow,
    ) -> Result<RunView, EngineError> {
        let unreadable = |reason: String| EngineError::Journal { run, reason };
        let rows = self.events_of(run, std::slice::from_ref(first)).await?;
        match rows.into_iter().flatten().next() {
            Some((at, Event::Created(created))) => {
                let plan = self.plan_for_reading(&created).await?;
                Ok(RunView::new(plan, *created, at))
            }
            Some(_) | None => Err(unreadable("its first event is not its creation".to_owned())),
        }
    }

    /// A plan for looking at a run. Which effects its executors have does not matter for that, so
    /// they need not be registered here.
    async fn plan_for_reading(
        &self,
        created: &Created,
    ) -> Result<Arc<crate::graph::Plan>, EngineError> {
        let definition = self.store.definition(created.version).await?;
        let unknown = || EngineError::UnknownWorkflow(created.workflow.clone());
        let workflow: Workflow = serde_json::from_slice(&definition.ok_or_else(unknown)?.canonical)
            .map_err(|error| EngineError::Journal {
                run: created.run,
                reason: format!("its workflow can't be read: {error}"),
            })?;
        Ok(Arc::new(compile(&workflow, &|_| Some(Effect::Read))?))
    }

    /// How a run stands, from its journal.
    pub(super) async fn outcome(&self, run: RunId) -> Result<Outcome, EngineError> {
        let view = self.view(run).await?;
        let state = view.state();
        Ok(Outcome {
            status: state.visible_status(),
            output: Arc::clone(&state.output),
            errors: state.errors.clone(),
        })
    }

    pub(super) async fn tell(
        &self,
        run: RunId,
        dedup: &str,
        input: &Input,
    ) -> Result<(), EngineError> {
        self.store.send(&[outgoing(run, dedup, input)]).await?;
        if let Some(node) = &self.node {
            node.tell(run, crate::runtime::Message::Look(run));
        }
        Ok(())
    }
}
