//! Several nodes over one store, which crash, are cut off and come back.

use std::{sync::Arc, time::Duration};

use super::{Faults, Link, Wrapped, guard::Guard};
use crate::{
    api::{Client, Engine, EngineError},
    model::Workflow,
    runtime::Config,
    step::{NoCredentials, Registry},
    store::Store,
};

type Executors = Arc<dyn Fn(&Link) -> Registry>;

/// How often a node that could not start tries again.
const STARTS: u32 = 20;

/// Several nodes over one store. Each has its own [`Link`] to it, where the faults of a plan take
/// place. Use it inside [`VirtualTime`](super::VirtualTime).
///
/// ```
/// # use std::sync::Arc;
/// use rackwright_engine::{
///     Effect, Registry, RunRequest, RunStatus, Workflow, model::Step, store::MemoryStore,
///     testing::{Cluster, Device, Play, Scripted, VirtualTime},
/// };
///
/// let time = VirtualTime::new()?;
/// let device = Device::new();
/// let store = Arc::new(MemoryStore::with_clock(Arc::new(time.clock())));
/// let outcome = time.run(async {
///     let flow = Workflow::builder("flow").step(Step::task("flash", "x.flash")).build();
///     let play = Play::ok(serde_json::json!("flashed")).write().wait(std::time::Duration::from_secs(60));
///     let mut cluster = Cluster::builder(store).workflow(flow).executors(move |link| {
///         let mut registry = Registry::new();
///         let flash = Scripted::new("x.flash", Effect::Verify, &device).otherwise(play.clone());
///         registry.register(flash.on(link)).unwrap();
///         registry
///     });
///     let mut cluster = cluster.nodes(2).build().await?;
///     let run = cluster.engine(0).unwrap().start(RunRequest::new("flow")).await?.id();
///     tokio::time::sleep(std::time::Duration::from_secs(10)).await;
///     cluster.crash(0);
///     cluster.client().run(run).wait().await
/// })?;
/// assert_eq!(outcome.status, RunStatus::Completed);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Cluster {
    parts: ClusterBuilder,
    slots: Vec<Slot>,
}

struct Slot {
    link: Link,
    engine: Option<Engine>,
    /// How often the node has started.
    starts: u64,
}

/// Puts a [`Cluster`] together.
#[derive(Clone)]
pub struct ClusterBuilder {
    store: Arc<dyn Store>,
    faults: Faults,
    config: Config,
    executors: Executors,
    workflows: Vec<Workflow>,
    nodes: usize,
}

impl ClusterBuilder {
    /// How many nodes; 1 if nothing is said.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// What goes wrong; nothing by itself.
    #[must_use]
    pub fn faults(mut self, faults: &Faults) -> Self {
        self.faults = faults.clone();
        self
    }

    /// The nodes' settings. Each life of each node takes its randomness from the seed.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Makes the executors of a node.
    #[must_use]
    pub fn executors(mut self, make: impl Fn(&Link) -> Registry + 'static) -> Self {
        self.executors = Arc::new(make);
        self
    }

    /// A workflow that every node knows; those that it calls come first.
    #[must_use]
    pub fn workflow(mut self, workflow: Workflow) -> Self {
        self.workflows.push(workflow);
        self
    }

    /// Starts the nodes.
    ///
    /// # Errors
    /// What a node says that can't start for another reason than a fault.
    pub async fn build(self) -> Result<Cluster, EngineError> {
        let new = |slot| Slot { link: self.link(slot), engine: None, starts: 0 };
        let slots = (0..self.nodes).map(new).collect();
        let mut cluster = Cluster { parts: self, slots };
        for slot in 0..cluster.slots.len() {
            cluster.start(slot).await?;
        }
        Ok(cluster)
    }

    fn link(&self, slot: usize) -> Link {
        Link::new(slot, Arc::clone(&self.store), self.faults.clone())
    }

    /// A node that knows the workflows.
    async fn node(&self, link: &Link, seed: u64) -> Result<Engine, EngineError> {
        let mut registry = Registry::new();
        for (_, inner) in (self.executors)(link).iter() {
            registry.insert(Arc::new(Guard { inner: Arc::clone(inner), link: link.clone() }));
        }
        let config = Config { seed: Some(seed), ..self.config.clone() };
        let store = Wrapped::new(Arc::clone(&self.store), link.clone());
        let engine = Engine::builder()
            .open_store(Arc::new(store))
            .credentials(NoCredentials)
            .registry(registry)
            .config(config)
            .build()
            .await?;
        for workflow in &self.workflows {
            engine.deploy(workflow.clone()).await?;
        }
        Ok(engine)
    }
}

impl Cluster {
    /// A cluster of one node without executors, to begin with.
    pub fn builder(store: Arc<dyn Store>) -> ClusterBuilder {
        ClusterBuilder {
            store,
            faults: Faults::none(),
            config: Config::default(),
            executors: Arc::new(|_| Registry::new()),
            workflows: Vec::new(),
            nodes: 1,
        }
    }

    /// How many places for nodes there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it has no place for a node.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// A node, if it is there.
    pub fn engine(&self, slot: usize) -> Option<&Engine> {
        let slot = self.slots.get(slot)?;
        slot.engine.as_ref().filter(|_| !slot.link.is_dead())
    }

    /// The present life of a node.
    pub fn link(&self, slot: usize) -> Option<&Link> {
        self.slots.get(slot).map(|slot| &slot.link)
    }

    /// A client of the store, without faults.
    pub fn client(&self) -> Client {
        Client::new(Arc::clone(&self.parts.store))
    }

    /// Kills a node: at once, and without anything being told.
    pub fn crash(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.link.kill();
            slot.engine = None;
        }
    }

    /// Buries the nodes that faults have killed. Returns the places that are empty.
    pub fn bury(&mut self) -> Vec<usize> {
        for slot in &mut self.slots {
            if slot.link.is_dead() {
                slot.engine = None;
            }
        }
        (0..self.slots.len()).filter(|slot| self.slots[*slot].engine.is_none()).collect()
    }

    /// Starts a node that is not there. A fault may kill it while it starts: then it is not there
    /// afterwards either.
    ///
    /// # Errors
    /// What a node says that can't start for another reason than a fault.
    pub async fn start(&mut self, slot: usize) -> Result<(), EngineError> {
        let Some(place) = self.slots.get_mut(slot).filter(|place| place.engine.is_none()) else {
            return Ok(());
        };
        for attempt in 1.. {
            place.starts += 1;
            place.link = self.parts.link(slot);
            let link = place.link.clone();
            let seed = self.parts.config.seed.unwrap_or(0);
            // Each life its own randomness: no two nodes may make the same ids.
            let seed = seed ^ ((slot as u64 + 1) << 48) ^ (place.starts << 32);
            let started = tokio::select! {
                biased;
                () = link.died() => return Ok(()),
                started = self.parts.node(&link, seed) => started,
            };
            match started {
                Ok(engine) => {
                    place.engine = Some(engine);
                    return Ok(());
                }
                Err(EngineError::Store(error)) if error.is_transient() && attempt < STARTS => {
                    link.kill();
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Stops all nodes in good order.
    ///
    /// # Errors
    /// What the store says.
    pub async fn shutdown(mut self) -> Result<(), EngineError> {
        for slot in &mut self.slots {
            if let Some(engine) = slot.engine.take().filter(|_| !slot.link.is_dead()) {
                engine.shutdown().await?;
            }
        }
        Ok(())
    }
}
