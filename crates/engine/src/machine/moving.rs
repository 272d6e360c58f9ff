//! Moving a run to another version of its workflow.
//!
//! What lies behind the run has to be the same in both versions: every step that has begun, with
//! its policies and the steps it needs, and the lists that it stands in. What lies ahead may
//! differ. Steps keep their numbers, so that whoever acts for them (attempts, child runs, locks)
//! need not be told; new steps get the numbers after the last.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    event::{ScopeRef, SkipReason, StepRef},
    open::count,
    state::{Phase, RunState},
};
use crate::{
    graph::{KindPlan, Plan, ScopeIx, StepPlan, ThenPlan},
    model::{Defaults, Step, Workflow},
};

/// A version of a workflow: what is written, and its plan.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What is written.
    pub workflow: &'a Workflow,
    /// Its plan.
    pub plan: &'a Plan,
}

/// Something behind the run that is not the same in both versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// The path of the step; empty: the workflow itself.
    pub path: String,
    /// What differs, in words.
    pub what: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.what),
            path => write!(f, "step `{path}` {}", self.what),
        }
    }
}

/// What is different ahead of a run, in the lists that are open: paths of steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ahead {
    /// They are new.
    pub added: BTreeSet<String>,
    /// They are not there any more.
    pub removed: BTreeSet<String>,
    /// They are written differently, or something in them is.
    pub changed: BTreeSet<String>,
}

/// Whether a run can move, and what would be different ahead of it.
///
/// # Errors
/// All that stands in the way.
pub fn movable(state: &RunState, from: Side<'_>, to: Side<'_>) -> Result<Ahead, Vec<Obstacle>> {
    let mut look = Look {
        state,
        from,
        to,
        written: (lists(from), lists(to)),
        obstacles: Vec::new(),
        ahead: Ahead::default(),
    };
    look.run();
    look.workflow();
    let mut places = Places::default();
    for number in 0..state.scopes.len() {
        let scope = ScopeRef(count(number));
        if let Some(ix) = places.find(state, from.plan, to.plan, scope) {
            look.scope(scope, ix);
        }
    }
    if look.obstacles.is_empty() { Ok(look.ahead) } else { Err(look.obstacles) }
}

/// Where the scopes of a run are in the other plan.
#[derive(Default)]
pub(super) struct Places(pub(super) BTreeMap<ScopeRef, ScopeIx>);

impl Places {
    /// None, if what opened it is not there, or is of another kind: that is told of its owner.
    pub(super) fn find(
        &mut self,
        state: &RunState,
        from: &Plan,
        to: &Plan,
        scope: ScopeRef,
    ) -> Option<ScopeIx> {
        let at = state.scope(scope);
        let ix = match at.owner {
            None if state.in_finally(scope) => to.finally?,
            None => Plan::ROOT,
            Some(owner) => {
                let around = *self.0.get(&state.step(owner).scope)?;
                let old = state.plan_of(from, owner);
                let place = *to.scope(around).by_id.get(&old.id)?;
                let nth = inner(old).into_iter().position(|ix| ix == at.plan)?;
                *inner(to.step(around, place)).get(nth)?
            }
        };
        self.0.insert(scope, ix);
        Some(ix)
    }
}

/// The lists inside of a step, in an order that its definition gives.
fn inner(step: &StepPlan) -> Vec<ScopeIx> {
    match &step.kind {
        KindPlan::Group(scope) => vec![*scope],
        KindPlan::Parallel(parallel) => parallel.branches.clone(),
        KindPlan::Map(map) => vec![map.body],
        KindPlan::Rollout(rollout) => {
            [Some(rollout.items.body), rollout.gate].into_iter().flatten().collect()
        }
        KindPlan::Repeat(repeat) => vec![repeat.body],
        KindPlan::Decision(choices) => choices
            .iter()
            .filter_map(|choice| match choice.then {
                ThenPlan::Scope(scope) => Some(scope),
                ThenPlan::Jump(_) => None,
            })
            .collect(),
        KindPlan::Task(_)
        | KindPlan::Child(_)
        | KindPlan::Set(_)
        | KindPlan::Wait(_)
        | KindPlan::Signal(_)
        | KindPlan::Approval(_) => Vec::new(),
    }
}

/// Each step of a version as it is written, by its place in the plan.
type Written = BTreeMap<(ScopeIx, String), Map<String, Value>>;

/// All steps of a version, without the lists inside of them.
fn lists(side: Side<'_>) -> Written {
    let mut written = Written::new();
    read(side, Plan::ROOT, &side.workflow.steps, &mut written);
    if let Some(finally) = side.plan.finally {
        read(side, finally, &side.workflow.finally, &mut written);
    }
    written
}

fn read(side: Side<'_>, ix: ScopeIx, steps: &[Step], written: &mut Written) {
    for step in steps {
        let plan = side.plan.scope(ix).by_id.get(&step.id).map(|place| side.plan.step(ix, *place));
        let inner = plan.map(inner).unwrap_or_default();
        for (list, ix) in step.lists().into_iter().zip(inner) {
            read(side, ix, list, written);
        }
        written.insert((ix, step.id.clone()), own(step, &side.workflow.defaults));
    }
}

/// A step without the lists inside of it, with the policies that it takes over.
fn own(step: &Step, defaults: &Defaults) -> Map<String, Value> {
    let mut step = step.clone().without_lists();
    let calls = matches!(step.kind, crate::model::StepKind::Task { .. });
    if calls {
        step.retry = step.retry.or_else(|| defaults.retry.clone());
    }
    step.timeout = step.timeout.or_else(|| defaults.timeout.clone());
    for policies in [
        step.cleanup.as_mut().map(|it| (&mut it.retry, &mut it.timeout)),
        step.undo.as_mut().map(|it| (&mut it.retry, &mut it.timeout)),
    ]
    .into_iter()
    .flatten()
    {
        *policies.0 = policies.0.take().or_else(|| defaults.retry.clone());
        *policies.1 = policies.1.take().or_else(|| defaults.timeout.clone());
    }
    match serde_json::to_value(&step) {
        Ok(Value::Object(mut fields)) => {
            fields.remove("description");
            fields
        }
        // A step is an object.
        Ok(_) | Err(_) => Map::new(),
    }
}

struct Look<'a> {
    state: &'a RunState,
    from: Side<'a>,
    to: Side<'a>,
    written: (Written, Written),
    obstacles: Vec<Obstacle>,
    ahead: Ahead,
}

impl Look<'_> {
    fn refuse(&mut self, path: impl Into<String>, what: impl Into<String>) {
        self.obstacles.push(Obstacle { path: path.into(), what: what.into() });
    }

    /// How the run stands.
    fn run(&mut self) {
        let root = self.state.scope(RunState::ROOT);
        if self.state.status.is_ended() {
            self.refuse("", format!("the run has ended: it is {}", self.state.status));
        } else if self.state.ending.is_some() {
            self.refuse("", "the run is ending: only its `finally` is under way");
        } else if root.stopped || root.failed || self.state.timed_out {
            self.refuse("", "the run is being stopped: nothing new starts in it");
        }
    }

    /// What holds for the run as a whole, and was settled when it began.
    fn workflow(&mut self) {
        let (from, to) = (self.from.workflow, self.to.workflow);
        if from.name != to.name {
            let (old, new) = (&from.name, &to.name);
            self.refuse("", format!("the run is one of workflow `{old}`, and that is `{new}`"));
        }
        let settled = [
            ("timeout", from.timeout == to.timeout),
            ("window", from.window == to.window),
            ("locks", from.locks == to.locks),
            ("limits", from.limits == to.limits),
            ("concurrency", from.concurrency == to.concurrency),
            ("queue_timeout", from.queue_timeout == to.queue_timeout),
        ];
        for (field, same) in settled {
            if !same {
                let what = format!("`{field}` of the workflow differs, and the run has begun");
                self.refuse("", what);
            }
        }
        if from.input != to.input {
            let input = (*self.state.created.input).clone();
            match crate::graph::validate_input(to, input.clone()) {
                Ok(same) if same == input => {}
                Ok(_) => self.refuse("", "`input` has new defaults, and the run has its input"),
                Err(problems) => {
                    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                    let what = format!("the run's input does not fit: {}", problems.join("; "));
                    self.refuse("", what);
                }
            }
        }
        if from.output != to.output || from.finally != to.finally {
            for (field, same) in
                [("output", from.output == to.output), ("finally", from.finally == to.finally)]
            {
                if !same {
                    self.ahead.changed.insert(field.to_owned());
                }
            }
        }
    }

    /// One list in which the run has been, or is.
    fn scope(&mut self, scope: ScopeRef, ix: ScopeIx) {
        let at = self.state.scope(scope);
        let prefix = self.state.scope_path(self.from.plan, scope);
        let mut known = HashSet::new();
        for step in self.state.steps_of(self.from.plan, scope) {
            let id = self.state.plan_of(self.from.plan, step).id.clone();
            let path = format!("{prefix}{id}");
            known.insert(id.clone());
            let behind = at.closed || self.has_begun(step);
            let same = self.differs(at.plan, ix, &id);
            match (behind, same) {
                (_, Ok(None)) => {}
                (true, Ok(Some(field))) => {
                    self.refuse(path, format!("has begun, and its `{field}` differs"));
                }
                (true, Err(())) => self.refuse(path, "has begun, and is not there any more"),
                (false, Ok(Some(_))) => drop(self.ahead.changed.insert(path)),
                (false, Err(())) => drop(self.ahead.removed.insert(path)),
            }
        }
        self.added(scope, ix, &prefix, &known);
    }

    /// What the other version has in this list beside.
    fn added(&mut self, scope: ScopeRef, ix: ScopeIx, prefix: &str, known: &HashSet<String>) {
        let places = 0..self.to.plan.scope(ix).len;
        let mut jumped = None;
        for place in places {
            let id = &self.to.plan.step(ix, place).id;
            let path = format!("{prefix}{id}");
            if known.contains(id) {
                let old = self.state.step_by_id(self.from.plan, scope, id);
                let skipped = old.map(|step| &self.state.step(step).main.phase);
                let skipped = matches!(skipped, Some(Phase::Skipped(SkipReason::Jump)));
                jumped = skipped.then(|| id.clone());
            } else if self.state.scope(scope).closed {
                self.refuse(path, "is new, in a list that is done");
            } else if let Some(before) = &jumped {
                let what = format!("is new, behind `{before}`, which the run has jumped over");
                self.refuse(path, what);
            } else {
                self.ahead.added.insert(path);
            }
        }
    }

    /// Whether a step can't be anything else any more: it has begun, or waits for what it asked for.
    fn has_begun(&self, step: StepRef) -> bool {
        self.state.step(step).main.phase != Phase::Pending
            || self.state.step(step).main.decided.is_some()
            || self.state.queued(step).is_some()
            || self.state.steps_before_windows().any(|(waiting, _)| waiting == step)
    }

    /// The first field in which a step differs; an error if it is not there.
    fn differs(&self, from: ScopeIx, to: ScopeIx, id: &str) -> Result<Option<String>, ()> {
        let written = |written: &Written, ix| written.get(&(ix, id.to_owned())).cloned();
        // The call of a map of child workflows is written in the map.
        let Some(old) = written(&self.written.0, from) else { return Ok(None) };
        let new = written(&self.written.1, to).ok_or(())?;
        let fields: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let field = fields.into_iter().find(|field| old.get(*field) != new.get(*field));
        if field.is_none() && needs(self.from.plan, from, id) != needs(self.to.plan, to, id) {
            return Ok(Some("needs".to_owned()));
        }
        if field.is_none() {
            let labels = |plan: &Plan, ix, id| {
                let step = plan.step(ix, plan.scope(ix).by_id[id]);
                inner(step).into_iter().map(|ix| plan.scope(ix).label.clone()).collect::<Vec<_>>()
            };
            if labels(self.from.plan, from, id) != labels(self.to.plan, to, id) {
                return Ok(Some("parallel".to_owned()));
            }
        }
        Ok(field.cloned())
    }
}

/// The ids of the steps that a step waits for.
fn needs(plan: &Plan, ix: ScopeIx, id: &str) -> BTreeSet<String> {
    let scope = plan.scope(ix);
    let Some(place) = scope.by_id.get(id) else { return BTreeSet::new() };
    let steps = (0..scope.len).map(|it| plan.step(ix, it));
    steps.filter(|step| step.needed_by.contains(place)).map(|step| step.id.clone()).collect()
}
