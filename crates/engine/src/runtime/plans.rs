//! Workflows that can be run: their plans, kept by version.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, RwLock},
};

use serde_json::Value;
use thiserror::Error;

use crate::{
    graph::{InputProblem, KindPlan, LocksPlan, Plan, PlanError, compile, validate_input},
    model::{Version, Workflow},
    step::{Effect, Registry},
    store::{Store, StoreError},
};

/// A workflow with its plan.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) workflow: Workflow,
    pub(crate) plan: Plan,
}

/// Why a version can't be run here.
#[derive(Debug, Error)]
pub enum PlanUnavailable {
    /// The store has no such definition.
    #[error("the store has no workflow of version {0}")]
    Unknown(Version),
    /// Its text can't be read: written by a later release, or damaged.
    #[error("the stored workflow of version {0} can't be read: {1}")]
    Unreadable(Version, serde_json::Error),
    /// It can't be compiled: most often an executor is not registered.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The plans of a node.
#[derive(Default)]
pub(crate) struct Plans {
    by_version: RwLock<HashMap<Version, Arc<Deployed>>>,
    /// How many steps of an executor are under way at the same time, on all nodes.
    limits: BTreeMap<String, u32>,
    /// How many calls of a pool.
    pools: BTreeMap<String, u32>,
}

impl Plans {
    pub(crate) fn new(limits: BTreeMap<String, u32>, pools: BTreeMap<String, u32>) -> Self {
        Self { by_version: RwLock::default(), limits, pools }
    }

    /// Compiles a workflow and keeps its plan.
    pub(crate) fn add(
        &self,
        workflow: Workflow,
        registry: &Registry,
    ) -> Result<Arc<Deployed>, PlanError> {
        let effect_of = |name: &str| registry.get(name).map(|it| it.describe().effect);
        let mut plan = compile(&workflow, &effect_of)?;
        if !self.limits.is_empty() || !self.pools.is_empty() {
            self.limit(&mut plan);
        }
        let version = plan.version;
        let deployed = Arc::new(Deployed { workflow, plan });
        let mut plans = self.by_version.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(Arc::clone(plans.entry(version).or_insert(deployed)))
    }

    /// What a run asks for is in its journal, so that a fold does not depend on these limits.
    fn limit(&self, plan: &mut Plan) {
        for step in &mut plan.steps {
            let KindPlan::Task(task) = &step.kind else { continue };
            if let Some(max) = self.limits.get(&task.uses) {
                LocksPlan::limit_executor(&mut step.locks, &task.uses, *max);
            }
            if let Some((pool, max)) =
                task.pool.as_ref().and_then(|it| self.pools.get_key_value(it))
            {
                // No executor has a slash in its name.
                LocksPlan::limit_executor(&mut step.locks, &format!("pool/{pool}"), *max);
            }
        }
    }

    /// The plan of a version, from memory or the store.
    pub(crate) async fn get(
        &self,
        version: Version,
        store: &dyn Store,
        registry: &Registry,
    ) -> Result<Arc<Deployed>, PlanUnavailable> {
        if let Some(found) = self.cached(version) {
            return Ok(found);
        }
        Ok(self.add(read(version, store).await?, registry)?)
    }

    /// A plan for folding what was recorded by it: its executors may be gone.
    pub(super) async fn for_reading(
        &self,
        version: Version,
        store: &dyn Store,
    ) -> Result<Arc<Deployed>, PlanUnavailable> {
        let workflow = read(version, store).await?;
        let plan = compile(&workflow, &|_| Some(Effect::Read))?;
        Ok(Arc::new(Deployed { workflow, plan }))
    }

    pub(crate) fn cached(&self, version: Version) -> Option<Arc<Deployed>> {
        let plans = self.by_version.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        plans.get(&version).cloned()
    }
}

async fn read(version: Version, store: &dyn Store) -> Result<Workflow, PlanUnavailable> {
    let definition = store.definition(version).await?.ok_or(PlanUnavailable::Unknown(version))?;
    serde_json::from_slice(&definition.canonical)
        .map_err(|error| PlanUnavailable::Unreadable(version, error))
}

impl Deployed {
    /// What a run asks of its node: what the workflow asks for, and what was asked for with it.
    pub(crate) fn requires(&self, more: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut all = self.workflow.node.clone();
        all.extend(more.clone());
        all
    }

    /// Checks a run's input, and fills in the defaults of its schema.
    pub(crate) fn check_input(&self, input: Value) -> Result<Value, Vec<InputProblem>> {
        validate_input(&self.workflow, input)
    }
}
