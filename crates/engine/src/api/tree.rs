//! The tree of a run's steps, as lists and screens show it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::view::{AttemptView, RunView};
use crate::{
    graph::{KindPlan, StepPlan},
    machine::{
        Ask, Inner, Phase, Role, RolloutState, RunState, ScopeRef, Stage, StepRef, TaskRef,
        WindowWait,
    },
    model::{LockClaim, RunId, StepError, Timestamp},
    step::Holding,
};

/// What kind of line a [`StepView`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Calls an executor.
    Task,
    /// Runs another workflow.
    Workflow,
    /// Runs branches.
    Parallel,
    /// A branch of a `parallel`.
    Branch,
    /// Goes through a list.
    Map,
    /// Goes through a list in waves.
    Rollout,
    /// An item of a map or roll-out.
    Item,
    /// What stands behind a wave of a roll-out.
    Gate,
    /// Chooses.
    Decision,
    /// Computes.
    Set,
    /// Does its steps again.
    Repeat,
    /// An iteration of a repeat.
    Iteration,
    /// Waits.
    Wait,
    /// Waits for a signal.
    Signal,
    /// Asks people.
    Approval,
    /// Groups.
    Group,
    /// Meets an obligation.
    Cleanup,
    /// Takes back what a step did.
    Undo,
    /// What is done at the end, however the run ends.
    Finally,
}

/// Why a step waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// For what, in words: `for its time`.
    pub reason: String,
    /// Until when at most.
    pub until: Option<Timestamp>,
    /// What people are asked.
    pub ask: Option<Arc<Ask>>,
}

/// A node of the tree.
#[derive(Clone, Debug, Serialize)]
pub struct StepView {
    /// Its address in the run.
    pub path: String,
    /// The last part of that.
    pub name: String,
    /// Of an item of a map: a short text that tells which element it is.
    pub label: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// The executor or workflow that it calls.
    pub uses: Option<String>,
    /// Where it is in its life (`pending`, `running`, `completed`, …).
    pub status: &'static str,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its attempts.
    pub attempts: Vec<AttemptView>,
    /// What it gave.
    pub output: Option<Arc<Value>>,
    /// Why it failed.
    pub error: Option<Arc<StepError>>,
    /// When the next attempt is due.
    pub retry_at: Option<Timestamp>,
    /// The maintenance window that it waits for.
    pub window: Option<WindowWait>,
    /// What it waits for, while it waits by itself and not for an attempt.
    pub waits: Option<Waits>,
    /// What a person has to know to decide, while it waits for one.
    pub evidence: Option<Arc<Value>>,
    /// What an attempt holds on its target and has not given back.
    pub holdings: Vec<Holding>,
    /// The locks and limits that it waits for before it can start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<LockClaim>,
    /// The child run.
    pub child: Option<RunId>,
    /// Of a map or roll-out: how many items there are, have ended, and failed.
    pub items: Option<(usize, usize, usize)>,
    /// Of a roll-out: its present wave.
    pub wave: Option<WaveView>,
    /// What it holds.
    pub steps: Vec<StepView>,
}

/// The present wave of a roll-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WaveView {
    /// Its number, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// While it is watched: until when.
    pub soaks_until: Option<Timestamp>,
    /// Its gate is under way.
    pub in_gate: bool,
    /// It was halted, and what the roll-out has done is being taken back.
    pub undoing: bool,
}

impl WaveView {
    fn of(rollout: &RolloutState) -> Self {
        let (soaks_until, in_gate) = match rollout.stage {
            Stage::Soaking(until) => (Some(until), false),
            Stage::Gate(_) => (None, true),
            Stage::Items | Stage::Gated | Stage::Done | Stage::Undoing => (None, false),
        };
        let of = rollout.ends.len();
        let undoing = rollout.stage == Stage::Undoing;
        Self { number: rollout.wave as usize + 1, of, soaks_until, in_gate, undoing }
    }
}

impl RunView {
    /// The tree of the run's steps.
    pub fn tree(&self) -> Vec<StepView> {
        let mut lines = self.scope(RunState::ROOT);
        if let Some(ending) = self.state.ending {
            let steps = self.scope(ending.scope);
            let name = "finally".to_owned();
            lines.push(self.scope_line(ending.scope, name.clone(), name, Kind::Finally, steps));
        }
        lines
    }

    fn scope(&self, scope: ScopeRef) -> Vec<StepView> {
        let steps = self.state.steps_of(&self.plan, scope);
        let mut lines: Vec<StepView> = Vec::new();
        for step in self.state.steps_of(&self.plan, scope) {
            lines.push(self.step(step));
        }
        let owed = steps.rev().flat_map(|step| [TaskRef::undo(step), TaskRef::cleanup(step)]);
        lines.extend(owed.filter_map(|task| self.obligation(task)));
        lines
    }

    fn step(&self, step: StepRef) -> StepView {
        let plan = self.state.plan_of(&self.plan, step);
        let state = self.state.step(step);
        let (kind, uses) = kind_of(plan);
        let times = self.times.get(&step);
        let started =
            state.main.phase != Phase::Pending && !matches!(state.main.phase, Phase::Skipped(_));
        let mut view = self.line(TaskRef::main(step), plan.id.clone(), kind, uses);
        view.window = self.state.step_window(step).cloned();
        if view.window.is_some() {
            view.status = "waiting";
        }
        view.started_at = times.map(|it| it.0).filter(|_| started);
        view.ended_at = times.and_then(|it| it.1).filter(|_| started);
        if let Some(queued) = self.state.queued(step).filter(|queued| !queued.granted) {
            view.waits_for.clone_from(&queued.claims);
        }
        match &state.inner {
            Inner::None => {}
            Inner::Child(run) => view.child = Some(*run),
            Inner::Scopes { scopes, .. } => {
                view.steps = scopes.iter().flat_map(|scope| self.branch(*scope)).collect();
            }
            Inner::Map(map) => {
                let closed = map.scopes.iter().filter(|it| self.state.scope(**it).closed).count();
                view.items = Some((map.items.len(), closed, map.failed as usize));
                let item = |scope: &ScopeRef| self.item(&view.path, &map.items, *scope);
                view.steps = map.scopes.iter().map(item).collect();
                if let Some(rollout) = &map.rollout {
                    view.wave = Some(WaveView::of(rollout));
                    self.put_gates(rollout, &mut view.steps);
                }
            }
            Inner::Repeat(repeat) => {
                let mut last = self.item(&view.path, &[], repeat.scope);
                last.kind = Kind::Iteration;
                view.steps = vec![last];
                if state.main.phase == Phase::Running {
                    view.waits = repeat.pause.map(|until| Waits {
                        reason: format!("before iteration {}", repeat.iteration + 1),
                        until: Some(until),
                        ask: None,
                    });
                }
            }
            Inner::Wait(_) | Inner::Signal | Inner::Approval(_) => {
                if state.main.phase == Phase::Running {
                    view.status = "waiting";
                    view.waits = self.waits(step);
                }
            }
        }
        view
    }

    fn waits(&self, step: StepRef) -> Option<Waits> {
        let state = self.state.step(step);
        let deadline = state.main.deadline();
        match (&self.state.plan_of(&self.plan, step).kind, &state.inner) {
            (_, Inner::Wait(until)) => {
                Some(Waits { reason: "for its time".to_owned(), until: Some(*until), ask: None })
            }
            (_, Inner::Approval(ask)) => Some(Waits {
                reason: "for an approval".to_owned(),
                until: [ask.until, deadline].into_iter().flatten().min(),
                ask: Some(Arc::clone(ask)),
            }),
            (KindPlan::Signal(signal), Inner::Signal) => {
                let reason = format!("for the signal `{}`", signal.name);
                Some(Waits { reason, until: deadline, ask: None })
            }
            (_, _) => None,
        }
    }

    fn obligation(&self, task: TaskRef) -> Option<StepView> {
        let plan = self.state.plan_of(&self.plan, task.step);
        self.state.execution(task)?;
        let (kind, uses) = match task.role {
            Role::Main => return None,
            Role::Cleanup => (Kind::Cleanup, plan.cleanup.as_ref().map(|it| &it.task)),
            Role::Undo => (Kind::Undo, plan.undo.as_ref()),
        };
        let name = format!("{} ({})", plan.id, task.role.name().unwrap_or_default());
        let mut view = self.line(task, name, kind, uses.map(|it| it.uses.clone()));
        view.started_at = view.attempts.first().map(|attempt| attempt.started_at);
        view.ended_at = view.attempts.last().and_then(|attempt| attempt.ended_at);
        Some(view)
    }

    fn line(&self, task: TaskRef, name: String, kind: Kind, uses: Option<String>) -> StepView {
        let execution = self.state.execution(task);
        let (retry_at, evidence) = match execution.map(|it| &it.phase) {
            Some(Phase::Retrying(at) | Phase::ObserveRetrying(at) | Phase::RevokeRetrying(at)) => {
                (Some(*at), None)
            }
            Some(Phase::Attention(evidence)) => (None, Some(Arc::clone(evidence))),
            Some(
                Phase::Pending
                | Phase::Running
                | Phase::Interrupted
                | Phase::Revoking
                | Phase::Observing
                | Phase::Cleared
                | Phase::Completed
                | Phase::Failed
                | Phase::Cancelled
                | Phase::Skipped(_),
            )
            | None => (None, None),
        };
        StepView {
            path: self.state.task_path(&self.plan, task),
            name,
            label: None,
            kind,
            uses,
            status: execution.map_or("pending", |it| it.phase.as_str()),
            started_at: None,
            ended_at: None,
            attempts: self.attempts.get(&task).cloned().unwrap_or_default(),
            output: execution.and_then(|it| it.output.clone()),
            error: execution.and_then(|it| it.error.clone()),
            retry_at,
            window: None,
            waits: None,
            evidence,
            holdings: execution.map(|it| it.holdings.clone()).unwrap_or_default(),
            waits_for: Vec::new(),
            child: None,
            items: None,
            wave: None,
            steps: Vec::new(),
        }
    }

    /// A branch of a `parallel` is a line of its own; the scope of a group is not.
    fn branch(&self, scope: ScopeRef) -> Vec<StepView> {
        let steps = self.scope(scope);
        match &self.plan.scope(self.state.scope(scope).plan).label {
            None => steps,
            Some(label) => {
                let path = self.state.scope_path(&self.plan, scope);
                let path = path.trim_end_matches('/').to_owned();
                vec![self.scope_line(scope, path, label.clone(), Kind::Branch, steps)]
            }
        }
    }

    /// Puts each gate behind the items of its wave.
    fn put_gates(&self, rollout: &RolloutState, lines: &mut Vec<StepView>) {
        for (scope, end) in rollout.gates.iter().zip(&rollout.ends).rev() {
            let path = self.state.scope_path(&self.plan, *scope);
            let path = path.trim_end_matches('/').to_owned();
            let wave = self.state.scope(*scope).wave.unwrap_or_default();
            let name = format!("gate[{wave}]");
            let line = self.scope_line(*scope, path, name, Kind::Gate, self.scope(*scope));
            lines.insert((*end as usize).min(lines.len()), line);
        }
    }

    fn item(&self, map: &str, items: &[Value], scope: ScopeRef) -> StepView {
        let number = self.state.scope(scope).item.unwrap_or_default();
        let path = format!("{map}[{number}]");
        let name = format!("[{number}]");
        let mut view = self.scope_line(scope, path, name, Kind::Item, self.scope(scope));
        view.label = items.get(number as usize).and_then(element_label);
        view
    }

    fn scope_line(
        &self,
        scope: ScopeRef,
        path: String,
        name: String,
        kind: Kind,
        steps: Vec<StepView>,
    ) -> StepView {
        let state = self.state.scope(scope);
        let status = match (state.closed, state.failed, state.cancelled) {
            (false, _, _) => "running",
            (true, true, _) => "failed",
            (true, false, true) => "cancelled",
            (true, false, false) => "completed",
        };
        StepView {
            path,
            name,
            label: None,
            kind,
            uses: None,
            status,
            started_at: steps.iter().filter_map(|step| step.started_at).min(),
            ended_at: steps.iter().filter_map(|step| step.ended_at).max().filter(|_| state.closed),
            attempts: Vec::new(),
            output: state.output.clone(),
            error: state.error.clone(),
            retry_at: None,
            window: None,
            waits: None,
            evidence: None,
            holdings: Vec::new(),
            waits_for: Vec::new(),
            child: None,
            items: None,
            wave: None,
            steps,
        }
    }
}

fn kind_of(plan: &StepPlan) -> (Kind, Option<String>) {
    match &plan.kind {
        KindPlan::Task(task) => (Kind::Task, Some(task.uses.clone())),
        KindPlan::Child(child) => (Kind::Workflow, Some(child.workflow.clone())),
        KindPlan::Parallel(_) => (Kind::Parallel, None),
        KindPlan::Map(_) => (Kind::Map, None),
        KindPlan::Rollout(_) => (Kind::Rollout, None),
        KindPlan::Decision(_) => (Kind::Decision, None),
        KindPlan::Set(_) => (Kind::Set, None),
        KindPlan::Repeat(_) => (Kind::Repeat, None),
        KindPlan::Wait(_) => (Kind::Wait, None),
        KindPlan::Signal(_) => (Kind::Signal, None),
        KindPlan::Approval(_) => (Kind::Approval, None),
        KindPlan::Group(_) => (Kind::Group, None),
    }
}

/// What an element calls itself, or the element if it is short.
fn element_label(element: &Value) -> Option<String> {
    const NAMES: [&str; 4] = ["name", "hostname", "host", "id"];
    const LONGEST: usize = 40;
    let named = NAMES.iter().find_map(|name| element.get(name));
    match named.unwrap_or(element) {
        Value::String(text) if text.chars().count() <= LONGEST => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}
