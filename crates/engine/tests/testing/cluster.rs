//! Clusters in virtual time: crashes, cuts, faults.

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    Effect, EngineError, ErrorClass, Outcome, Registry, RunRequest, RunStatus, Workflow,
    model::{Retry, Step},
    store::MemoryStore,
    testing::{Cluster, ClusterBuilder, Device, Fault, Faults, Play, Scripted, VirtualTime},
};
use serde_json::json;

const MINUTE: Duration = Duration::from_mins(1);

fn cluster(time: &VirtualTime, device: &Device, play: &Play) -> ClusterBuilder {
    let store = Arc::new(MemoryStore::with_clock(Arc::new(time.clock())));
    let step = Step::task("flash", "x.flash").retry(Retry::attempts(3));
    let flow = Workflow::builder("flow").step(step).build();
    let (device, play) = (device.clone(), play.clone());
    Cluster::builder(store).workflow(flow).executors(move |link| {
        let mut registry = Registry::new();
        let flash = Scripted::new("x.flash", Effect::Verify, &device).otherwise(play.clone());
        registry.register(flash.on(link)).unwrap();
        registry
    })
}

async fn outcome(cluster: &Cluster, node: usize) -> Result<Outcome, EngineError> {
    let run = cluster.engine(node).unwrap().start(RunRequest::new("flow")).await?;
    cluster.client().run(run.id()).wait().await
}

#[test]
fn hours_pass_at_once() {
    let (time, device) = (VirtualTime::new().unwrap(), Device::new());
    let play = Play::ok(json!("flashed")).write().wait(MINUTE * 600);
    let outcome = time.run(async {
        let cluster = cluster(&time, &device, &play).build().await?;
        outcome(&cluster, 0).await
    });
    assert_eq!(outcome.unwrap().status, RunStatus::Completed);
    assert!(time.elapsed() >= MINUTE * 600);
}

#[test]
fn another_node_carries_on_what_a_dead_one_began() {
    let (time, device) = (VirtualTime::new().unwrap(), Device::new());
    let play = Play::ok(json!("flashed")).write().wait(MINUTE);
    let outcome = time.run(async {
        let mut cluster = cluster(&time, &device, &play).nodes(2).build().await?;
        let run = cluster.engine(0).unwrap().start(RunRequest::new("flow")).await?.id();
        tokio::time::sleep(MINUTE / 2).await;
        cluster.crash(0);
        assert!(cluster.engine(0).is_none());
        cluster.client().run(run).wait().await
    });
    let outcome = outcome.unwrap();
    assert_eq!((outcome.status, &*outcome.output), (RunStatus::Completed, &json!({"seen": true})));
    let record = device.records().into_values().next().unwrap();
    assert_eq!((record.calls, record.writes, record.looks), (1, 1, 1));
    assert_eq!(device.breaches(), Vec::<String>::new());
}

#[test]
fn a_zombie_is_stopped_by_the_fence() {
    let (time, device) = (VirtualTime::new().unwrap(), Device::new());
    // It writes after a while: by then it has lost its lease.
    let play = Play::ok(json!("flashed")).wait(MINUTE).write();
    let outcome = time.run(async {
        let cluster = cluster(&time, &device, &play).nodes(2).build().await?;
        let run = cluster.engine(0).unwrap().start(RunRequest::new("flow")).await?.id();
        cluster.link(0).unwrap().cut_off(MINUTE * 3);
        cluster.client().run(run).wait().await
    });
    assert_eq!(outcome.unwrap().status, RunStatus::Completed);
    let record = device.records().into_values().next().unwrap();
    assert_eq!((record.calls, record.writes), (2, 1), "the zombie called, and did not write");
    assert_eq!(device.breaches(), Vec::<String>::new());
}

#[test]
fn every_operation_may_be_the_last_of_its_node() {
    for at in 1..60 {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::Fail, Fault::LoseAnswer] {
            let (time, device) = (VirtualTime::new().unwrap(), Device::new());
            let faults = Faults::new([(at, fault)].into(), None);
            let play = Play::ok(json!("flashed")).save(json!("begun")).write().wait(MINUTE / 6);
            let outcome = time.run(async {
                let mut cluster =
                    cluster(&time, &device, &play).nodes(2).faults(&faults).build().await?;
                loop {
                    for dead in cluster.bury() {
                        cluster.start(dead).await?;
                    }
                    let request = RunRequest::new("flow").idempotency_key("the run");
                    let start = cluster.engine(0).unwrap().start(request);
                    let Ok(Ok(run)) = tokio::time::timeout(MINUTE, start).await else { continue };
                    break cluster.client().run(run.id()).wait().await;
                }
            });
            let status = outcome.unwrap().status;
            assert_eq!(status, RunStatus::Completed, "{fault:?} at operation {at}");
            let writes: u32 = device.records().values().map(|record| record.writes).sum();
            assert_eq!(writes, 1, "{fault:?} at operation {at}");
            assert_eq!(device.breaches(), Vec::<String>::new(), "{fault:?} at operation {at}");
        }
    }
}

#[test]
fn a_script_fails_and_succeeds_as_it_says() {
    let (time, device) = (VirtualTime::new().unwrap(), Device::new());
    let script = Scripted::new("x.flash", Effect::Verify, &device)
        .at("flash", 1, Play::fail(ErrorClass::Transient).write())
        .at("flash", 2, Play::fail(ErrorClass::UnknownOutcome).write())
        .otherwise(Play::ok(json!("not called")));
    let outcome = time.run(async {
        let builder = cluster(&time, &device, &Play::ok(json!(null)));
        let cluster = builder.executors(move |link| {
            let mut registry = Registry::new();
            registry.register(script.clone().on(link)).unwrap();
            registry
        });
        outcome(&cluster.build().await?, 0).await
    });
    let outcome = outcome.unwrap();
    assert_eq!((outcome.status, &*outcome.output), (RunStatus::Completed, &json!({"seen": true})));
    let record = device.records().into_values().next().unwrap();
    assert_eq!((record.calls, record.writes, record.looks), (2, 2, 1));
    assert_eq!(device.breaches(), Vec::<String>::new());
}
