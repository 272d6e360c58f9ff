//! What an event costs in journals of 1,000, 10,000 and 100,000 events, and what it takes to take
//! such a run over: `cargo bench -p rackwright-engine --bench journals`. The ratio is the cost of
//! an event in the longest journal by that in the shortest: near 1 where it is flat.

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
const REPETITIONS: u32 = 3;
const LENGTHS: [u32; 3] = [1_000, 10_000, 100_000];

struct Run {
    plan: Plan,
    state: RunState,
    /// Rows as a store keeps them, each with its time.
    rows: Vec<(Timestamp, Vec<u8>)>,
    events: u32,
    calls: VecDeque<Call>,
    now: Timestamp,
}

impl Run {
    fn new(flow: &Value) -> Self {
        let flow = serde_json::from_value(flow.clone()).unwrap();
        let plan = compile(&flow, &|_| Some(Effect::Idempotent)).unwrap();
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
            forked_from: None,
            requires: std::collections::BTreeMap::new(),
            priority: 0,
            labels: BTreeMap::new(),
        };
        let state = RunState::new(&plan, created.clone());
        let first = [Event::Created(Box::new(created))];
        let rows = vec![(now, serde_json::to_vec(&first).unwrap())];
        let mut run = Self { plan, state, rows, events: 1, calls: VecDeque::new(), now };
        run.feed(Input::Claim { node: NodeId(run.state.created.run.0), epoch: 1 });
        run
    }

    /// A turn, written as a row, and what a shard asks after each.
    fn feed(&mut self, input: Input) {
        let mut turn = Turn::default();
        let windows = Windows::default();
        let mut env = Env { now: self.now, random: &mut || 1, windows: &windows };
        react(&self.plan, &mut self.state, input, &mut env, &mut turn).unwrap();
        if !turn.events.is_empty() {
            self.events += u32::try_from(turn.events.len()).unwrap();
            self.rows.push((self.now, serde_json::to_vec(&turn.events).unwrap()));
        }
        for command in turn.commands {
            if let Command::Run(call) = command {
                self.calls.push_back(call);
            }
        }
        std::hint::black_box((self.state.visible_status(), self.state.next_timer()));
    }

    fn step(&mut self) {
        if let Some(Call { task, attempt, .. }) = self.calls.pop_front() {
            self.feed(Input::AttemptEnded { task, attempt, result: Ok(json!({ "n": 1 })) });
        } else {
            self.now = self.state.next_timer().unwrap();
            self.feed(Input::Tick);
        }
    }
}

/// A step, for a journal of that many events.
type Shape = Box<dyn Fn(u32) -> Value>;

/// Reads the rows and folds them, as whoever takes the run over does.
fn take_over(run: &Run) -> RunState {
    let mut events = Vec::new();
    for (at, row) in &run.rows {
        let row: Vec<Event> = serde_json::from_slice(row).unwrap();
        events.extend(row.into_iter().map(|event| (*at, event)));
    }
    fold(&run.plan, events).unwrap().unwrap()
}

struct Cost {
    events: u32,
    live: Duration,
    taken: Duration,
    bytes: usize,
}

/// Lives until the journal has that many events, or the run has ended.
fn measure(flow: &Value, length: u32) -> Cost {
    let mut cost = Cost { events: 0, live: Duration::MAX, taken: Duration::MAX, bytes: 0 };
    for _ in 0..REPETITIONS {
        let began = Instant::now();
        let mut run = Run::new(flow);
        while run.events < length && !run.state.status.is_ended() {
            run.step();
        }
        cost.live = cost.live.min(began.elapsed());
        assert_ne!(run.state.status, RunStatus::Failed);
        let began = Instant::now();
        let folded = take_over(&run);
        cost.taken = cost.taken.min(began.elapsed());
        assert_eq!(folded.steps.len(), run.state.steps.len());
        cost.events = run.events;
        cost.bytes = run.rows.iter().map(|(_, row)| row.len()).sum();
    }
    cost
}

fn main() {
    let task = |id: &str| json!({ "id": id, "uses": "x.y", "with": { "n": 1 } });
    let shapes: [(&str, Shape); 4] = [
        (
            "repeat",
            Box::new(move |_| {
                json!({ "id": "r", "repeat": { "until": "false", "delay": "1s" },
                        "steps": [task("a"), task("b")] })
            }),
        ),
        (
            "repeat that is looked back at",
            Box::new(move |_| {
                json!({ "id": "r", "repeat": { "until": "false", "delay": "1s" },
                        "steps": [{ "id": "a", "uses": "x.y", "undo": { "uses": "x.y" } }] })
            }),
        ),
        (
            "map, 50 at a time",
            Box::new(move |length| {
                let items: Vec<_> = (0..length / 3).collect();
                json!({ "id": "m", "map": { "over": items, "max_concurrency": 50 },
                        "steps": [task("a")] })
            }),
        ),
        (
            "map of lists",
            Box::new(move |length| {
                let items: Vec<_> = (0..length / 8).collect();
                json!({ "id": "m", "map": { "over": items, "max_concurrency": 8 },
                        "steps": [task("a"), { "id": "b", "set": 1 }, task("c")] })
            }),
        ),
    ];
    println!(
        "{:30} {:>9} {:>11} {:>11} {:>11} {:>9}",
        "", "events", "live/event", "fold/event", "take-over", "MB"
    );
    for (name, flow) in shapes {
        let mut first = None;
        for length in LENGTHS {
            let flow = json!({ "workflow": "long", "steps": [flow(length)], "output": null });
            let cost = measure(&flow, length);
            let per = |whole: Duration| whole / cost.events;
            let (live, taken) = (per(cost.live), per(cost.taken));
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            let size = cost.bytes as f64 / 1e6;
            println!(
                "{name:30} {:>9} {live:>11.2?} {taken:>11.2?} {:>11.1?} {size:>9.1}",
                cost.events, cost.taken
            );
            let (least, least_taken) = *first.get_or_insert((live, taken));
            if length == LENGTHS[2] {
                let ratio =
                    |last: Duration, first: Duration| last.as_secs_f64() / first.as_secs_f64();
                let (live, taken) = (ratio(live, least), ratio(taken, least_taken));
                println!("{name:30} {:>9} {live:>11.2} {taken:>11.2}", "ratio");
            }
        }
    }
}
