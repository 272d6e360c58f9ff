//! Tests for workflows and executors of your own, without devices and without waiting.
//!
//! In your crate this is a test: put `rackwright-engine` with the feature `testing` into
//! `[dev-dependencies]`. `cargo run -p rackwright-example-testing-kit` runs it here.

use std::{error::Error, sync::Arc, time::Duration};

use rackwright_engine::{
    Effect, ErrorClass, Registry, RunRequest, Workflow,
    model::{Retry, Step},
    store::MemoryStore,
    testing::{
        Cluster, Device, Play, Scripted, VirtualTime,
        conformance::{Rig, Seen, check},
    },
};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    survives_a_crash()?;
    conforms()
}

/// A workflow on two nodes: the first dies in the middle of a change that must not be made twice.
fn survives_a_crash() -> Result<(), Box<dyn Error>> {
    // Hours pass in milliseconds, and each time in the same order.
    let time = VirtualTime::new()?;
    // A device that counts, and tells the truth to whoever observes it.
    let device = Device::new();
    let store = Arc::new(MemoryStore::with_clock(Arc::new(time.clock())));
    let flash = Step::task("flash", "x.flash").retry(Retry::attempts(3));
    let workflow = Workflow::builder("update").step(flash).build();

    // What the executor does, by path and attempt: it fails once, then takes an hour.
    let hour = Duration::from_hours(1);
    let script = Scripted::new("x.flash", Effect::Verify, &device)
        .at("flash", 1, Play::fail(ErrorClass::Transient))
        .otherwise(Play::ok(json!("flashed")).save(json!({ "task": 7 })).write().wait(hour));
    let builder = Cluster::builder(store).nodes(2).workflow(workflow).executors(move |link| {
        let mut registry = Registry::new();
        // On its node: a write without the right to would be a breach of the device.
        if let Err(error) = registry.register(script.clone().on(link)) {
            panic!("{error}");
        }
        registry
    });

    let (outcome, (writes, done)) = time.run(async {
        let mut cluster = builder.build().await?;
        let Some(engine) = cluster.engine(0) else { return Err("no node".into()) };
        let run = engine.start(RunRequest::new("update")).await?.id();
        tokio::time::sleep(hour / 2).await;
        cluster.crash(0);
        let outcome = cluster.client().run(run).wait().await?;
        // Whether a change is in effect depends on the time, so it is asked inside.
        Ok::<_, Box<dyn Error>>((outcome, device.total()))
    })?;

    println!(
        "{} after {} min of virtual time, {writes} write(s), {done} in effect, {} breaches",
        outcome.status,
        time.elapsed().as_secs() / 60,
        device.breaches().len()
    );
    Ok(())
}

/// An executor under the conformance kit: killed, repeated, cut off and told to stop at each of
/// the calls of its context.
fn conforms() -> Result<(), Box<dyn Error>> {
    let time = VirtualTime::new()?;
    let report = time.run(check(async || {
        // A new device for each trial; your own executor stands where the script stands.
        let device = Device::new();
        let play = Play::ok(json!("flashed")).report("flashing", None).save(json!(1)).write();
        let executor = Scripted::new("x.flash", Effect::Verify, &device).otherwise(play);
        let look = move || {
            let (changes, done) = device.total();
            async move { Seen { changes, done, state: json!(done) } }
        };
        Rig::new(executor, json!({}), look)
    }));
    println!("{report}");
    Ok(())
}
