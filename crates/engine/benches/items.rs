//! What an item of a large map costs the machine, and whether it costs more where there are more of
//! them: `cargo bench -p rackwright-engine --bench items`. The last column is the cost of an item
//! among 10,000 by that among 1,000: near 1 where the cost is flat, near 10 where each item looks
//! at all the others.

#![expect(clippy::unwrap_used, reason = "a measurement that can't go on panics")]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use rackwright_engine::{
    Effect, RunId, RunStatus,
    calendar::Windows,
    graph::{Plan, compile},
    machine::{Call, Command, Created, Env, Event, Input, RunState, Turn, fold, react},
    model::{NodeId, Timestamp},
};
use serde_json::{Value, json};

/// How often each figure is taken; the least counts, as the others were disturbed.
const REPETITIONS: u32 = 5;

struct Run {
    plan: Plan,
    state: RunState,
    journal: Vec<(Timestamp, Event)>,
    calls: VecDeque<Call>,
    now: Timestamp,
}

impl Run {
    fn new(flow: &Value) -> Self {
        let plan =
            compile(&serde_json::from_value(flow.clone()).unwrap(), &|_| Some(Effect::Idempotent))
                .unwrap();
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
        let calls = VecDeque::new();
        let mut run = Self { plan, state, journal, calls, now };
        run.feed(Input::Claim { node: NodeId(run.state.created.run.0), epoch: 1 });
        run
    }

    /// A turn, and what a shard asks after each.
    fn feed(&mut self, input: Input) {
        let mut turn = Turn::default();
        let windows = Windows::default();
        let mut env = Env { now: self.now, random: &mut || 1, windows: &windows };
        react(&self.plan, &mut self.state, input, &mut env, &mut turn).unwrap();
        self.journal.extend(turn.events.into_iter().map(|event| (self.now, event)));
        for command in turn.commands {
            if let Command::Run(call) = command {
                self.calls.push_back(call);
            }
        }
        std::hint::black_box((self.state.visible_status(), self.state.next_timer()));
    }

    fn finish(&mut self) {
        while !self.state.status.is_ended() {
            if let Some(Call { task, attempt, .. }) = self.calls.pop_front() {
                self.feed(Input::AttemptEnded { task, attempt, result: Ok(json!(1)) });
            } else {
                self.now = self.state.next_timer().unwrap();
                self.feed(Input::Tick);
            }
        }
        assert_eq!(self.state.status, RunStatus::Completed);
    }
}

/// The cost of an item while the run lives, and in a fold of its journal.
fn measure(step: &Value, items: u32) -> (Duration, Duration) {
    let mut step = step.clone();
    let kind = if step.get("map").is_some() { "map" } else { "rollout" };
    step[kind]["over"] = (0..items).collect();
    let flow = json!({ "workflow": "items", "steps": [step] });
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..REPETITIONS {
        let began = Instant::now();
        let mut run = Run::new(&flow);
        run.finish();
        best.0 = best.0.min(began.elapsed() / items);
        let journal = std::mem::take(&mut run.journal);
        let began = Instant::now();
        assert!(fold(&run.plan, journal).unwrap().is_some());
        best.1 = best.1.min(began.elapsed() / items);
    }
    best
}

fn main() {
    let task = json!({ "id": "s", "uses": "x.y", "with": { "n": "{{ item }}" } });
    let with = |more: Value| {
        let mut task = task.clone();
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([task])
    };
    let steps = with(json!({}));
    let shapes = [
        ("all at once", json!({ "id": "m", "map": {}, "steps": steps })),
        ("50 at a time", json!({ "id": "m", "map": { "max_concurrency": 50 }, "steps": steps })),
        (
            "with time-outs",
            json!({ "id": "m", "map": {}, "steps": with(json!({ "timeout": { "total": "1h" } })) }),
        ),
        (
            "with undo",
            json!({ "id": "m", "map": {}, "steps": with(json!({ "undo": { "uses": "x.y" } })) }),
        ),
        (
            "with cleanup",
            json!({ "id": "m", "map": {}, "steps": with(json!({ "cleanup": { "uses": "x.y" } })) }),
        ),
        (
            "roll-out, ten waves",
            json!({ "id": "m", "rollout": { "wave": "10%", "soak": "1m", "max_unavailable": 50 },
                    "steps": steps, "gate": [{ "id": "g", "set": "{{ steps.m.items | length }}" }] }),
        ),
    ];
    println!("{:22} {:>12} {:>12} {:>7}", "an item costs", "of 1,000", "of 10,000", "ratio");
    for (name, step) in shapes {
        let (few, many) = (measure(&step, 1_000), measure(&step, 10_000));
        for (what, few, many) in [("", few.0, many.0), (", fold", few.1, many.1)] {
            let ratio = many.as_secs_f64() / few.as_secs_f64();
            let name = format!("{name}{what}");
            println!("{name:22} {few:>12.1?} {many:>12.1?} {ratio:>7.2}");
        }
    }
}
