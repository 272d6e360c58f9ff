//! A runtime for one step: credentials, saved progress, reports, a fence that can be closed.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use rackwright_engine::{
    Observation, Registry, RunId, StepContext, StepError,
    step::{
        AttemptInfo, Credential, CredentialSource, Fenced, Holding, StaticCredentials, StepHost,
        SubtaskReport,
    },
};
use rackwright_steps_ssh::DeviceTypes;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Seen {
    saved: Mutex<Option<Value>>,
    reports: Mutex<Vec<String>>,
    fenced: AtomicBool,
    credentials: StaticCredentials,
}

#[async_trait]
impl StepHost for Seen {
    async fn save(&self, _: &AttemptInfo, progress: Value) -> Result<(), StepError> {
        *self.saved.lock().unwrap() = Some(progress);
        Ok(())
    }

    async fn hold(&self, _: &AttemptInfo, holding: Holding) -> Result<(), StepError> {
        panic!("steps of this crate have nothing to hold: {holding}")
    }

    async fn release(&self, _: &AttemptInfo, holding: &Holding) -> Result<(), StepError> {
        panic!("steps of this crate have nothing to release: {holding}")
    }

    fn report(&self, _: &AttemptInfo, report: SubtaskReport) {
        self.reports.lock().unwrap().push(report.title);
    }

    async fn credential(&self, name: &str) -> Result<Credential, StepError> {
        self.credentials.credential(name).await
    }

    fn fence(&self, _: &AttemptInfo) -> Result<(), Fenced> {
        if self.fenced.load(Ordering::SeqCst) { Err(Fenced) } else { Ok(()) }
    }
}

/// Runs steps of this crate, as an engine would.
pub(crate) struct Runner {
    registry: Registry,
    seen: Arc<Seen>,
    pub(crate) cancel: CancellationToken,
}

impl Runner {
    pub(crate) fn new(credentials: HashMap<String, Credential>) -> Self {
        Self::with_types(credentials, DeviceTypes::built_in().unwrap())
    }

    pub(crate) fn with_types(credentials: HashMap<String, Credential>, types: DeviceTypes) -> Self {
        let mut registry = Registry::new();
        rackwright_steps_ssh::register(&mut registry, types).unwrap();
        let seen = Seen { credentials: StaticCredentials(credentials), ..Seen::default() };
        Self { registry, seen: Arc::new(seen), cancel: CancellationToken::new() }
    }

    pub(crate) async fn run(&self, uses: &str, with: Value) -> Result<Value, StepError> {
        self.registry.get(uses).unwrap().run(&self.context(), with).await
    }

    pub(crate) async fn observe(&self, uses: &str, with: Value) -> Result<Observation, StepError> {
        self.registry.get(uses).unwrap().observe(&self.context(), with).await
    }

    pub(crate) fn close_fence(&self) {
        self.seen.fenced.store(true, Ordering::SeqCst);
    }

    pub(crate) fn save(&self, progress: Value) {
        *self.seen.saved.lock().unwrap() = Some(progress);
    }

    pub(crate) fn saved(&self) -> Option<Value> {
        self.seen.saved.lock().unwrap().clone()
    }

    pub(crate) fn reports(&self) -> Vec<String> {
        self.seen.reports.lock().unwrap().clone()
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    fn context(&self) -> StepContext {
        let info = AttemptInfo {
            run: RunId(uuid::Uuid::nil()),
            path: "test".to_owned(),
            attempt: 1,
            deadline: None,
            saved: self.saved(),
        };
        StepContext::new(Arc::new(info), self.seen.clone(), self.cancel.clone())
    }
}
