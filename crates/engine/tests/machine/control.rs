//! Orders of operators, one by one.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rackwright_engine::{
    ErrorClass, Observation, RunId, RunStatus, StepError,
    calendar::Windows,
    graph::{Plan, compile},
    machine::{
        Command, Control, Created, Env, Event, Inner, Input, Order, ParentLink, Phase, RunState,
        StepRef, Turn, fold, react,
    },
    model::{NodeId, Timestamp},
};
use serde_json::{Value, json};

use crate::driver::{assert_same, effect};

const PARENT: u128 = 77;

struct Run {
    plan: Plan,
    state: RunState,
    journal: Vec<(Timestamp, Event)>,
    now: Timestamp,
    epoch: u64,
}

impl Run {
    /// What it asks for is told by the path: `run a`, `observe a`, `stop a`.
    fn new(steps: Value) -> (Self, Vec<String>) {
        let flow = json!({ "workflow": "control", "steps": steps });
        let plan = compile(&serde_json::from_value(flow).unwrap(), &effect).unwrap();
        let now = Timestamp::from_micros(0);
        let parent = RunId::from_parts(now, PARENT);
        let created = Created {
            run: RunId::from_parts(now, 1),
            workflow: plan.name.clone(),
            version: plan.version,
            input: Arc::new(json!({})),
            parent: Some(ParentLink { run: parent, step: StepRef(0) }),
            root: parent,
            requires: std::collections::BTreeMap::new(),
            labels: BTreeMap::new(),
            forked_from: None,
            priority: 0,
            held: Vec::new(),
        };
        let state = RunState::new(&plan, created.clone());
        let journal = vec![(now, Event::Created(Box::new(created)))];
        let mut run = Self { plan, state, journal, now, epoch: 0 };
        let asked = run.claim();
        (run, asked)
    }

    fn claim(&mut self) -> Vec<String> {
        self.epoch += 1;
        let node = NodeId(self.state.created.run.0);
        self.feed(Input::Claim { node, epoch: self.epoch })
    }

    fn crash(&mut self) -> Vec<String> {
        let folded = fold(&self.plan, self.journal.clone()).unwrap().unwrap();
        assert_same(&folded, &self.state);
        self.state = folded;
        self.claim()
    }

    fn feed(&mut self, input: Input) -> Vec<String> {
        let mut turn = Turn::default();
        let mut env = Env { now: self.now, random: &mut || 1, windows: &Windows::default() };
        react(&self.plan, &mut self.state, input, &mut env, &mut turn).unwrap();
        self.journal.extend(turn.events.into_iter().map(|event| (self.now, event)));
        let told = |command| match command {
            Command::Run(call) => format!("run {}", call.path),
            Command::Observe(call) => format!("observe {}", call.path),
            Command::Revoke(call, _) => format!("revoke {}", call.path),
            Command::Stop { task } => format!("stop {}", self.state.task_path(&self.plan, task)),
            Command::Recall => "recall".to_owned(),
            Command::StartChild { .. } => "start child".to_owned(),
            Command::LookForChild { .. } => "look for child".to_owned(),
            Command::StopChild { .. } => "stop child".to_owned(),
            Command::TellChild { control, .. } => format!("child: {}", control.action()),
            Command::Ended { status } => format!("ended {status}"),
        };
        turn.commands.into_iter().map(told).collect()
    }

    /// The child run of the first step.
    fn child(&self) -> RunId {
        let Inner::Child(run) = self.state.steps[0].inner else { panic!("no child") };
        run
    }

    fn order(&mut self, control: impl FnOnce(Order) -> Control) -> Vec<String> {
        self.feed(Input::Control(control(by("me"))))
    }

    fn skip(&mut self, path: &str) -> Vec<String> {
        let (path, by, reason) = (path.to_owned(), "me".to_owned(), "so".to_owned());
        self.feed(Input::Control(Control::Skip { path, by, reason }))
    }

    fn mark(&mut self, path: &str, output: Value) -> Vec<String> {
        let (path, by, reason) = (path.to_owned(), "me".to_owned(), "so".to_owned());
        self.feed(Input::Control(Control::MarkDone { path, output, by, reason }))
    }

    fn end(&mut self, path: &str, result: Result<Value, StepError>) -> Vec<String> {
        let task = self.state.find(&self.plan, path).unwrap();
        let attempt = self.state.execution(task).unwrap().attempt;
        self.feed(Input::AttemptEnded { task, attempt, result })
    }

    fn done(&mut self, path: &str) -> Vec<String> {
        self.end(path, Ok(json!(path)))
    }

    fn pass(&mut self, seconds: u64) -> Vec<String> {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.feed(Input::Tick)
    }

    fn phase(&self, path: &str) -> &Phase {
        let task = self.state.find(&self.plan, path).unwrap();
        &self.state.execution(task).unwrap().phase
    }

    /// What the last order that came too late was told.
    fn refusal(&self) -> String {
        let last = &self.journal.last().unwrap().1;
        let Event::ControlRefused { action, by, why } = last else { panic!("{last:?}") };
        format!("{by}, {action}: {why}")
    }
}

fn by(by: &str) -> Order {
    Order { by: by.to_owned(), reason: Some("so".to_owned()) }
}

fn task(id: &str) -> Value {
    json!({ "id": id, "uses": "x.verify" })
}

fn idem(id: &str) -> Value {
    json!({ "id": id, "uses": "x.idem" })
}

fn stopped() -> Result<Value, StepError> {
    Err(StepError::new("x.stopped", ErrorClass::Cancelled, "stopped"))
}

#[test]
fn a_paused_run_starts_nothing_until_it_is_resumed() {
    let (mut run, asked) = Run::new(json!([task("a"), task("b")]));
    assert_eq!(asked, ["run a"]);
    assert_eq!(run.order(Control::Pause), ["recall"]);
    assert_eq!(run.state.visible_status(), RunStatus::Running, "what runs is finished");
    assert_eq!(run.done("a"), [] as [&str; 0]);
    assert_eq!(run.state.visible_status(), RunStatus::Paused);
    assert_eq!(run.crash(), [] as [&str; 0], "it stays paused on its next node");
    assert_eq!(run.state.visible_status(), RunStatus::Paused);
    assert_eq!(run.order(Control::Resume), ["run b"]);
    assert_eq!(run.done("b"), ["ended completed"]);
}

#[test]
fn what_a_crash_interrupted_is_observed_after_the_pause() {
    let (mut run, _) = Run::new(json!([task("a")]));
    run.order(Control::Pause);
    assert_eq!(run.crash(), [] as [&str; 0]);
    assert_eq!(run.state.visible_status(), RunStatus::Paused);
    assert_eq!(run.order(Control::Resume), ["observe a"]);
}

#[test]
fn a_pause_stops_the_clock_of_steps_and_keeps_retries_due() {
    let a = json!({ "id": "a", "uses": "x.idem", "timeout": { "total": "60s" },
                    "retry": { "max_attempts": 3, "delay": "10s" } });
    let (mut run, _) = Run::new(json!([a]));
    run.end("a", Err(StepError::transient("x.error", "failed")));
    run.order(Control::Pause);
    assert_eq!(run.state.next_timer(), None);
    assert_eq!(run.pass(3600), [] as [&str; 0]);
    assert_eq!(run.order(Control::Resume), ["run a"], "the retry was due meanwhile");
    assert_eq!(run.pass(59), [] as [&str; 0]);
    assert_eq!(run.pass(1), ["stop a"], "the time of the step is over");
    let folded = fold(&run.plan, run.journal.clone()).unwrap().unwrap();
    assert_same(&folded, &run.state);
}

#[test]
fn a_cleanup_waits_for_the_end_of_a_pause_even_after_a_cancel() {
    let a = json!({ "id": "a", "uses": "x.idem", "cleanup": { "uses": "x.idem" } });
    let (mut run, _) = Run::new(json!([a, idem("b")]));
    run.done("a");
    run.order(Control::Pause);
    assert_eq!(run.feed(Input::Cancel(by("me"))), ["stop b"]);
    assert_eq!(run.end("b", stopped()), [] as [&str; 0]);
    assert_eq!(run.order(Control::Resume), ["run a/cleanup"]);
    assert_eq!(run.done("a/cleanup"), ["ended cancelled"]);
}

#[test]
fn a_child_that_has_not_begun_does_not_begin_after_an_emergency_stop() {
    let child = json!({ "id": "c", "workflow": "kid", "version": "00".repeat(32) });
    let (mut run, _) = Run::new(json!([child]));
    // It was recorded, and its node went away before it made it.
    run.order(Control::Pause);
    assert_eq!(run.crash(), Vec::<String>::new(), "it is asked for when the pause is over");
    assert_eq!(run.order(Control::EmergencyStop), ["child: emergency stop", "look for child"]);
    let mut asked = run.crash();
    asked.dedup();
    assert_eq!(asked, ["look for child"]);
    // Nor when its node goes away once more after the release.
    assert_eq!(run.order(Control::Release), ["child: release"]);
    let asked = run.crash();
    assert!(asked.iter().all(|it| it == "look for child" || it == "stop child"), "{asked:?}");
    let (step, id) = (StepRef(0), run.child());
    let (status, output, errors) = (RunStatus::Cancelled, Value::Null, Vec::new());
    let ended = run.feed(Input::ChildEnded { step, run: id, status, output, errors });
    assert_eq!(ended, ["ended cancelled"]);
}

#[test]
fn orders_reach_living_children_once() {
    let child = json!({ "id": "c", "workflow": "kid", "version": "00".repeat(32) });
    let (mut run, asked) = Run::new(json!([child]));
    assert_eq!(asked, ["start child"]);
    assert_eq!(run.order(Control::Pause), ["recall", "child: pause"]);
    assert_eq!(run.state.visible_status(), RunStatus::Paused);
    assert_eq!(run.crash(), [] as [&str; 0]);
    assert_eq!(run.order(Control::Resume), ["child: resume", "start child"]);
    assert_eq!(run.order(Control::EmergencyStop), ["child: emergency stop"]);
    assert_eq!(run.order(Control::Release), ["child: release"]);
}

#[test]
fn what_comes_too_late_is_recorded_unless_the_parent_repeats_itself() {
    let (mut run, _) = Run::new(json!([task("a")]));
    run.order(Control::Resume);
    assert_eq!(run.refusal(), "me, resume: it is not paused");
    run.order(Control::Pause);
    run.order(Control::Pause);
    assert_eq!(run.refusal(), "me, pause: it is paused already, by me");
    let rows = run.journal.len();
    let parent = format!("run {}", RunId::from_parts(Timestamp::from_micros(0), PARENT));
    run.feed(Input::Control(Control::Pause(by(&parent))));
    assert_eq!(run.journal.len(), rows);
    run.order(Control::EmergencyStop);
    run.order(Control::Pause);
    assert!(run.refusal().contains("until it is released"), "{}", run.refusal());
    run.feed(Input::Cancel(by("me")));
    assert_eq!(run.refusal(), "me, cancel: me has cancelled it already");
    run.skip("b");
    assert!(run.refusal().starts_with("me, skip: it has no step `b`"), "{}", run.refusal());
}

#[test]
fn a_skipped_step_does_not_let_the_next_overtake() {
    let (mut run, _) = Run::new(json!([task("a"), task("b"), task("c"), task("d")]));
    assert_eq!(run.skip("c"), [] as [&str; 0]);
    assert_eq!(*run.phase("c"), Phase::Pending);
    run.crash();
    run.skip("c");
    assert!(run.refusal().contains("has decided about `c` already"), "{}", run.refusal());
    let (mut run, _) = Run::new(json!([task("a"), task("b"), task("c"), task("d")]));
    run.skip("c");
    assert_eq!(run.done("a"), ["run b"]);
    assert_eq!(run.done("b"), ["run d"]);
    assert!(matches!(run.phase("c"), Phase::Skipped(_)));
    run.skip("a");
    assert!(run.refusal().contains("`a` is completed for good"), "{}", run.refusal());
    run.skip("d");
    assert!(run.refusal().contains("`d` is under way (running)"), "{}", run.refusal());
    assert_eq!(run.done("d"), ["ended completed"]);
}

#[test]
fn a_step_between_two_attempts_is_skipped_or_done_at_once() {
    let a = json!({ "id": "a", "uses": "x.idem", "retry": { "max_attempts": 9, "delay": "1h" } });
    let failed = || Err(StepError::transient("x.error", "failed"));
    let (mut run, _) = Run::new(json!([a, idem("b")]));
    run.end("a", failed());
    assert_eq!(run.skip("a"), ["run b"]);
    assert_eq!(run.state.next_timer(), None);
    let (mut run, _) = Run::new(json!([a, idem("b")]));
    run.end("a", failed());
    assert_eq!(run.mark("a", json!(7)), ["run b"]);
    let first = &run.state.step(StepRef(0)).main;
    assert_eq!((&first.phase, first.output.as_deref()), (&Phase::Completed, Some(&json!(7))));
}

#[test]
fn a_step_that_a_person_did_leaves_its_cleanup() {
    let b = json!({ "id": "b", "uses": "x.idem", "cleanup": { "uses": "x.idem" } });
    let (mut run, _) = Run::new(json!([task("a"), b]));
    assert_eq!(run.mark("b", json!("by hand")), [] as [&str; 0]);
    assert_eq!(run.done("a"), ["run b/cleanup"]);
    run.crash();
    run.skip("b/cleanup");
    assert!(run.refusal().contains("waits for a person or for its next attempt"));
    run.end("b/cleanup", Err(StepError::permanent("x.error", "failed")));
    assert_eq!(run.skip("b/cleanup"), ["ended completed"]);
    assert_eq!(*run.state.output, json!("by hand"));
}

#[test]
fn a_wait_that_is_skipped_leaves_its_cleanup() {
    let wait = json!({ "id": "a", "wait": { "for": "1h" }, "cleanup": { "uses": "x.idem" } });
    let (mut run, asked) = Run::new(json!([wait]));
    assert_eq!(asked, [] as [&str; 0]);
    assert_eq!(run.skip("a"), ["run a/cleanup"]);
    assert_eq!(run.done("a/cleanup"), ["ended completed"]);
}

#[test]
fn after_an_emergency_stop_what_is_owed_waits_for_a_word() {
    let a = json!({ "id": "a", "uses": "x.idem", "cleanup": { "uses": "x.idem" } });
    let (mut run, _) = Run::new(json!([a, idem("b")]));
    run.done("a");
    assert_eq!(run.order(Control::EmergencyStop), ["stop b"]);
    assert_eq!(run.state.visible_status(), RunStatus::Running, "b has not stopped yet");
    assert_eq!(run.end("b", stopped()), [] as [&str; 0]);
    assert_eq!(run.state.visible_status(), RunStatus::Attention);
    assert_eq!(run.crash(), [] as [&str; 0]);
    assert_eq!(run.order(Control::Release), ["run a/cleanup"]);
    // Stopped again while it cleans up: that begins anew after the next word.
    assert_eq!(run.order(Control::EmergencyStop), ["stop a/cleanup"]);
    assert_eq!(run.end("a/cleanup", stopped()), [] as [&str; 0]);
    assert_eq!(run.state.visible_status(), RunStatus::Attention);
    assert_eq!(run.order(Control::Release), ["run a/cleanup"]);
    assert_eq!(run.done("a/cleanup"), ["ended cancelled"]);
}

#[test]
fn an_emergency_stop_ends_a_pause_and_a_run_that_owes_nothing() {
    let (mut run, _) = Run::new(json!([task("a"), task("b")]));
    run.order(Control::Pause);
    run.done("a");
    assert_eq!(run.order(Control::EmergencyStop), ["ended cancelled"]);
}

#[test]
fn a_cleanup_that_must_not_repeat_is_observed_after_the_release() {
    let a = json!({ "id": "a", "uses": "x.idem", "cleanup": { "uses": "x.verify" } });
    let (mut run, _) = Run::new(json!([a]));
    assert_eq!(run.done("a"), ["run a/cleanup"]);
    assert_eq!(run.order(Control::EmergencyStop), ["stop a/cleanup"]);
    assert_eq!(run.end("a/cleanup", stopped()), [] as [&str; 0]);
    assert_eq!(run.crash(), [] as [&str; 0]);
    assert_eq!(run.order(Control::Release), ["observe a/cleanup"]);
    let task = run.state.find(&run.plan, "a/cleanup").unwrap();
    let seen = Input::Observed { task, result: Ok(Observation::NotDone) };
    assert_eq!(run.feed(seen), ["run a/cleanup"]);
    assert_eq!(run.done("a/cleanup"), ["ended completed"], "all steps had completed before");
}
