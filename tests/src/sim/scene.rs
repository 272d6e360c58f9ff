//! What is played: a workflow, a cluster, what goes wrong, what people do. All from a seed.

use std::time::Duration;

use proptest::{
    strategy::{BoxedStrategy, Strategy, ValueTree},
    test_runner::{Config as ProptestConfig, RngAlgorithm, TestRng, TestRunner},
};
use rackwright_engine::{
    Config, Workflow,
    testing::{Fault, FaultPlan},
};
use serde_json::{Value, json};

use super::{chance::Chance, generate};

/// How long a node's lease holds in the simulation.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// All that a seed decides before anything happens.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The seed.
    pub seed: u64,
    /// The workflow that is run.
    pub workflow: Workflow,
    /// The workflow that it may call.
    pub kid: Workflow,
    /// How many nodes.
    pub nodes: usize,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// What people do of their own accord, and when.
    pub deeds: Vec<(Duration, Deed)>,
    /// The nodes' settings.
    pub config: Config,
}

/// What people do that nobody asked them for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// They cancel the run.
    Cancel,
    /// They pause a run.
    Pause,
    /// They stop a run in an emergency.
    Stop,
    /// They skip a step.
    Skip,
    /// They say that they did a step themselves.
    MarkDone,
    /// They let something in that waits for a window.
    LetIn,
    /// They send a signal, waited for or not.
    Signal,
}

thread_local! {
    static WORKFLOWS: BoxedStrategy<Workflow> = generate::workflow().boxed();
}

impl Scene {
    /// The scene of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "scene");
        let kid = kid();
        let workflow = calls(workflow(seed), &kid);
        let nodes = 1 + usize::from(chance.percent(75)) + usize::from(chance.percent(40));
        Self {
            seed,
            workflow,
            kid,
            nodes,
            faults: faults(seed),
            deeds: deeds(seed),
            config: config(seed),
        }
    }
}

fn config(seed: u64) -> Config {
    let mut chance = Chance::of(seed, "config");
    let pick = |chance: &mut Chance, from: &[u64]| {
        Duration::from_millis(from[usize::try_from(chance.below(from.len() as u64)).unwrap_or(0)])
    };
    Config {
        lease: LEASE,
        poll: Duration::from_secs(5),
        park_after: pick(&mut chance, &[500, 3_000, 30_000]),
        max_in_flight: if chance.percent(20) { 2 } else { 256 },
        stop_grace: pick(&mut chance, &[100, 5_000]),
        seed: Some(seed),
        ..Config::default()
    }
}

fn workflow(seed: u64) -> Workflow {
    let bytes = Chance::of(seed, "workflow").bytes();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    WORKFLOWS.with(|strategy| {
        loop {
            // The generator refuses nothing today; if it did, the next draw is as good.
            if let Ok(tree) = strategy.new_tree(&mut runner) {
                break tree.current();
            }
        }
    })
}

/// The workflow that the generator's sub-workflow steps call.
fn kid() -> Workflow {
    let steps = json!([
        { "id": "look", "uses": "x.read", "retry": { "max_attempts": 3, "delay": "1s" } },
        { "id": "act", "uses": "x.verify", "retry": { "max_attempts": 3, "delay": "2s" },
          "cleanup": { "policy": "always", "uses": "x.idem" } },
    ]);
    let kid = json!({ "workflow": "kid", "steps": steps });
    serde_json::from_value(kid).unwrap_or_else(|error| panic!("the kid is a workflow: {error}"))
}

/// The generator's sub-workflow steps name a version that nobody has.
fn calls(workflow: Workflow, kid: &Workflow) -> Workflow {
    let version = json!(kid.version());
    let mut value = json!(workflow);
    put_version(&mut value, &version);
    drop_pools(&mut value);
    serde_json::from_value(value).unwrap_or(workflow)
}

/// There are no workers here: a step that is left to a pool is made by its node.
fn drop_pools(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("uses") {
                fields.remove("pool");
            }
            fields.values_mut().for_each(drop_pools);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_pools),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn put_version(value: &mut Value, version: &Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("workflow").is_some_and(|name| name == "kid") {
                fields.insert("version".to_owned(), version.clone());
            }
            fields.values_mut().for_each(|value| put_version(value, version));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| put_version(value, version)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn deeds(seed: u64) -> Vec<(Duration, Deed)> {
    let mut chance = Chance::of(seed, "deeds");
    let mut deeds = Vec::new();
    if chance.percent(20) {
        deeds.push((chance.time(Duration::from_mins(1)), Deed::Cancel));
    }
    let more = if chance.percent(50) { chance.below(5) } else { 0 };
    for _ in 0..more {
        let deed = match chance.below(10) {
            0..3 => Deed::Pause,
            3 | 4 => Deed::Stop,
            5 => Deed::Skip,
            6 => Deed::MarkDone,
            7 => Deed::LetIn,
            _ => Deed::Signal,
        };
        deeds.push((chance.time(Duration::from_mins(1)), deed));
    }
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

fn faults(seed: u64) -> FaultPlan {
    let mut chance = Chance::of(seed, "faults");
    let mut plan = FaultPlan::default();
    let most = if chance.percent(10) { 0 } else { 1 + chance.below(10) };
    let mut jumped = false;
    for _ in 0..most {
        // Most runs are short: most faults come early.
        let bound = 12 + chance.below(300);
        let at = 1 + chance.below(bound);
        let mut time = |most| chance.time(Duration::from_secs(most));
        let (short, lease, long) = (time(3), time(12), time(60) + LEASE);
        let fault = match chance.below(24) {
            0..3 => Fault::Fail,
            3..6 => Fault::LoseAnswer,
            6 | 7 => Fault::Delay(short),
            8 => Fault::Delay(lease),
            9 => Fault::Late(lease),
            10 => Fault::Late(long),
            11 => Fault::CutOff(lease),
            12..15 => Fault::CutOff(long),
            15..17 => Fault::CrashBefore,
            17..20 => Fault::CrashAfter,
            20 | 21 => Fault::Repeat(lease),
            22 => Fault::HideMail(lease),
            // Within what a lease can bear: the holder stops a third of it before the others start.
            _ if !jumped => {
                jumped = true;
                Fault::Jump(LEASE / 4)
            }
            _ => Fault::Fail,
        };
        plan.0.insert(at, fault);
    }
    plan
}
