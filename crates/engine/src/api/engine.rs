//! The engine: a node of a store, with the executors and workflows that it knows.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{Client, EngineError, RunHandle, RunRequest};
use crate::{
    graph::check,
    load::Bundle,
    machine::Created,
    model::{RunId, StepError, Version, Workflow, check_payload},
    runtime::{Config, Deployed, Message, Node, Start, Started, Worker, WorkerBuilder},
    step::{CredentialSource, Executor, NoCredentials, Registry},
    store::{ClaimScope, Store, open},
};

/// How often a node that waits to be empty looks.
const DRAINED: Duration = Duration::from_millis(50);

/// Carries runs on. A node of the store; shares it with others on PostgreSQL, has it alone on
/// SQLite. Everything a [`Client`] can do, it can do too.
pub struct Engine {
    client: Client,
    node: Node,
    versions: Mutex<HashMap<String, Version>>,
}

impl Deref for Engine {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Engine {
    /// Puts an engine together.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Checks a workflow and keeps it: runs can be started from now on. Sub-workflows have to be
    /// deployed before those that call them.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] with all problems, or what the store says.
    pub async fn deploy(&self, workflow: Workflow) -> Result<Version, EngineError> {
        let workflow = self.pinned(workflow);
        let children: Vec<_> = self.deployed();
        let find = |name: &str| {
            let mut found = children.iter().map(|deployed| &deployed.workflow);
            found.find(|workflow| workflow.name == name)
        };
        let problems = check(&workflow, &self.node.shared.registry, &find);
        if !problems.is_empty() {
            return Err(EngineError::Invalid { workflow: workflow.name, problems });
        }
        let (name, canonical) = (workflow.name.clone(), workflow.canonical());
        let deployed = self.node.shared.plans.add(workflow, &self.node.shared.registry)?;
        let version = deployed.plan.version;
        self.client.store.put_definition(version, &name, &canonical).await?;
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(name, version);
        Ok(version)
    }

    /// Deploys a workflow that was loaded with everything that it calls, and returns its version.
    ///
    /// # Errors
    /// See [`Engine::deploy`]; [`Bundle::check`] shows problems with their source.
    pub async fn deploy_bundle(&self, bundle: &Bundle) -> Result<Option<Version>, EngineError> {
        let mut version = None;
        for loaded in &bundle.workflows {
            version = Some(self.deploy(loaded.workflow.clone()).await?);
        }
        Ok(version)
    }

    /// Starts a run. Returns once it is durable.
    ///
    /// # Errors
    /// [`EngineError::UnknownWorkflow`], [`EngineError::Input`], or what the store says.
    pub async fn start(&self, request: RunRequest) -> Result<RunHandle, EngineError> {
        let RunRequest { workflow, input, idempotency_key, labels, priority, requires } = request;
        let version = self.version_of(&workflow).await?;
        let shared = &self.node.shared;
        let deployed = shared.plans.get(version, &*shared.store, &shared.registry).await?;
        let input = deployed
            .check_input(input)
            .map_err(|problems| EngineError::Input { workflow: workflow.clone(), problems })?;
        let what = || format!("the input of workflow `{workflow}`");
        check_payload(what, &input, shared.config.max_payload)?;
        self.check_windows(&deployed, &workflow).await?;
        let priority = priority.unwrap_or(deployed.plan.priority);
        let run = shared.new_run_id();
        let input = Arc::new(input);
        let created = Created {
            run,
            workflow,
            version,
            input,
            parent: None,
            root: run,
            held: Vec::new(),
            priority,
            requires: deployed.requires(&requires),
            labels,
            forked_from: None,
        };
        let (reply, answer) = oneshot::channel();
        let (outcome, wait) = oneshot::channel();
        let start =
            Start { created, deployed, idempotency_key, reply: Some(reply), wait: Some(outcome) };
        shared.tell(run, Message::Start(Box::new(start)));
        let Started { run, fresh } =
            answer.await.map_err(|_| EngineError::ShutDown)?.map_err(EngineError::Start)?;
        Ok(RunHandle::new(self.client.clone(), run, fresh.then_some(wait)))
    }

    /// Refuses a run that would wait for a window that is not there. What only the run knows is
    /// told by its steps.
    async fn check_windows(&self, deployed: &Deployed, workflow: &str) -> Result<(), EngineError> {
        let shared = &self.node.shared;
        let missing = || {
            let windows = shared.windows();
            let mut wanted = deployed.plan.windows();
            wanted.find_map(|(name, needs)| windows.allows(name, needs).err())
        };
        if missing().is_none() {
            return Ok(());
        }
        // It may just have been made.
        shared.read_windows().await?;
        missing().map_or(Ok(()), |none| {
            let reason = Box::new(StepError::from(none));
            Err(EngineError::Window { workflow: workflow.to_owned(), reason })
        })
    }

    /// Takes over the runs that are due now, as far as [`EngineBuilder::claims`] allows; the engine
    /// goes on doing so by itself. Returns how many.
    ///
    /// # Errors
    /// What the store says.
    pub async fn recover(&self) -> Result<usize, EngineError> {
        let mut taken = 0;
        for scope in self.node.shared.claims() {
            taken += self.node.recover(scope).await?;
        }
        Ok(taken)
    }

    /// Takes over the due runs of a scope, now and from now on, beside those that
    /// [`EngineBuilder::claims`] names. A run that this engine started needs it where the engine
    /// claims nothing else: while it waits for long it belongs to nobody. Returns how many were
    /// due.
    ///
    /// # Errors
    /// What the store says.
    pub async fn take_over(&self, scope: ClaimScope) -> Result<usize, EngineError> {
        let claims = &self.node.shared.claims;
        claims.lock().unwrap_or_else(PoisonError::into_inner).push(scope);
        Ok(self.node.recover(scope).await?)
    }

    /// Runs that this node owns but can't carry on, and why.
    pub fn stuck(&self) -> Vec<(RunId, String)> {
        self.node.shared.stuck()
    }

    /// The executors.
    pub fn registry(&self) -> &Registry {
        &self.node.shared.registry
    }

    /// A worker of a pool in this process, with the engine's executors and credentials; see
    /// [`Worker`]. It goes on when the engine has stopped.
    pub fn worker(&self, pool: impl Into<String>) -> WorkerBuilder {
        let store = Arc::clone(&self.node.shared.store);
        Worker::builder(store).beside(&self.node.shared).pool(pool)
    }

    /// Waits until somebody wants this node empty, and it is. See [`Client::drain`].
    pub async fn drained(&self) {
        while !self.node.shared.is_drained() {
            tokio::time::sleep(DRAINED).await;
        }
    }

    /// Stops: attempts are told to stop, what they finish is recorded, what they leave is taken up
    /// by the next engine on this store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn shutdown(&self) -> Result<(), EngineError> {
        Ok(self.node.shutdown().await?)
    }

    /// The workflows as they were deployed last.
    fn deployed(&self) -> Vec<Arc<Deployed>> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let plans = &self.node.shared.plans;
        versions.values().filter_map(|version| plans.cached(*version)).collect()
    }

    /// Pins sub-workflows that are not pinned yet to what was deployed last.
    fn pinned(&self, mut workflow: Workflow) -> Workflow {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        workflow.pin(&|name| versions.get(name).copied());
        workflow
    }

    async fn version_of(&self, workflow: &str) -> Result<Version, EngineError> {
        let known = {
            let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
            versions.get(workflow).copied()
        };
        if let Some(version) = known {
            return Ok(version);
        }
        let stored = self.client.store.definitions(Some(workflow)).await?;
        let newest = stored.first().map(|definition| definition.version);
        newest.ok_or_else(|| EngineError::UnknownWorkflow(workflow.to_owned()))
    }
}

/// Builds an [`Engine`].
pub struct EngineBuilder {
    store: StoreChoice,
    registry: Result<Registry, EngineError>,
    credentials: Arc<dyn CredentialSource>,
    config: Config,
}

enum StoreChoice {
    Url(String),
    Given(Arc<dyn Store>),
}

impl Default for EngineBuilder {
    fn default() -> Self {
        Self {
            store: StoreChoice::Url("sqlite:rackwright.db".to_owned()),
            registry: Ok(Registry::new()),
            credentials: Arc::new(NoCredentials),
            config: Config::default(),
        }
    }
}

impl EngineBuilder {
    /// The store by its URL: `sqlite:PATH` (the default is `sqlite:rackwright.db`),
    /// `postgres://USER@HOST/DATABASE` or `memory:`.
    #[must_use]
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.store = StoreChoice::Url(url.into());
        self
    }

    /// A store that is open already.
    #[must_use]
    pub fn open_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = StoreChoice::Given(store);
        self
    }

    /// Registers an executor. A name that is taken is reported by [`EngineBuilder::build`].
    #[must_use]
    pub fn register<E: Executor>(mut self, executor: E) -> Self {
        self.registry = self.registry.and_then(|mut registry| {
            registry.register(executor)?;
            Ok(registry)
        });
        self
    }

    /// All executors at once: what step libraries have registered.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = self.registry.map(|_| registry);
        self
    }

    /// Where credentials come from; none by default.
    #[must_use]
    pub fn credentials(mut self, source: impl CredentialSource) -> Self {
        self.credentials = Arc::new(source);
        self
    }

    /// Which runs the engine takes over; `None`: only what it starts itself.
    #[must_use]
    pub fn claims(mut self, scope: Option<ClaimScope>) -> Self {
        self.config.claims = scope;
        self
    }

    /// What the node is (`site`, `ams1`): runs may ask for a node with certain labels.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.labels.insert(name.into(), value.into());
        self
    }

    /// How long the node's lease holds.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.config.lease = lease;
        self
    }

    /// All settings at once.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// At most `max` steps of this executor are under way at the same time, counted over all nodes
    /// that set the limit; the others wait. Cleanups and undos don't.
    #[must_use]
    pub fn limit_executor(mut self, executor: impl Into<String>, max: u32) -> Self {
        self.config.executor_limits.insert(executor.into(), max.max(1));
        self
    }

    /// At most `max` steps that are left to this pool are in its queue or under way at the same
    /// time, counted over all nodes that set the limit; the others wait. Cleanups and undos don't.
    #[must_use]
    pub fn limit_pool(mut self, pool: impl Into<String>, max: u32) -> Self {
        self.config.pool_limits.insert(pool.into(), max.max(1));
        self
    }

    /// Opens the store, joins it and starts to work.
    ///
    /// # Errors
    /// What the store says, or [`EngineError::Duplicate`].
    pub async fn build(self) -> Result<Engine, EngineError> {
        let registry = self.registry?;
        let store = match self.store {
            StoreChoice::Url(url) => open(&url).await?,
            StoreChoice::Given(store) => store,
        };
        let node = Node::start(Arc::clone(&store), registry, self.credentials, self.config).await?;
        let client = Client::of_node(store, Arc::clone(&node.shared));
        Ok(Engine { client, node, versions: Mutex::default() })
    }
}
