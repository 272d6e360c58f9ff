//! The laws, read from the journals and the device after everything has ended.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use anyhow::Result;
use rackwright_engine::{
    Client, Effect, RunId, RunStatus, Workflow,
    graph::{KindPlan, Plan, TaskPlan, compile},
    machine::{Event, Inner, Phase, Role, RunState, TaskRef, Verdict},
    step::Observation,
    store::{JournalRow, RunFilter, RunRecord},
    testing::Device,
};

use super::{actors::EXECUTORS, figures::Figures, invariants::Invariants, scene::Scene};
use crate::laws;

/// What a template of `max_attempts` gives in the generator's workflows, where it gives anything.
const TEMPLATE: u32 = 3;

/// What a panic said.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Holds everything against the laws. `ended`: all runs came to their end.
pub(super) async fn judge(
    scene: &Scene,
    client: &Client,
    device: &Device,
    ended: bool,
    figures: &mut Figures,
) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    let filter = RunFilter { limit: 10_000, ..RunFilter::default() };
    let mut ends = BTreeMap::new();
    let mut children = Vec::new();
    for record in client.runs(&filter).await? {
        let rows = client.journal(record.id, 0).await?;
        let workflow = if record.workflow == scene.kid.name { &scene.kid } else { &scene.workflow };
        let run = Run::read(workflow, &record, &rows)?;
        figures.of_events(run.events());
        figures.add("runs", 1);
        figures.add(&format!("runs {}", record.status), 1);
        ends.insert(record.id, record.status);
        let found = run.breaches(workflow, device, ended);
        breaches.extend(found.into_iter().map(|it| format!("run {}: {it}", record.id)));
        let stopped = run.events().any(|event| matches!(event, Event::EmergencyStopped(_)));
        children.extend(run.children().into_iter().map(|it| (it, stopped)));
    }
    for ((child, said), stopped) in children {
        let is = ends.get(&child);
        // One that was recorded and not made yet is not made after a stop in an emergency.
        let never_began = is.is_none() && stopped && said == RunStatus::Cancelled;
        if is != Some(&said) && !never_began {
            breaches.push(format!("child {child} is {is:?}, its parent recorded {said}"));
        }
    }
    Ok(breaches)
}

struct Run<'a> {
    record: &'a RunRecord,
    plan: Plan,
    turns: Vec<(&'a JournalRow, Vec<Event>)>,
}

impl<'a> Run<'a> {
    fn read(workflow: &Workflow, record: &'a RunRecord, rows: &'a [JournalRow]) -> Result<Self> {
        let effect =
            |name: &str| EXECUTORS.iter().find(|(it, _)| *it == name).map(|(_, effect)| *effect);
        let plan = compile(workflow, &effect)?;
        let mut turns = Vec::new();
        for row in rows {
            turns.push((row, serde_json::from_slice(&row.events)?));
        }
        Ok(Self { record, plan, turns })
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.turns.iter().flat_map(|(_, events)| events)
    }

    /// The children whose ends are recorded, and how they ended.
    fn children(&self) -> Vec<(RunId, RunStatus)> {
        let mut by_step = BTreeMap::new();
        let mut ends = Vec::new();
        for event in self.events() {
            if let Event::ChildStarted { step, run } = event {
                by_step.insert(*step, *run);
            }
            if let Event::ChildEnded { step, status, .. } = event {
                ends.extend(by_step.get(step).map(|run| (*run, *status)));
            }
        }
        ends
    }

    fn breaches(&self, workflow: &Workflow, device: &Device, ended: bool) -> Vec<String> {
        let mut breaches = self.owners();
        // The laws of the machine, held by the machine's own tests; they panic.
        let lived = catch_unwind(AssertUnwindSafe(|| self.live_again(ended)));
        let state = match lived {
            Ok(state) => state,
            Err(panic) => {
                breaches.push(text_of(&*panic));
                return breaches;
            }
        };
        let verify =
            |task| self.task(&state, task).is_some_and(|plan| plan.effect == Effect::Verify);
        breaches.extend(laws::examine(self.events(), verify).breaches);
        breaches.extend(self.attempts(workflow, &state));
        breaches.extend(left_out(&state));
        breaches.extend(self.done(&state, device));
        if ended && (state.status != self.record.status || self.record.owner.is_some()) {
            breaches.push(format!("its row does not say that it is {}", state.status));
        }
        breaches
    }

    /// Rows belong to the owner that claimed the run before them; each owner is a later one.
    fn owners(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        let mut epoch = 0;
        for (number, (row, events)) in self.turns.iter().enumerate() {
            for event in events {
                if let Event::Claimed { epoch: claimed, .. } = event {
                    epoch = epoch.max(*claimed);
                }
            }
            if row.epoch != epoch || row.seq != number as u64 {
                breaches.push(format!("row {number} is {} of epoch {}", row.seq, row.epoch));
            }
        }
        breaches
    }

    /// Folds the journal turn by turn, and holds each to the invariants of the machine.
    fn live_again(&self, ended: bool) -> RunState {
        let mut invariants = Invariants::default();
        let mut state: Option<RunState> = None;
        for (row, events) in &self.turns {
            let mut events = events.as_slice();
            if let (None, [Event::Created(created), rest @ ..]) = (&state, events) {
                state = Some(RunState::new(&self.plan, (**created).clone()));
                events = rest;
            }
            let Some(state) = &mut state else { panic!("it begins without its creation") };
            invariants.check_turn(&self.plan, state.clone(), events, row.at);
            for event in events {
                if let Err(error) = state.apply(&self.plan, event, row.at) {
                    panic!("row {}: {error}", row.seq);
                }
            }
        }
        let Some(state) = state else { panic!("its journal is empty") };
        if ended {
            invariants.check_end(&self.plan, &state);
        }
        state
    }

    fn task(&self, state: &RunState, task: TaskRef) -> Option<&TaskPlan> {
        let step = state.plan_of(&self.plan, task.step);
        match (task.role, &step.kind) {
            (Role::Main, KindPlan::Task(plan)) => Some(plan),
            (Role::Cleanup, _) => step.cleanup.as_ref().map(|cleanup| &cleanup.task),
            (Role::Undo, _) => step.undo.as_ref(),
            (Role::Main, _) => None,
        }
    }

    /// No step is attempted more often than its policy, and people, say.
    fn attempts(&self, workflow: &Workflow, state: &RunState) -> Vec<String> {
        let mut again: BTreeMap<TaskRef, u32> = BTreeMap::new();
        let mut most: BTreeMap<TaskRef, u32> = BTreeMap::new();
        for event in self.events() {
            if let Event::Started { task, attempt } = event {
                let seen = most.entry(*task).or_default();
                *seen = (*attempt).max(*seen);
            }
            // What is seen under way is carried on, also after the last attempt was told to stop.
            if let Event::Resolved { task, verdict: Verdict::Retry, .. }
            | Event::Observed { task, seen: Observation::InProgress(_) } = event
            {
                *again.entry(*task).or_default() += 1;
            }
        }
        let allowed = most_attempts(workflow);
        let mut breaches = Vec::new();
        for (task, attempts) in most {
            let path = state.path(&self.plan, task.step);
            let Some(allowed) = allowed.get(&shape_of(&path)).filter(|_| task.role == Role::Main)
            else {
                continue;
            };
            if attempts > allowed + again.get(&task).unwrap_or(&0) {
                breaches.push(format!("{path} was attempted {attempts} times, {allowed} allowed"));
            }
        }
        breaches
    }

    /// What must be verified and is recorded as done took effect, unless a person says so.
    fn done(&self, state: &RunState, device: &Device) -> Vec<String> {
        let mut by_hand = BTreeSet::new();
        let mut breaches = Vec::new();
        for event in self.events() {
            if let Event::Resolved { task, .. } = event {
                by_hand.insert(*task);
            }
            if let Event::MarkedDone { step, .. } = event {
                by_hand.insert(TaskRef::main(*step));
            }
            let Event::Completed { task, .. } = event else { continue };
            let verify = self.task(state, *task).is_some_and(|it| it.effect == Effect::Verify);
            let path = state.task_path(&self.plan, *task);
            if verify && !by_hand.contains(task) {
                let record = device.record(self.record.id, &path);
                if record.job.is_none() {
                    breaches.push(format!("{path} is recorded as done, and was not: {record:?}"));
                }
            }
        }
        breaches
    }
}

/// The steps' attempts by the shape of their paths.
fn most_attempts(workflow: &Workflow) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    let value = serde_json::to_value(workflow).unwrap_or_default();
    if let Some(steps) = value.get("steps") {
        collect(steps, "", &mut found);
    }
    found
}

fn collect(value: &serde_json::Value, above: &str, found: &mut BTreeMap<String, u32>) {
    for step in value.as_array().into_iter().flatten() {
        let Some(id) = step.get("id").and_then(serde_json::Value::as_str) else { continue };
        let path = format!("{above}{id}");
        let retry = step.get("retry").and_then(|retry| retry.get("max_attempts"));
        let most = retry.map_or(1, |most| {
            most.as_u64().and_then(|most| u32::try_from(most).ok()).unwrap_or(TEMPLATE)
        });
        if step.get("uses").is_some() {
            found.insert(path.clone(), most);
        }
        below(step, &format!("{path}/"), found);
    }
}

/// The lists below a step, whatever its kind: those of branches stand under the branch's name.
fn below(value: &serde_json::Value, path: &str, found: &mut BTreeMap<String, u32>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        match (key.as_str(), inner) {
            ("steps", list) => collect(list, path, found),
            ("parallel", serde_json::Value::Object(branches)) => {
                for (name, branch) in branches {
                    below(branch, &format!("{path}{name}/"), found);
                }
            }
            ("decision", serde_json::Value::Array(choices)) => {
                for choice in choices {
                    below(choice, path, found);
                }
            }
            _ => {}
        }
    }
}

/// A map that came to its end by itself left no item out; one of a past iteration keeps none.
fn left_out(state: &RunState) -> Vec<String> {
    let done = state.steps.iter().filter(|step| step.main.phase == Phase::Completed);
    let left_out = done.filter(
        |step| matches!(&step.inner, Inner::Map(map) if !map.items.is_empty() && map.scopes.len() != map.items.len()),
    );
    left_out.map(|step| format!("a map left items out: {step:?}")).collect()
}

/// A path without the numbers of items.
fn shape_of(path: &str) -> String {
    let mut shape = String::new();
    let mut inside = false;
    for letter in path.chars() {
        match letter {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside => shape.push(letter),
            _ => {}
        }
    }
    shape
}
