//! Moving runs to other versions of their workflows.

use std::sync::Arc;

use super::{Client, EngineError, RunView, Sent};
use crate::{
    graph::{Plan, compile},
    machine::{Ahead, Event, IllegalEvent, Input, Obstacle, Order, Side, movable},
    model::{RunId, Timestamp, Version, Workflow},
    runtime::MOVE_MAIL,
    step::Effect,
};

impl Client {
    /// The versions of a workflow that the store knows, the newest first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn versions(&self, workflow: &str) -> Result<Vec<Version>, EngineError> {
        let known = self.store.definitions(Some(workflow)).await?;
        Ok(known.into_iter().map(|definition| definition.version).collect())
    }

    /// Keeps a workflow without running anything: runs can be moved to it. Whoever carries them on
    /// has to know its executors.
    ///
    /// # Errors
    /// [`EngineError::Plan`], or what the store says.
    pub async fn keep(&self, workflow: &Workflow) -> Result<Version, EngineError> {
        compile(workflow, &|_| Some(Effect::Read))?;
        let version = workflow.version();
        self.store.put_definition(version, &workflow.name, &workflow.canonical()).await?;
        Ok(version)
    }

    /// Whether a run, as it stands, can move to another version, and what would be different ahead
    /// of it; otherwise all that stands in the way.
    ///
    /// # Errors
    /// [`EngineError::UnknownRun`], [`EngineError::Refused`] if there is no such version.
    pub async fn movable(
        &self,
        run: RunId,
        version: Version,
    ) -> Result<Result<Ahead, Vec<Obstacle>>, EngineError> {
        let view = self.view(run).await?;
        self.movable_view(&view, version).await
    }

    async fn movable_view(
        &self,
        view: &RunView,
        version: Version,
    ) -> Result<Result<Ahead, Vec<Obstacle>>, EngineError> {
        let from = self.definition_of(view.plan().version).await?;
        let to = self.definition_of(version).await?;
        let plan = compile(&to, &|_| Some(Effect::Read))?;
        let from = Side { workflow: &from, plan: view.plan() };
        Ok(movable(view.state(), from, Side { workflow: &to, plan: &plan }))
    }

    async fn definition_of(&self, version: Version) -> Result<Workflow, EngineError> {
        let found = self.store.definition(version).await?;
        let unknown = || EngineError::Refused(format!("the store has no version {version}"));
        serde_json::from_slice(&found.ok_or_else(unknown)?.canonical).map_err(|error| {
            EngineError::Refused(format!("version {version} can't be read: {error}"))
        })
    }

    /// The plan of a version, for looking at runs.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if the store has no such version.
    pub async fn plan(&self, version: Version) -> Result<Arc<Plan>, EngineError> {
        let workflow = self.definition_of(version).await?;
        Ok(Arc::new(compile(&workflow, &|_| Some(Effect::Read))?))
    }

    /// Asks a run to be one of another version from now on. It looks once more whether it can when
    /// it takes the order up; [`Client::heard`] tells.
    ///
    /// # Errors
    /// [`EngineError::Refused`] with all that stands in the way.
    pub async fn migrate(
        &self,
        run: RunId,
        version: Version,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Sent, EngineError> {
        let (view, from) = self.unended(run).await?;
        if view.plan().version == version {
            let text = format!("run {run} is one of version {version:?} already");
            return Err(EngineError::Refused(text));
        }
        if let Err(obstacles) = self.movable_view(&view, version).await? {
            let texts: Vec<_> = obstacles.iter().map(|it| format!("  {it}")).collect();
            let texts = texts.join("\n");
            let text = format!("run {run} can't move to version {version:?}:\n{texts}");
            return Err(EngineError::Refused(text));
        }
        let order = Order { by: by.to_owned(), reason: reason.map(str::to_owned) };
        self.order(run, from, MOVE_MAIL.trim_end(), Input::Migrate { version, order }).await
    }
}

impl RunView {
    /// Applies [`Event::Migrated`], after which the run has another plan: [`Client::plan`] has it.
    ///
    /// # Errors
    /// [`IllegalEvent`] if it can't follow the events before it.
    pub fn moved(
        &mut self,
        plan: Arc<Plan>,
        event: &Event,
        _: Timestamp,
    ) -> Result<(), IllegalEvent> {
        self.state.apply_move(&self.plan, &plan, event)?;
        self.plan = plan;
        Ok(())
    }
}
