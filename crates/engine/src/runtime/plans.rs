//! Workflows that can be run: their plans, kept by version.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use serde_json::Value;
use thiserror::Error;

use crate::{
    graph::{InputProblem, Plan, PlanError, compile, validate_input},
    model::{Version, Workflow},
    step::Registry,
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
pub(crate) struct Plans(RwLock<HashMap<Version, Arc<Deployed>>>);

impl Plans {
    /// Compiles a workflow and keeps its plan.
    pub(crate) fn add(
        &self,
        workflow: Workflow,
        registry: &Registry,
    ) -> Result<Arc<Deployed>, PlanError> {
        let effect_of = |name: &str| registry.get(name).map(|it| it.describe().effect);
        let plan = compile(&workflow, &effect_of)?;
        let version = plan.version;
        let deployed = Arc::new(Deployed { workflow, plan });
        let mut plans = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(Arc::clone(plans.entry(version).or_insert(deployed)))
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
        let definition =
            store.definition(version).await?.ok_or(PlanUnavailable::Unknown(version))?;
        let workflow = serde_json::from_slice(&definition.canonical)
            .map_err(|error| PlanUnavailable::Unreadable(version, error))?;
        Ok(self.add(workflow, registry)?)
    }

    pub(crate) fn cached(&self, version: Version) -> Option<Arc<Deployed>> {
        let plans = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        plans.get(&version).cloned()
    }
}

impl Deployed {
    /// Checks a run's input, and fills in the defaults of its schema.
    pub(crate) fn check_input(&self, input: Value) -> Result<Value, Vec<InputProblem>> {
        validate_input(&self.workflow, input)
    }
}
