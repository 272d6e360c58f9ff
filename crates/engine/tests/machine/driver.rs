//! Drives a machine the way a node does, with every choice taken from a list of random numbers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rackwright_engine::{
    Effect, ErrorClass, Holding, Observation, RunId, RunStatus, StepError, Workflow,
    calendar::Windows,
    graph::{Plan, compile},
    machine::{
        ApprovalAnswer, Command, Control, Created, Env, Event, Input, LockChange, Order, RunState,
        SentSignal, StepRef, TaskRef, Turn, Verdict, WindowInput, fold, fork, react,
    },
    model::{NodeId, Timestamp},
};
use serde_json::json;

use crate::invariants::Invariants;

/// A command that was given and has not come to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Open {
    Run(TaskRef, u32),
    Observe(TaskRef),
    Revoke(TaskRef),
    Child(StepRef, RunId),
    /// Waits for locks; none: the run itself.
    Lock(Option<StepRef>, u32),
}

pub(crate) struct Driver {
    pub(crate) plan: Plan,
    pub(crate) state: RunState,
    pub(crate) journal: Vec<(Timestamp, Event)>,
    pub(crate) open: Vec<Open>,
    invariants: Invariants,
    windows: Windows,
    choices: Vec<u32>,
    next: usize,
    now: Timestamp,
    epoch: u64,
}

pub(crate) fn effect(name: &str) -> Option<Effect> {
    match name {
        "x.read" => Some(Effect::Read),
        "x.idem" => Some(Effect::Idempotent),
        "x.verify" => Some(Effect::Verify),
        _ => None,
    }
}

/// `minute` is open for the first 20 seconds of each.
pub(crate) fn windows() -> Windows {
    let window = json!({ "cron": "* * * * *", "duration": "20s", "time_zone": "UTC" });
    let mut windows = Windows::default();
    windows.insert("minute", serde_json::from_value(window).unwrap());
    windows
}

impl Driver {
    pub(crate) fn new(workflow: &Workflow, choices: Vec<u32>) -> Self {
        let plan = compile(workflow, &effect).unwrap();
        let now = Timestamp::from_micros(1_000_000);
        let run = RunId::from_parts(now, 1);
        let created = Created {
            run,
            workflow: workflow.name.clone(),
            version: plan.version,
            input: Arc::new(json!({ "n": 3 })),
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
        let mut driver = Self {
            plan,
            state,
            journal,
            open: Vec::new(),
            invariants: Invariants::default(),
            windows: windows(),
            choices,
            next: 0,
            now,
            epoch: 0,
        };
        driver.claim();
        driver
    }

    /// A new run that goes on from this one, which has ended: from what failed, or from any step.
    pub(crate) fn fork(mut self) -> Option<Self> {
        let steps = u32::try_from(self.state.steps.len()).unwrap();
        let step = StepRef(self.choose(steps));
        let failed = self.state.status != RunStatus::Completed;
        let path = (!failed || self.choose(2) == 0).then(|| self.state.path(&self.plan, step));
        let forked = fork(&self.plan, &self.state, path.as_deref(), order(), false);
        if self.state.in_finally(self.state.step(step).scope) && path.is_some() {
            assert!(forked.is_err());
            return None;
        }
        let forked = forked.expect("a run that has ended can be forked from any step");
        let run = RunId::from_parts(self.now, 2);
        let forked_from = Some(Box::new(forked));
        let created = Created { run, root: run, forked_from, ..(*self.state.created).clone() };
        self.state = RunState::new(&self.plan, created.clone());
        self.journal = vec![(self.now, Event::Created(Box::new(created)))];
        (self.open, self.invariants, self.epoch) = (Vec::new(), Invariants::default(), 0);
        self.claim();
        Some(self)
    }

    fn choose(&mut self, below: u32) -> u32 {
        let choice = self.choices.get(self.next % self.choices.len().max(1)).copied().unwrap_or(0);
        self.next += 1;
        // After the list is used up, the choices go on differently.
        (choice.wrapping_add(u32::try_from(self.next).unwrap_or(0) / 7)) % below
    }

    fn claim(&mut self) {
        self.epoch += 1;
        let node = NodeId(self.state.created.run.0);
        self.feed(Input::Claim { node, epoch: self.epoch });
    }

    pub(crate) fn feed(&mut self, input: Input) {
        let mut turn = Turn::default();
        // No two turns draw the same numbers: they become the ids of child runs.
        let mut seed = u64::from(self.choose(u32::MAX)) << 32 | self.next as u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed
        };
        let mut env = Env { now: self.now, random: &mut random, windows: &self.windows };
        let before = self.state.clone();
        react(&self.plan, &mut self.state, input, &mut env, &mut turn).expect("a legal turn");
        self.invariants.check_turn(&self.plan, before, &turn.events, self.now);
        self.journal.extend(turn.events.into_iter().map(|event| (self.now, event)));
        self.change_locks();
        for command in turn.commands {
            match command {
                Command::Run(call) => self.open.push(Open::Run(call.task, call.attempt)),
                Command::Observe(call) => self.open.push(Open::Observe(call.task)),
                Command::Revoke(call, held) => {
                    assert!(!held.is_empty(), "nothing to revoke");
                    self.open.push(Open::Revoke(call.task));
                }
                Command::StartChild { step, run, .. } => {
                    if !self
                        .open
                        .iter()
                        .any(|open| matches!(open, Open::Child(_, id) if *id == run))
                    {
                        self.open.push(Open::Child(step, run));
                    }
                }
                // Here whoever was asked for is there; one that is not ends as cancelled.
                Command::LookForChild { step, run } => {
                    let there = |open: &Open| matches!(open, Open::Child(_, id) if *id == run);
                    if !self.open.iter().any(there) {
                        self.open.push(Open::Child(step, run));
                        self.stop_child(run);
                    }
                }
                Command::Stop { task } => self.stop(task),
                Command::Recall => self.recall(),
                Command::StopChild { run } => self.stop_child(run),
                Command::TellChild { run, control: Control::EmergencyStop(_) } => {
                    self.stop_child(run);
                }
                Command::TellChild { .. } | Command::Ended { .. } => {}
            }
        }
    }

    /// What the store does: it knows who waits, and grants it some time.
    fn change_locks(&mut self) {
        for change in self.state.take_lock_changes() {
            match change {
                LockChange::Want { step, request, .. } => self.open.push(Open::Lock(step, request)),
                LockChange::Release { step } => {
                    self.open.retain(|it| !matches!(it, Open::Lock(other, _) if *other == step));
                }
                LockChange::ReleaseAll => self.open.retain(|it| !matches!(it, Open::Lock(..))),
            }
        }
    }

    fn stop(&mut self, task: TaskRef) {
        let found =
            self.open.iter().position(|open| matches!(open, Open::Run(it, _) if *it == task));
        // Sometimes it ends by itself in spite of being told.
        if let Some(found) = found
            && self.choose(4) > 0
            && let Open::Run(task, attempt) = self.open.remove(found)
        {
            let error = StepError::new("x.stopped", ErrorClass::Cancelled, "stopped");
            self.feed(Input::AttemptEnded { task, attempt, result: Err(error) });
        }
    }

    /// Somebody takes any step out of the run's hands; most of the time it is not to be had.
    fn by_hand(&mut self, done: bool) {
        let steps = u32::try_from(self.state.steps.len()).unwrap();
        let step = StepRef(self.choose(steps));
        let tasks: Vec<_> =
            TaskRef::all_of(step).filter(|it| self.state.execution(*it).is_some()).collect();
        let task = tasks[self.choose(u32::try_from(tasks.len()).unwrap()) as usize];
        let path = self.state.task_path(&self.plan, task);
        let (by, reason) = ("me".to_owned(), "so".to_owned());
        self.feed(Input::Control(if done {
            Control::MarkDone { path, output: json!("by hand"), by, reason }
        } else {
            Control::Skip { path, by, reason }
        }));
    }

    /// Some attempts had not begun.
    fn recall(&mut self) {
        for open in std::mem::take(&mut self.open) {
            match open {
                Open::Run(task, attempt) if self.choose(4) == 0 => {
                    self.feed(Input::AttemptLost { task, attempt });
                }
                Open::Run(..)
                | Open::Observe(_)
                | Open::Revoke(_)
                | Open::Lock(..)
                | Open::Child(..) => {
                    self.open.push(open);
                }
            }
        }
    }

    fn stop_child(&mut self, run: RunId) {
        let found =
            self.open.iter().position(|open| matches!(open, Open::Child(_, it) if *it == run));
        if let Some(found) = found
            && let Open::Child(step, run) = self.open.remove(found)
        {
            self.end_child(step, run, RunStatus::Cancelled);
        }
    }

    fn end_child(&mut self, step: StepRef, run: RunId, status: RunStatus) {
        self.feed(Input::ChildEnded { step, run, status, output: json!(1), errors: vec![] });
    }

    /// One thing happens. Whether the run still lives.
    pub(crate) fn step(&mut self, calm: bool) -> bool {
        if self.state.status.is_ended() {
            return false;
        }
        self.now = self.now.after(Duration::from_millis(u64::from(self.choose(400))));
        if !calm {
            match self.choose(60) {
                0 => self.crash(),
                1 => self.feed(Input::Cancel(order())),
                2 => self.feed(Input::Control(Control::Pause(order()))),
                3 => self.feed(Input::Control(Control::Resume(order()))),
                4 => self.feed(Input::Control(Control::EmergencyStop(order()))),
                5 => self.feed(Input::Control(Control::Release(order()))),
                6 => self.by_hand(false),
                7 => self.by_hand(true),
                8 => self.override_window(),
                9 => self.feed(Input::Window(WindowInput::Changed)),
                10..14 => drop(self.tell()),
                14 => self.send("green"),
                _ => {}
            }
        }
        if self.state.status.is_ended() {
            return false;
        }
        self.feed(Input::Tick);
        if self.state.status.is_ended() {
            return false;
        }
        if !self.open.is_empty() {
            let most = u32::try_from(self.open.len()).unwrap_or(1);
            let which = self.choose(most) as usize;
            let open = self.open.remove(which);
            self.end(open, calm);
        } else if let Some(due) = self.state.next_timer() {
            self.now = self.now.max(due);
            self.feed(Input::Tick);
        } else if self.state.paused.is_some() {
            assert_eq!(self.state.visible_status(), RunStatus::Paused);
            self.feed(Input::Control(Control::Resume(order())));
        } else if self.state.waits_for_release() {
            assert_eq!(self.state.visible_status(), RunStatus::Attention);
            self.feed(Input::Control(Control::Release(order())));
        } else if !self.tell() {
            self.resolve_attention();
        }
        !self.state.status.is_ended()
    }

    /// Sends what a step waits for, or answers what one asks. Whether any does.
    fn tell(&mut self) -> bool {
        let name = self.state.awaited_signals().next().map(str::to_owned);
        if let Some(name) = name {
            self.send(&name);
            return true;
        }
        let asked = self.state.questions().next().map(|(step, ask)| (step, ask.hash.clone()));
        let Some((step, hash)) = asked else { return false };
        let path = self.state.path(&self.plan, step);
        let answer = |approved, by: &str, shown: &str| ApprovalAnswer {
            approved,
            by: by.to_owned(),
            reason: None,
            shown: Some(shown.to_owned()),
        };
        // What does not count changes nothing.
        let answers = |journal: &[(Timestamp, Event)]| {
            let answered = |event: &Event| event.name() == "approval_answered";
            journal.iter().filter(|(_, event)| answered(event)).count()
        };
        self.feed(Input::Tick);
        if self.state.asked(step).is_none() {
            return true;
        }
        let before = answers(&self.journal);
        self.feed(Input::Approve { path: path.clone(), answer: answer(true, "me", "other") });
        self.feed(Input::Approve { path: format!("{path}x"), answer: answer(true, "me", &hash) });
        assert_eq!(answers(&self.journal), before);
        let approved = self.choose(3) > 0;
        self.feed(Input::Approve { path, answer: answer(approved, "me", &hash) });
        assert_eq!(answers(&self.journal), before + 1);
        true
    }

    fn send(&mut self, name: &str) {
        let (name, payload) = (name.to_owned(), Arc::new(json!(self.now)));
        self.feed(Input::Signal(SentSignal { name, payload, by: "me".into(), id: None }));
    }

    /// A person says not to wait for a window, perhaps where nothing waits.
    fn override_window(&mut self) {
        let waiting = self.state.steps_before_windows().next();
        let path = waiting.map(|(step, _)| self.state.path(&self.plan, step));
        let (by, reason) = ("me".into(), "so".into());
        self.feed(Input::Window(WindowInput::Override { path, by, reason }));
    }

    fn end(&mut self, open: Open, calm: bool) {
        match open {
            Open::Run(task, attempt) => {
                let error = |class| Err(StepError::new("x.error", class, "failed"));
                let result = match if calm { 9 } else { self.choose(12) } {
                    0 | 1 => error(ErrorClass::Transient),
                    2 => error(ErrorClass::Permanent),
                    3 => error(ErrorClass::Timeout),
                    4 => error(ErrorClass::UnknownOutcome),
                    5 => {
                        self.feed(Input::Save { task, attempt, progress: json!(attempt) });
                        self.open.push(Open::Run(task, attempt));
                        return;
                    }
                    6 => return self.feed(Input::AttemptLost { task, attempt }),
                    7 => return self.hold(task, attempt),
                    _ => Ok(json!({ "ok": true })),
                };
                self.feed(Input::AttemptEnded { task, attempt, result });
            }
            Open::Observe(task) => {
                let result = match if calm { 0 } else { self.choose(6) } {
                    0 | 1 => Ok(Observation::NotDone),
                    2 => Ok(Observation::Done(json!("seen"))),
                    3 => Ok(Observation::InProgress(json!("half"))),
                    4 => Ok(Observation::Unknown(json!("dark"))),
                    _ => Err(StepError::transient("x.blind", "can't see")),
                };
                self.feed(Input::Observed { task, result });
            }
            Open::Revoke(task) => {
                let fails = !calm && self.choose(3) == 0;
                let error = StepError::transient("x.stuck", "can't revoke");
                let result = if fails { Err(error) } else { Ok(()) };
                self.feed(Input::Revoked { task, result });
            }
            Open::Child(step, run) => {
                let status = if calm || self.choose(4) > 0 {
                    RunStatus::Completed
                } else {
                    RunStatus::Failed
                };
                self.end_child(step, run, status);
            }
            Open::Lock(step, request) => self.feed(Input::LocksGranted { step, request }),
        }
    }

    /// The attempt takes one of three things, or gives it back if it has it; then it goes on.
    fn hold(&mut self, task: TaskRef, attempt: u32) {
        let holding = Holding::new("session", self.choose(3));
        let has = self.state.execution(task).is_some_and(|it| it.holdings.contains(&holding));
        if has {
            self.feed(Input::Release { task, attempt, holding });
        } else {
            self.feed(Input::Hold { task, attempt, holding });
        }
        self.open.push(Open::Run(task, attempt));
    }

    /// The node dies: nothing that it was doing ends. The next one folds the journal and claims.
    fn crash(&mut self) {
        let folded = fold(&self.plan, self.journal.clone()).unwrap().unwrap();
        assert_same(&folded, &self.state);
        self.state = folded;
        // What a worker of a pool does goes on.
        self.open.retain(|open| match open {
            Open::Child(..) | Open::Lock(..) => true,
            Open::Run(task, _) | Open::Observe(task) | Open::Revoke(task) => {
                self.state.is_pooled(&self.plan, *task)
            }
        });
        self.claim();
    }

    fn resolve_attention(&mut self) {
        let steps = (0..).map(StepRef).take(self.state.steps.len());
        let tasks = steps.flat_map(TaskRef::all_of);
        let waiting = tasks.into_iter().find(|task| {
            self.state.execution(*task).is_some_and(|it| it.phase.as_str() == "attention")
        });
        let waiting = waiting.unwrap_or_else(|| {
            panic!("nothing is under way, nothing is due, nobody is asked: {:#?}", self.state)
        });
        let path = self.state.task_path(&self.plan, waiting);
        let verdict = match self.choose(3) {
            0 => Verdict::Retry,
            1 => Verdict::Done(json!("by hand")),
            _ => Verdict::Failed,
        };
        self.feed(Input::Resolve { path, verdict, by: "me".into(), reason: "so".into() });
    }

    pub(crate) fn finish(&self) {
        let folded = fold(&self.plan, self.journal.clone()).unwrap().unwrap();
        assert_same(&folded, &self.state);
        assert!(self.state.locks_held().is_empty(), "an ended run holds nothing");
        self.invariants.check_end(&self.plan, &self.state);
    }
}

fn order() -> Order {
    Order { by: "me".into(), reason: None }
}

/// Two states are the same if everything that is decided from them is.
pub(crate) fn assert_same(folded: &RunState, lived: &RunState) {
    assert_eq!((folded.scopes.len(), folded.steps.len()), (lived.scopes.len(), lived.steps.len()));
    for (folded, lived) in folded.scopes.iter().zip(&lived.scopes) {
        assert_eq!(format!("{folded:?}"), format!("{lived:?}"));
    }
    for (folded, lived) in folded.steps.iter().zip(&lived.steps) {
        assert_eq!(format!("{folded:?}"), format!("{lived:?}"));
    }
    assert_eq!(folded.errors, lived.errors);
    assert_eq!(folded.output, lived.output);
    assert_eq!((folded.status, &folded.paused), (lived.status, &lived.paused));
    assert_eq!(folded.emergency, lived.emergency);
    assert_eq!(folded.next_timer(), lived.next_timer());
    assert_eq!(folded.signals, lived.signals);
    assert_eq!(
        (folded.in_flight, folded.attention, folded.children),
        (lived.in_flight, lived.attention, lived.children)
    );
    let waits = |state: &RunState| format!("{:?}", state.before_windows());
    assert_eq!(waits(folded), waits(lived));
}
