//! Retry counts and time-outs that come from the data of the run.

#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rackwright_engine::{
    ErrorClass, RunId, RunStatus, StepError,
    calendar::Windows,
    graph::{Plan, compile},
    machine::{
        Call, Command, Created, Env, Event, Input, Role, RunState, StepRef, TaskRef, Turn, fold,
        react,
    },
    model::{NodeId, Timestamp},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{assert_same, effect};

const FIRST: TaskRef = TaskRef::main(StepRef(0));

pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) state: RunState,
    pub(crate) journal: Vec<(Timestamp, Event)>,
    pub(crate) calls: Vec<Call>,
    pub(crate) now: Timestamp,
}

impl Run {
    pub(crate) fn new(fields: Value, input: Value) -> Self {
        let mut flow = json!({ "workflow": "settings" });
        flow.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let plan = compile(&serde_json::from_value(flow).unwrap(), &effect).unwrap();
        let now = Timestamp::from_micros(0);
        let run = RunId::from_parts(now, 1);
        let created = Created {
            run,
            workflow: plan.name.clone(),
            version: plan.version,
            input: Arc::new(input),
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
        let mut run = Self { plan, state, journal, calls: Vec::new(), now };
        run.feed(Input::Claim { node: NodeId(run.state.created.run.0), epoch: 1 });
        run
    }

    pub(crate) fn feed(&mut self, input: Input) {
        let now = self.now;
        let mut turn = Turn::default();
        let windows = Windows::default();
        let mut env = Env { now, random: &mut || 1, windows: &windows };
        react(&self.plan, &mut self.state, input, &mut env, &mut turn).unwrap();
        self.journal.extend(turn.events.into_iter().map(|event| (now, event)));
        for command in turn.commands {
            if let Command::Run(call) = command {
                self.calls.push(call);
            }
        }
    }

    pub(crate) fn end(&mut self, result: Result<Value, StepError>) {
        let Call { task, attempt, .. } = *self.calls.last().unwrap();
        self.feed(Input::AttemptEnded { task, attempt, result });
    }

    /// The moment of the next timer comes.
    pub(crate) fn tick(&mut self) {
        self.now = self.state.next_timer().expect("something is due");
        self.feed(Input::Tick);
    }

    /// What the fold of the journal gives is what lived.
    pub(crate) fn check_fold(&self) {
        let folded = fold(&self.plan, self.journal.clone()).unwrap().unwrap();
        assert_same(&folded, &self.state);
    }

    /// Lets every attempt fail until there are no more; the instants at which one was due.
    fn fail_all(&mut self) -> Vec<i64> {
        let mut due = Vec::new();
        while !self.state.status.is_ended() {
            self.end(Err(StepError::transient("x.error", "failed")));
            if let Some(at) = self.state.next_timer() {
                due.push(at.micros() / 1_000_000);
                self.now = at;
                self.feed(Input::Tick);
            }
        }
        let folded = fold(&self.plan, self.journal.clone()).unwrap().unwrap();
        assert_same(&folded, &self.state);
        due
    }

    fn error(&self) -> &StepError {
        assert_eq!(self.state.status, RunStatus::Failed);
        &self.state.errors[0].error
    }
}

fn task(policies: Value) -> Value {
    let mut step = json!({ "id": "a", "uses": "x.idem" });
    step.as_object_mut().unwrap().extend(policies.as_object().unwrap().clone());
    json!({ "steps": [step] })
}

#[rstest]
#[case(json!(0), 1)]
#[case(json!(2), 3)]
#[case(json!(2.0), 3)]
fn a_retry_count_from_the_input(#[case] retries: Value, #[case] attempts: usize) {
    let input = json!({ "retry_count": retries });
    let max_attempts = "{{ input.retry_count + 1 }}";
    let own = task(json!({ "retry": { "max_attempts": max_attempts } }));
    let mut default = task(json!({}));
    default["defaults"] = json!({ "retry": { "max_attempts": max_attempts } });
    for flow in [own, default] {
        let mut run = Run::new(flow, input.clone());
        run.fail_all();
        assert_eq!(run.calls.len(), attempts);
        assert_eq!(run.error().code, "x.error");
    }
}

#[test]
fn delays_from_the_input() {
    let retry = json!({ "max_attempts": 4, "backoff": "linear",
        "delay": "{{ input.seconds }}s", "max_delay": "{{ input.longest }}" });
    let input = json!({ "seconds": 10, "longest": "25s" });
    let mut run = Run::new(task(json!({ "retry": retry })), input);
    assert_eq!(run.fail_all(), [10, 30, 55]);
}

#[rstest]
#[case(json!({ "timeout": "{{ input.timeout }}" }))]
#[case(json!({ "timeout": { "attempt": "{{ input.timeout }}", "total": "2h" } }))]
fn a_time_out_from_the_input(#[case] policies: Value) {
    let run = Run::new(task(policies), json!({ "timeout": "1m30s" }));
    assert_eq!(run.calls[0].timeout, Some(Duration::from_secs(90)));
}

#[test]
fn time_outs_see_what_the_input_of_the_step_sees() {
    let call = |id: &str, timeout: &str| json!({ "id": id, "uses": "x.idem", "timeout": timeout });
    let cleanup = json!({ "uses": "x.idem", "timeout": "{{ steps.b.output.time }}" });
    let mut last = call("b", "{{ steps.a.output.time }}");
    last["cleanup"] = cleanup;
    let steps = json!([call("a", "{{ host.time }}"), last]);
    let map =
        json!({ "id": "m", "map": { "over": "{{ input.hosts }}", "as": "host" }, "steps": steps });
    let mut run = Run::new(json!({ "steps": [map] }), json!({ "hosts": [{ "time": "1s" }] }));
    run.end(Ok(json!({ "time": "2s" })));
    run.end(Ok(json!({ "time": "3s" })));
    run.end(Ok(json!(null)));
    assert_eq!(run.state.status, RunStatus::Completed);
    let times: Vec<_> = run.calls.iter().map(|call| call.timeout.unwrap().as_secs()).collect();
    assert_eq!(times, [1, 2, 3]);
    assert_eq!(run.calls[2].task.role, Role::Cleanup);
}

#[rstest]
#[case::none(json!({ "retry": { "max_attempts": "{{ input.x }}" } }), json!(0),
    "`retry.max_attempts` has to be a whole number from 1; the template gives `0`")]
#[case::negative(json!({ "retry": { "max_attempts": "{{ input.x }}" } }), json!(-1),
    "`retry.max_attempts` has to be a whole number from 1; the template gives `-1`")]
#[case::part(json!({ "retry": { "max_attempts": "{{ input.x }}" } }), json!(1.5),
    "`retry.max_attempts` has to be a whole number from 1; the template gives `1.5`")]
#[case::many(json!({ "retry": { "max_attempts": "{{ input.x }}" } }), json!(1e300),
    "`retry.max_attempts` has to be a whole number from 1; the template gives `1e+300`")]
#[case::text(json!({ "retry": { "max_attempts": "{{ input.x }}" } }), json!("3"),
    "`retry.max_attempts` has to be a whole number from 1; the template gives the text \"3\"")]
#[case::delay(json!({ "retry": { "max_attempts": 2, "delay": "{{ input.x }}" } }), json!([1]),
    "`retry.delay` has to be a duration such as `10s`; the template gives a list")]
#[case::number(json!({ "timeout": "{{ input.x }}" }), json!(30),
    "`timeout` has to be a duration of more than nothing, such as `30m`; the template gives `30`")]
#[case::nothing(json!({ "timeout": "{{ input.x }}" }), json!("0s"),
    "`timeout` has to be a duration of more than nothing, such as `30m`; the template gives the text \"0s\"")]
fn what_a_setting_can_not_be_fails_the_step_before_it_starts(
    #[case] policies: Value,
    #[case] x: Value,
    #[case] message: &str,
) {
    let run = Run::new(task(policies), json!({ "x": x }));
    assert_eq!(run.calls, []);
    let error = run.error();
    assert_eq!((error.code.as_str(), error.class), ("engine.setting", ErrorClass::Permanent));
    assert_eq!(error.message, message);
    assert!(error.hint.is_some());
}

#[rstest]
#[case(json!({ "retry": { "max_attempts": "{{ input.count + 1 }}" } }), "`retry.max_attempts`: ")]
#[case(json!({ "timeout": "{{ input.timeout }}" }), "`timeout`: `input.timeout`: ")]
fn a_setting_without_a_value_fails_the_step(#[case] policies: Value, #[case] message: &str) {
    let run = Run::new(task(policies), json!({}));
    assert_eq!(run.calls, []);
    let error = run.error();
    assert_eq!(error.code, "engine.expression");
    assert!(error.message.starts_with(message), "{}", error.message);
    assert!(error.hint.is_some());
}

#[test]
fn an_unusable_setting_of_a_cleanup_waits_for_a_person() {
    let cleanup = json!({ "uses": "x.idem", "timeout": "{{ input.x }}" });
    let mut run = Run::new(task(json!({ "cleanup": cleanup })), json!({ "x": "soon" }));
    run.end(Ok(json!(null)));
    assert_eq!(run.calls.len(), 1);
    let phase = &run.state.execution(TaskRef::cleanup(FIRST.step)).unwrap().phase;
    assert_eq!(phase.as_str(), "attention");
}

#[test]
fn a_plan_refuses_what_can_not_be() {
    let refused = |fields: Value| {
        let mut flow = json!({ "workflow": "x" });
        flow.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        compile(&serde_json::from_value(flow).unwrap(), &effect).unwrap_err().message
    };
    let message = refused(task(json!({ "timeout": "soon" })));
    assert!(message.contains("the template gives the text \"soon\""), "{message}");
    let message = refused(task(json!({ "retry": { "max_attempts": "{{ input. }}" } })));
    assert!(message.starts_with("`retry.max_attempts`: "), "{message}");
    let group = json!({ "id": "g", "steps": [], "timeout": "{{ input.x }}" });
    let message = refused(json!({ "steps": [group] }));
    assert_eq!(message, "the time-out of a whole step can't be a template");
}
