//! The other executors against the lab's MAAS over HTTP.

use rackwright_engine::{Effect, ErrorClass, Registry};
use rackwright_lab::Place;
use rackwright_steps_maas::{
    AddressInput, MachineAddress, SetPool, SetZone, Status, Tag, WaitStatus, register,
};
use serde_json::json;

use crate::support::{Bench, with};

#[tokio::test]
async fn tags_are_made_put_on_and_taken_off_once() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &[]).await;
    let tag = || Tag(bench.maas.clone());
    let input = json!({ "machine": "srv002", "add": ["provisioned", "rack-4"] });
    let output = bench.run(tag(), input.clone()).await.unwrap();
    assert_eq!(output.tags, ["provisioned", "rack-4"]);
    let posts = bench.asked("POST").len();
    assert_eq!(posts, 4, "two made, two put on");
    bench.run(tag(), input).await.unwrap();
    assert_eq!(bench.asked("POST").len(), posts, "nothing left to do");
    let input = json!({ "machine": "srv002", "add": ["rack-5"], "remove": ["rack-4", "never"] });
    assert_eq!(bench.run(tag(), input).await.unwrap().tags, ["provisioned", "rack-5"]);
    let input = json!({ "machine": "srv002", "add": ["not a tag"] });
    let error = bench.run(tag(), input).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("maas.tag_name", ErrorClass::Permanent));
}

#[tokio::test]
async fn a_machine_moves_to_pools_and_zones_that_exist() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &[]).await;
    let place = |id, name: &str| Place { id, name: name.to_owned(), description: String::new() };
    let made = bench.lab.state().update(|rack, _| {
        rack.region.pools.push(place(1, "compute"));
        rack.region.zones.push(place(2, "row b"));
    });
    made.unwrap();
    let pool = || SetPool(bench.maas.clone());
    let output = bench.run(pool(), json!({ "machine": "srv001", "pool": "compute" })).await;
    assert_eq!(output.unwrap().pool.as_deref(), Some("compute"));
    let zone = SetZone(bench.maas.clone());
    let output = bench.run(zone, json!({ "machine": "srv001", "zone": "row b" })).await.unwrap();
    assert_eq!((output.pool.as_deref(), output.zone.as_deref()), (Some("compute"), Some("row b")));
    bench.run(pool(), json!({ "machine": "srv001", "pool": "compute" })).await.unwrap();
    assert_eq!(bench.asked("PUT").len(), 2, "the third had nothing to do");
    let error = bench.run(pool(), json!({ "machine": "srv001", "pool": "x" })).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("maas.refused", ErrorClass::Permanent));
    assert!(error.message.contains("pool: Select a valid choice."), "{error}");
    assert_eq!(error.subtask.as_deref(), Some("Moving the machine to the pool x"));
}

#[tokio::test]
async fn waiting_ends_with_a_status_or_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &["commission_fails_once"]).await;
    let wait = |more| bench.run(WaitStatus(bench.maas.clone()), with(more));
    assert_eq!(wait(json!({ "status": ["new"] })).await.unwrap().status, Some(Status::New));
    let (failed, commissioned) =
        tokio::join!(wait(json!({ "status": ["ready"] })), bench.commission(json!({})));
    commissioned.unwrap_err();
    let error = failed.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("maas.wrong_state", ErrorClass::Conflict));
    assert!(error.message.contains("awaited was Ready"), "{error}");
    let patient = json!({ "status": ["ready", "deployed"], "fail_on": [] });
    let (ready, commissioned) = tokio::join!(wait(patient), bench.commission(json!({})));
    commissioned.unwrap();
    assert_eq!(ready.unwrap().status, Some(Status::Ready));
}

#[tokio::test]
async fn a_machine_that_is_off_has_no_address() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &[]).await;
    let error = bench
        .run(MachineAddress(bench.maas.clone()), with(json!({ "wait": "200ms" })))
        .await
        .unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("maas.no_address", ErrorClass::Transient));
    assert!(error.message.contains("its power is off"), "{error}");
    assert_eq!(error.subtask.as_deref(), Some("Waiting for an address"));
    assert!(error.hint.unwrap().contains("enable_ssh"));
}

#[test]
fn all_are_registered_with_their_effects() {
    let mut registry = Registry::new();
    register(&mut registry).unwrap();
    let effects: Vec<_> =
        registry.iter().map(|(name, executor)| (name, executor.describe().effect)).collect();
    assert_eq!(
        effects,
        [
            ("maas.commission", Effect::Verify),
            ("maas.machine_address", Effect::Read),
            ("maas.set_pool", Effect::Idempotent),
            ("maas.set_zone", Effect::Idempotent),
            ("maas.tag", Effect::Idempotent),
            ("maas.wait_status", Effect::Read),
        ]
    );
    for (name, executor) in registry.iter() {
        let schema = executor.input_schema().as_value();
        assert!(schema["required"].as_array().unwrap().contains(&json!("machine")), "{name}");
        assert_eq!(schema["additionalProperties"], false, "{name}");
        assert!(!executor.describe().about.is_empty());
    }
    register(&mut registry).unwrap_err();
}

#[test]
fn what_inputs_leave_out_has_sane_values() {
    let input: AddressInput = serde_json::from_value(json!({ "machine": "m" })).unwrap();
    assert_eq!((input.credential.as_str(), input.wait.to_string()), ("maas", "5m".to_owned()));
    assert_eq!(input.poll.to_string(), "5s");
    serde_json::from_value::<AddressInput>(json!({ "machine": "m", "pol": "1s" })).unwrap_err();
}
