//! The journals of all runs in a store.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use rackwright_engine::{
    Client, Effect, Registry, RunId, RunStatus,
    api::{Kind, RunView, StepView},
    machine::{Event, TaskRef},
    store::{JournalRow, RunFilter, RunRecord},
};
use rackwright_lab::Rack;
use rackwright_steps_ssh::DeviceTypes;

use crate::laws::{Findings, examine};

/// One run: its row, its journal and what that says.
#[derive(Debug)]
pub struct Run {
    /// Its row.
    pub record: RunRecord,
    /// Its journal.
    pub rows: Vec<JournalRow>,
    /// The events of the journal.
    pub events: Vec<Event>,
    /// The journal, folded.
    pub view: RunView,
}

/// All runs, by id.
#[derive(Debug)]
pub struct Journals(pub BTreeMap<RunId, Run>);

impl Journals {
    /// Reads them. Nobody may write meanwhile.
    ///
    /// # Errors
    /// When the store can't be read, or a journal does not fold.
    pub async fn read(client: &Client) -> Result<Self> {
        let filter = RunFilter { limit: 10_000, ..RunFilter::default() };
        let mut runs = BTreeMap::new();
        for record in client.runs(&filter).await? {
            let id = record.id;
            let rows = client.journal(id, 0).await?;
            let mut events = Vec::new();
            for row in &rows {
                let more: Vec<Event> = serde_json::from_slice(&row.events)
                    .with_context(|| format!("row {} of run {id}", row.seq))?;
                events.extend(more);
            }
            let view = client.view(id).await?;
            runs.insert(id, Run { record, rows, events, view });
        }
        Ok(Self(runs))
    }

    /// Whether every run has ended this way, and there is one.
    pub fn all(&self, status: RunStatus) -> bool {
        !self.0.is_empty() && self.0.values().all(|run| run.record.status == status)
    }

    /// What was recorded before has to be there still, and no run may be gone.
    ///
    /// # Errors
    /// When something is missing or different.
    pub fn continues(&self, before: &Self) -> Result<()> {
        for (id, old) in &before.0 {
            let new = self.0.get(id).with_context(|| format!("run {id} is gone"))?;
            let kept = new.rows.get(..old.rows.len()) == Some(&old.rows[..]);
            ensure!(kept, "the journal of run {id} is not what it was");
        }
        Ok(())
    }

    /// Holds the journals to the laws.
    pub fn findings(&self, effects: &BTreeMap<String, Effect>) -> Findings {
        let mut all = Findings::default();
        for (id, run) in &self.0 {
            let verify = |task| {
                let uses = uses(&run.view, task);
                uses.and_then(|uses| effects.get(&uses)) == Some(&Effect::Verify)
            };
            let found = examine(&run.events, verify);
            all.breaches.extend(found.breaches.into_iter().map(|it| format!("run {id}: {it}")));
            all.interrupted += found.interrupted;
            all.interrupted_verify += found.interrupted_verify;
            all.observed += found.observed;
            all.revoked += found.revoked;
        }
        all
    }

    /// The tasks, each with its machine: whatever the run's input or the map's item names.
    pub fn tasks(&self, rack: &Rack) -> Vec<Task> {
        let mut tasks = Vec::new();
        for run in self.0.values() {
            let machine = run
                .view
                .state()
                .created
                .input
                .get("server_id")
                .and_then(|id| rack.find(id.as_str()?))
                .map(|index| rack.machines[index].hostname.clone());
            collect(&run.view.tree(), machine.as_deref(), &mut tasks);
        }
        tasks
    }

    /// What is recorded as completed: machine and executor, where every step of that executor on
    /// that machine is.
    pub fn completed(&self, rack: &Rack) -> BTreeSet<(String, String)> {
        let tasks = self.tasks(rack);
        let key = |task: &Task| Some((task.machine.clone()?, task.executor.clone()));
        let open: BTreeSet<_> =
            tasks.iter().filter(|task| task.status != "completed").filter_map(key).collect();
        tasks.iter().filter_map(key).filter(|key| !open.contains(key)).collect()
    }
}

/// A task of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Host name of the machine that its run is about.
    pub machine: Option<String>,
    /// Its path in its run.
    pub path: String,
    /// What it uses.
    pub executor: String,
    /// Where it is in its life.
    pub status: &'static str,
}

fn collect(steps: &[StepView], machine: Option<&str>, tasks: &mut Vec<Task>) {
    for step in steps {
        if let (Kind::Task | Kind::Cleanup | Kind::Undo, Some(uses)) = (step.kind, &step.uses) {
            tasks.push(Task {
                machine: machine.map(ToOwned::to_owned),
                path: step.path.clone(),
                executor: uses.clone(),
                status: step.status,
            });
        }
        collect(&step.steps, machine, tasks);
    }
}

/// The executor of a task.
fn uses(view: &RunView, task: TaskRef) -> Option<String> {
    let path = view.state().task_path(view.plan(), task);
    let mut open = view.tree();
    while let Some(step) = open.pop() {
        if step.path == path && matches!(step.kind, Kind::Task | Kind::Cleanup | Kind::Undo) {
            return step.uses;
        }
        open.extend(step.steps);
    }
    None
}

/// The effect of each executor, by its name.
///
/// # Errors
/// When two of them have one name.
pub fn effects() -> Result<BTreeMap<String, Effect>> {
    let mut registry = Registry::new();
    rackwright_steps_maas::register(&mut registry)?;
    rackwright_steps_ssh::register(&mut registry, DeviceTypes::default())?;
    Ok(registry.iter().map(|(name, it)| (name.to_owned(), it.describe().effect)).collect())
}
