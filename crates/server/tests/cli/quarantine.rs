//! Runs whose nodes die again and again.

use std::{collections::BTreeMap, time::Duration};

use rackwright_engine::{
    model::{NodeId, RunId},
    store::{self, ClaimScope, NodeRecord},
};

use crate::support::{Sandbox, has, objects, shipped, stderr, stdout};

/// Nodes take what is due, and die over it, until the store gives the run to nobody any more.
async fn die_over(url: &str) {
    let store = store::open(url).await.unwrap();
    for known in store.nodes().await.unwrap() {
        store.expire(known.node.id).await.unwrap();
    }
    for n in 0..3_u32 {
        let id: RunId = format!("01980000-0000-7000-8000-00000000000{n}").parse().unwrap();
        let node = NodeRecord {
            id: NodeId(id.0),
            name: format!("mortal-{n}"),
            host: "a boot of the past".to_owned(),
            pid: 1,
            started: 1,
            quarantine_after: Some(2),
            labels: BTreeMap::new(),
            capacity: 100,
        };
        store.join(&node, Duration::from_hours(1)).await.unwrap();
        let claims = store.claim(node.id, ClaimScope::All, 10).await.unwrap();
        assert_eq!(claims.len(), usize::from(n < 2), "node {n}: {claims:?}");
        store.expire(node.id).await.unwrap();
    }
}

#[test]
fn a_resume_says_what_is_in_quarantine_and_how_to_go_on() {
    let sandbox = Sandbox::new();
    let file = shipped("provision-server.yaml");
    let mut first =
        sandbox.spawn(&["run", &file, "--lab=1", "--lab-speed", "60", "-i", "server_id=srv001"]);
    let begun = crate::interrupted::commissioning(&sandbox);
    first.kill().unwrap();
    first.wait().unwrap();
    let url = format!("sqlite:{}", sandbox.path("data/rackwright.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(die_over(&url));
    drop(runtime);
    let id = begun["record"]["id"].as_str().unwrap();
    let told = sandbox.rackwright(&["resume"]).code(4);
    let way_out = format!("runs release-quarantine {id} --reason WHY");
    has(&stderr(&told), &["is in quarantine", &way_out]);
    let told = objects(&sandbox.rackwright(&["resume", "last", "--json"]).code(4));
    assert_eq!((&told[0]["type"], &told[0]["run"]), (&"quarantined".into(), &id.into()));
    has(&stdout(&sandbox.rackwright(&["runs", "list"]).code(0)), &["quarantined"]);
    has(&stdout(&sandbox.rackwright(&["runs", "show", id]).code(0)), &["taken over", &way_out]);
    sandbox.rackwright(&["runs", "release-quarantine", id]).code(2);
    let release = ["runs", "release-quarantine", id, "--reason", "the power is back"];
    has(&stdout(&sandbox.rackwright(&release).code(0)), &["may go on"]);
    has(&stdout(&sandbox.rackwright(&["resume"]).code(0)), &["the power is back", "✔ finalise"]);
}
