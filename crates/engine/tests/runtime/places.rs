//! How much a crash leaves to be done again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rackwright_engine::{
    Config, Describe, Effect, Engine, Registry, RunRequest, StepContext, Workflow, executor_fn,
    store::MemoryStore, testing::VirtualTime,
};
use serde_json::{Value, json};

use crate::cut::{Cut, CutStore};

const PLACES: usize = 4;

#[test]
fn an_attempt_keeps_its_place_until_its_end_is_durable() {
    let time = VirtualTime::new().unwrap();
    let memory = Arc::new(MemoryStore::with_clock(Arc::new(time.clock())));
    // The run is created; what its first attempts give is never acknowledged.
    let store = Arc::new(CutStore(memory, Cut::new(1, false)));
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let called = executor_fn(
        Describe::new("x.count", Effect::Idempotent),
        move |_: StepContext, _: Value| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok(Value::Null) }
        },
    );
    let mut registry = Registry::new();
    registry.register(called).unwrap();
    let over: Vec<_> = (0..20).collect();
    let item = json!([{ "id": "s", "uses": "x.count" }]);
    let steps = json!([{ "id": "m", "map": { "over": over }, "steps": item }]);
    let flow = json!({ "workflow": "many", "steps": steps });
    let flow: Workflow = serde_json::from_value(flow).unwrap();
    time.run(async {
        let config = Config { max_in_flight: PLACES, ..Config::default() };
        let engine = Engine::builder().open_store(store).registry(registry).config(config);
        let engine = engine.build().await.unwrap();
        engine.deploy(flow).await.unwrap();
        engine.start(RunRequest::new("many")).await.unwrap();
        // Nothing else can happen: the time passes at once.
        tokio::time::sleep(Duration::from_mins(1)).await;
    });
    assert_eq!(calls.load(Ordering::SeqCst), PLACES);
}
