//! A run whose attempts end as the test says, step by step, by their paths.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rackwright_engine::{
    ErrorClass, Observation, RunId, RunStatus, StepError, Workflow,
    calendar::Windows,
    graph::{Plan, compile},
    machine::{
        Ahead, Call, Command, Created, Env, Event, Input, Order, Phase, RunState, Side, StepRef,
        TaskRef, Turn, Verdict, fold_moved, movable, react,
    },
    model::{NodeId, Timestamp},
};
use serde_json::{Value, json};

use crate::driver::{assert_same, effect};

pub(crate) struct Script {
    pub(crate) plan: Plan,
    workflow: Workflow,
    /// The plans that the run lived by before it was moved.
    past: Vec<Plan>,
    pub(crate) state: RunState,
    pub(crate) journal: Vec<(Timestamp, Event)>,
    /// Attempts under way.
    pub(crate) calls: Vec<Call>,
    /// Observations under way.
    pub(crate) looks: Vec<String>,
    /// Attempts that were told to stop.
    pub(crate) told: Vec<String>,
    /// The maintenance windows.
    pub(crate) windows: Windows,
    now: Timestamp,
    epoch: u64,
}

impl Script {
    pub(crate) fn new(steps: Value) -> Self {
        Self::of(json!({ "workflow": "scripted", "steps": steps }))
    }

    pub(crate) fn of(flow: Value) -> Self {
        Self::with_windows(flow, Windows::default())
    }

    pub(crate) fn with_windows(flow: Value, windows: Windows) -> Self {
        let workflow: Workflow = serde_json::from_value(flow).unwrap();
        let plan = compile(&workflow, &effect).unwrap();
        let now = Timestamp::from_micros(0);
        let run = RunId::from_parts(now, 1);
        let created = Created {
            run,
            workflow: plan.name.clone(),
            version: plan.version,
            input: Arc::new(Value::Null),
            parent: None,
            root: run,
            held: Vec::new(),
            priority: 0,
            requires: std::collections::BTreeMap::new(),
            labels: BTreeMap::new(),
            forked_from: None,
        };
        let state = RunState::new(&plan, created.clone());
        let journal = vec![(now, Event::Created(Box::new(created)))];
        let (calls, looks, told) = (Vec::new(), Vec::new(), Vec::new());
        let past = Vec::new();
        let mut script = Self {
            plan,
            workflow,
            past,
            state,
            journal,
            calls,
            looks,
            told,
            windows,
            now,
            epoch: 0,
        };
        script.claim();
        script
    }

    fn claim(&mut self) {
        self.epoch += 1;
        let node = NodeId(self.state.created.run.0);
        self.feed(Input::Claim { node, epoch: self.epoch });
    }

    pub(crate) fn feed(&mut self, input: Input) {
        let now = self.now;
        let mut turn = Turn::default();
        let mut env = Env { now, random: &mut || 1, windows: &self.windows };
        react(&self.plan, &mut self.state, input, &mut env, &mut turn).unwrap();
        self.journal.extend(turn.events.into_iter().map(|event| (now, event)));
        for command in turn.commands {
            match command {
                Command::Run(call) => self.calls.push(call),
                Command::Stop { task } => self.told.push(self.state.task_path(&self.plan, task)),
                Command::Observe(call) => self.looks.push(call.path),
                Command::Revoke(..)
                | Command::StartChild { .. }
                | Command::LookForChild { .. }
                | Command::StopChild { .. }
                | Command::Recall
                | Command::TellChild { .. }
                | Command::Ended { .. } => {}
            }
        }
        assert_same(&self.folded(), &self.state);
    }

    fn folded(&self) -> RunState {
        let plans: Vec<_> = self.past.iter().chain([&self.plan]).collect();
        fold_moved(&plans, self.journal.clone()).unwrap().unwrap()
    }

    /// Moves the run to another version, if it can: what is different ahead, or what is in the way.
    pub(crate) fn move_to(&mut self, flow: Value) -> Result<Ahead, Vec<String>> {
        let workflow: Workflow = serde_json::from_value(flow).unwrap();
        let plan = compile(&workflow, &effect).unwrap();
        let from = Side { workflow: &self.workflow, plan: &self.plan };
        let to = Side { workflow: &workflow, plan: &plan };
        let ahead = movable(&self.state, from, to)
            .map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let order = Order { by: "me".into(), reason: None };
        let event = Event::Migrated { version: plan.version, order };
        self.state.apply_move(&self.plan, &plan, &event).unwrap();
        self.journal.push((self.now, event));
        self.past.push(std::mem::replace(&mut self.plan, plan));
        self.workflow = workflow;
        assert_same(&self.folded(), &self.state);
        self.feed(Input::Tick);
        Ok(ahead)
    }

    /// The paths of the attempts under way.
    pub(crate) fn open(&self) -> Vec<&str> {
        self.calls.iter().map(|call| call.path.as_str()).collect()
    }

    fn end(&mut self, path: &str, result: Result<Value, StepError>) {
        let open = self.calls.iter().position(|call| call.path == path);
        let open = open.unwrap_or_else(|| panic!("{path} is not among {:?}", self.open()));
        let Call { task, attempt, .. } = self.calls.remove(open);
        self.feed(Input::AttemptEnded { task, attempt, result });
    }

    /// The attempt gives its path.
    pub(crate) fn done(&mut self, path: &str) {
        self.end(path, Ok(json!(path)));
    }

    pub(crate) fn fail(&mut self, path: &str) {
        self.end(path, Err(StepError::permanent("x.error", "failed")));
    }

    /// The attempt ends as one that was told to stop.
    pub(crate) fn stop(&mut self, path: &str) {
        self.end(path, Err(StepError::new("x.stopped", ErrorClass::Cancelled, "stopped")));
    }

    /// The attempt ends with this error.
    pub(crate) fn end_as(&mut self, path: &str, code: &str, class: ErrorClass) {
        self.end(path, Err(StepError::new(code, class, "ended")));
    }

    /// The only observation under way sees this.
    pub(crate) fn see(&mut self, path: &str, seen: Observation) {
        assert_eq!(self.looks, [path]);
        self.looks.clear();
        let steps = (0..).map(StepRef).take(self.state.steps.len());
        let mut tasks = steps.flat_map(TaskRef::all_of);
        let task = tasks.find(|task| self.state.task_path(&self.plan, *task) == path).unwrap();
        self.feed(Input::Observed { task, result: Ok(seen) });
    }

    pub(crate) fn cancel(&mut self) {
        self.feed(Input::Cancel(Order { by: "me".into(), reason: None }));
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.feed(Input::Tick);
    }

    /// The node dies and another one takes the run over.
    pub(crate) fn crash(&mut self) {
        self.state = self.folded();
        self.calls.clear();
        self.claim();
    }

    pub(crate) fn resolve(&mut self, path: &str, verdict: Verdict) {
        let (path, by, reason) = (path.to_owned(), "me".to_owned(), "so".to_owned());
        self.feed(Input::Resolve { path, verdict, by, reason });
    }

    /// The paths of what waits for a person, and why it does.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        let steps = (0..).map(StepRef).take(self.state.steps.len());
        let waits = |task| {
            let Phase::Attention(why) = &self.state.execution(task)?.phase else { return None };
            Some((self.state.task_path(&self.plan, task), why["reason"].clone()))
        };
        steps.flat_map(TaskRef::all_of).filter_map(waits).collect()
    }

    /// How the first step ended, and what it gave.
    pub(crate) fn first(&self) -> (&'static str, Value) {
        let main = &self.state.steps[0].main;
        (main.phase.as_str(), main.output.as_deref().cloned().unwrap_or_default())
    }

    pub(crate) fn ended(&self, status: RunStatus) {
        assert_eq!((self.state.status, self.open()), (status, Vec::new()));
        assert_eq!((self.state.in_flight, self.state.next_timer()), (0, None));
    }
}
