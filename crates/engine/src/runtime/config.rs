//! How a node behaves.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    model::{MAX_PAYLOAD, Retention},
    store::ClaimScope,
};

/// The settings of a node. [`Default`] suits a small production system.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's name, for people.
    pub name: String,
    /// How long the node's lease holds without being renewed. The node itself stops acting on
    /// devices after two thirds of it; others take its runs over after the whole.
    pub lease: Duration,
    /// How often the store is asked for runs to take over and for mail.
    pub poll: Duration,
    /// A run that has nothing to do for longer leaves the memory.
    pub park_after: Duration,
    /// Attempts and observations under way at once, those included whose end is being committed:
    /// a crash leaves no more of them to be made, or looked at, again.
    pub max_in_flight: usize,
    /// How many runs the node has in memory before it takes over no more. What is started on it
    /// beyond that is durable at once and waits in the store, if the node takes runs over; child
    /// runs begin all the same. Bounds the memory when very many runs are due at once.
    pub max_active: usize,
    /// How long an attempt that was told to stop may take to do so.
    pub stop_grace: Duration,
    /// How long a reported sub-task may wait for a commit to ride along with.
    pub report_delay: Duration,
    /// The largest value in bytes of JSON that a run takes from outside: a step's output, saved
    /// progress, a holding, a run's input, a signal. What is larger is refused
    /// (`engine.payload_too_large`).
    pub max_payload: usize,
    /// Values of more bytes of JSON than this are kept beside the journal, once per run, and the
    /// journal names them.
    pub large_value: usize,
    /// How long runs that have ended are kept, of workflows that say nothing themselves; `None`: for
    /// ever.
    pub retention: Option<Retention>,
    /// How often it is looked for runs to remove.
    pub retention_pause: Duration,
    /// How many steps of an executor are under way at the same time, on all nodes that say so.
    /// Their cleanups and undos are not counted: obligations don't wait.
    pub executor_limits: BTreeMap<String, u32>,
    /// How many steps that are left to a pool are in its queue or under way at the same time, on
    /// all nodes that say so; cleanups and undos are not counted.
    pub pool_limits: BTreeMap<String, u32>,
    /// Which runs the node takes over; `None`: none, it only carries on what it started.
    pub claims: Option<ClaimScope>,
    /// A run whose owners died so many times in a row while it made no progress is taken over no
    /// more: it is in quarantine until a person lets it go on. `None`: never.
    pub quarantine_after: Option<u32>,
    /// What the node is (`site: ams1`): runs may ask for a node with certain labels.
    pub labels: BTreeMap<String, String>,
    /// Decides all of the node's randomness (ids, jitter), so that a test can be repeated. Two
    /// nodes of one store must not have the same. `None`: the system's randomness.
    pub seed: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "rackwright".to_owned(),
            lease: Duration::from_secs(15),
            poll: Duration::from_secs(1),
            park_after: Duration::from_secs(30),
            max_in_flight: 256,
            max_active: 10_000,
            stop_grace: Duration::from_secs(10),
            report_delay: Duration::from_millis(500),
            max_payload: MAX_PAYLOAD,
            large_value: 64 << 10,
            retention: None,
            retention_pause: Duration::from_mins(1),
            executor_limits: BTreeMap::new(),
            pool_limits: BTreeMap::new(),
            claims: Some(ClaimScope::All),
            quarantine_after: Some(3),
            labels: BTreeMap::new(),
            seed: None,
        }
    }
}
