//! `maas.commission` against the lab's MAAS over HTTP.

use std::{sync::atomic::Ordering, time::Duration};

use rackwright_engine::{ErrorClass, Observation, step::Credential};
use rackwright_lab::{Lab, LabOptions};
use rackwright_steps_maas::{MachineAddress, Status};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Bench, with};

const POST: &str = "op-commission";

#[tokio::test]
async fn a_machine_becomes_ready_and_is_asked_for_once() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &[]).await;
    let output = bench.commission(json!({ "enable_ssh": true })).await.unwrap();
    assert_eq!((output.status, output.hostname.as_str()), (Some(Status::Ready), "srv001"));
    assert_eq!(output.power_state, "on");
    let asked = bench.asked(POST);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].status, Some(200));
    assert!(asked[0].form.contains("enable_ssh=1"), "{asked:?}");
    let reports = bench.reports();
    assert_eq!(reports[..2], ["Looking up the machine in MAAS", "Requesting commissioning"]);
    assert!(reports[2].starts_with("Commissioning"), "{reports:?}");
    assert_eq!(reports.last().unwrap(), "Ready");
    let address = bench.run(MachineAddress(bench.maas.clone()), with(json!({}))).await.unwrap();
    assert_eq!((address.address.as_str(), address.hostname.as_str()), ("127.0.0.1", "srv001"));
}

#[tokio::test]
async fn a_ready_machine_can_be_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &[]).await;
    bench.lab.state().update(|rack, _| rack.machines[0].status = 4).unwrap();
    bench.commission(json!({ "skip_if_ready": true })).await.unwrap();
    assert_eq!(bench.asked(POST), []);
    bench.commission(json!({})).await.unwrap();
    assert_eq!(bench.asked(POST).len(), 1);
}

#[tokio::test]
async fn a_failure_is_explained_and_the_next_attempt_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &["commission_fails_once@srv001"]).await;
    let error = bench.commission(json!({})).await.unwrap_err();
    assert_eq!(error.code, "maas.commission_failed");
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(error.message.starts_with("srv001: "), "{error}");
    assert!(error.message.contains("maas-capture-macs"), "{error}");
    assert!(error.subtask.unwrap().starts_with("Failed commissioning"));
    assert!(error.hint.unwrap().contains("Commissioning tab"));
    assert_eq!(bench.commission(json!({})).await.unwrap().status, Some(Status::Ready));
    assert_eq!(bench.asked(POST).len(), 2);
}

#[tokio::test]
async fn other_ends_have_their_own_codes() {
    for (fault, code, class) in [
        ("commission_always_fails", "maas.commission_failed", ErrorClass::Transient),
        ("power_unreachable_once", "maas.power_failed", ErrorClass::Transient),
        ("commission_tests_fail_once", "maas.testing_failed", ErrorClass::Permanent),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::new(dir.path(), &[fault]).await;
        let error = bench.commission(json!({})).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.class), (code, class), "{error}");
        assert!(error.hint.is_some());
    }
}

#[tokio::test]
async fn an_interrupted_attempt_is_observed_and_carried_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), &[]).await;
    assert_eq!(bench.observe().await, Observation::NotDone);
    assert_eq!(bench.interrupted().await.class, ErrorClass::Cancelled);
    bench.stop = CancellationToken::new();
    let Observation::InProgress(saved) = bench.observe().await else {
        panic!("it goes on");
    };
    assert_eq!(Some(saved), *bench.host.saved.lock().unwrap());
    assert_eq!(bench.commission(json!({})).await.unwrap().status, Some(Status::Ready));
    let Observation::Done(output) = bench.observe().await else { panic!("it is done") };
    assert_eq!(output.status, Some(Status::Ready));
    assert_eq!(bench.asked(POST).len(), 1);
}

#[tokio::test]
async fn a_commissioning_outlives_the_lab_that_serves_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), &["slow_boot"]).await;
    bench.interrupted().await;
    bench.stop = CancellationToken::new();
    let options = LabOptions { time_scale: 600.0, ..LabOptions::new(dir.path()) };
    let before = bench.lab.addresses();
    bench.lab.shutdown().await;
    bench.lab = Lab::start(options).await.unwrap();
    assert_eq!(bench.lab.addresses(), before);
    bench.until_status(4).await;
    assert!(matches!(bench.observe().await, Observation::Done(_)));
    assert_eq!(bench.asked(POST).len(), 1);
}

#[tokio::test]
async fn a_request_that_never_went_out_is_seen_not_to_have() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &[]).await;
    bench.host.fenced.store(true, Ordering::Relaxed);
    let error = bench.commission(json!({})).await.unwrap_err();
    assert_eq!(error.code, "engine.fenced");
    assert_eq!(bench.asked(POST), []);
    assert!(bench.host.saved.lock().unwrap().is_some(), "saved before the fence and the request");
    assert_eq!(bench.observe().await, Observation::NotDone);
}

#[tokio::test]
async fn an_abort_by_somebody_else_is_left_to_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), &["commission_sticks"]).await;
    bench.interrupted().await;
    bench.stop = CancellationToken::new();
    let abort = bench.lab.state().update(|rack, _| {
        rack.machines[0].status = 0;
        rack.machines[0].maas.ahead.clear();
    });
    abort.unwrap();
    let Observation::Unknown(evidence) = bench.observe().await else { panic!("who knows") };
    assert_eq!(evidence["status"], "New");
    let error = bench.commission(json!({})).await.unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.class),
        ("maas.commission_aborted", ErrorClass::Permanent)
    );
    assert_eq!(bench.asked(POST).len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_looked_into_instead_of_asking_again() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &["commission_answer_lost"]).await;
    bench.commission(json!({})).await.unwrap();
    let asked = bench.asked(POST);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].status, None, "the client got no answer");
    let looked = "Finding out whether MAAS took the request".to_owned();
    assert!(bench.reports().contains(&looked));
}

#[tokio::test]
async fn reads_are_repeated_while_maas_is_in_trouble() {
    for (fault, status) in [("maas_503", Some(503)), ("maas_drops", None)] {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::new(dir.path(), &[fault]).await;
        let id = bench.lab.state().read(|rack, _| rack.machines[0].system_id.clone());
        bench.commission(json!({ "machine": id })).await.unwrap();
        let troubled = bench.asked("GET").iter().filter(|r| r.status == status).count();
        assert_eq!(troubled, 2, "{fault}");
        assert_eq!(bench.asked(POST).len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_request_that_maas_was_too_busy_for_is_left_to_the_next_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &["maas_503"]).await;
    // By host name, the request to commission is the first one about the machine.
    let error = bench.commission(json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("maas.unavailable", ErrorClass::Transient));
    assert!(error.message.contains("the commissioning did not begin"), "{error}");
    bench.commission(json!({})).await.unwrap();
    assert_eq!(bench.asked(POST).len(), 2);
}

#[tokio::test]
async fn somebody_elses_commissioning_is_a_conflict() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), &["commission_sticks"]).await;
    bench.interrupted().await;
    bench.stop = CancellationToken::new();
    *bench.host.saved.lock().unwrap() = None;
    let error = bench.commission(json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("maas.wrong_state", ErrorClass::Conflict));
    assert!(error.hint.unwrap().contains("somebody else"));
    assert_eq!(bench.asked(POST).len(), 1);
}

#[tokio::test]
async fn time_runs_out_with_maas_last_word() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), &["commission_sticks"]).await;
    bench.limit = Some(Duration::from_millis(600));
    let error = bench.commission(json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("maas.timeout", ErrorClass::Timeout));
    assert!(error.message.contains("Commissioning: Gathering information"), "{error}");
    assert!(matches!(bench.observe().await, Observation::InProgress(_)), "the next one joins it");
}

#[tokio::test]
async fn a_refused_key_is_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &[]).await;
    let url = bench.lab.addresses().maas;
    let wrong = "wrongconsumer:wrongtoken:wrongsecret";
    let credential = Credential::new([("url", url.as_str()), ("api_key", wrong)]);
    bench.host.credentials.lock().unwrap().0.insert("maas".into(), credential);
    let error = bench.commission(json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("maas.unauthorized", ErrorClass::Unauthorized));
    assert!(error.message.contains("Authorization Error: Invalid API key."), "{error}");
    let whole = serde_json::to_string(&error).unwrap();
    for secret in wrong.split(':').chain(bench.api_key().split(':')) {
        assert!(!whole.contains(secret), "{whole}");
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &[]).await;
    let error = bench.commission(json!({ "machine": "nosuch" })).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("maas.no_such_machine", ErrorClass::Permanent));
    assert!(error.message.contains("`nosuch`"), "{error}");
    let error = bench.commission(json!({ "credential": "mass" })).await.unwrap_err();
    assert_eq!(error.code, "engine.unknown_credential");
}

#[tokio::test]
async fn an_unreachable_maas_is_transient_and_gives_up_when_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path(), &[]).await;
    // A port that was bound and let go: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/MAAS");
    let credential = Credential::new([("url", url), ("api_key", bench.api_key())]);
    bench.host.credentials.lock().unwrap().0.insert("maas".into(), credential);
    let error = bench.commission(json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("maas.unreachable", ErrorClass::Transient));
    assert!(error.message.contains("refused"), "the cause is named: {error}");
    bench.stop.cancel();
    assert_eq!(bench.commission(json!({})).await.unwrap_err().class, ErrorClass::Cancelled);
}
