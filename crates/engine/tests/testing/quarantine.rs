//! Runs that kill their nodes.

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    Config, Describe, Effect, Registry, RunId, RunRequest, RunStatus, StepContext, StepError,
    Workflow, executor_fn,
    model::Step,
    store::MemoryStore,
    testing::{Cluster, Link, VirtualTime},
};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_mins(1);

/// `x.abort` ends its node, `x.slow` takes an hour.
fn executors(link: &Link) -> Registry {
    let mut registry = Registry::new();
    let dies = link.clone();
    let abort = executor_fn(
        Describe::new("x.abort", Effect::Idempotent),
        move |_: StepContext, _: Value| {
            let dies = dies.clone();
            async move {
                dies.kill();
                std::future::pending::<Result<Value, StepError>>().await
            }
        },
    );
    let slow = executor_fn(
        Describe::new("x.slow", Effect::Idempotent),
        |_: StepContext, _: Value| async {
            tokio::time::sleep(MINUTE * 60).await;
            Ok::<_, StepError>(json!("done"))
        },
    );
    registry.register(abort).unwrap();
    registry.register(slow).unwrap();
    registry
}

async fn cluster(time: &VirtualTime) -> Cluster {
    let store = Arc::new(MemoryStore::with_clock(Arc::new(time.clock())));
    let flow = |name: &str, uses: &str| Workflow::builder(name).step(Step::task("a", uses)).build();
    let cluster = Cluster::builder(store)
        .workflow(flow("poison", "x.abort"))
        .workflow(flow("slow", "x.slow"))
        .executors(executors)
        .config(Config { poll: Duration::from_millis(100), ..Config::default() });
    cluster.nodes(1).build().await.unwrap()
}

/// Starts a node in the place of each that died, until `done`. How many died.
async fn nurse(cluster: &mut Cluster, run: RunId) -> u32 {
    let mut deaths = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for slot in cluster.bury() {
            deaths += 1;
            cluster.start(slot).await.unwrap();
        }
        let record = cluster.client().record(run).await.unwrap();
        if record.quarantined_at.is_some() || record.status.is_ended() {
            return deaths;
        }
        assert!(deaths < 50, "it goes on for ever");
    }
}

#[test]
fn a_run_that_kills_its_nodes_is_set_aside_and_others_are_not() {
    let time = VirtualTime::new().unwrap();
    time.run(async {
        let mut cluster = cluster(&time).await;
        let engine = cluster.engine(0).unwrap();
        // Under way all the time, without any progress: innocent.
        let mut slow = Vec::new();
        for _ in 0..4 {
            slow.push(engine.start(RunRequest::new("slow")).await.unwrap().id());
        }
        let poison = engine.start(RunRequest::new("poison")).await.unwrap().id();
        let deaths = nurse(&mut cluster, poison).await;
        assert_eq!(deaths, 4, "its first node, and three that took it over");
        let client = cluster.client();
        let outcome = client.run(poison).wait().await.unwrap();
        assert_eq!(outcome.status, RunStatus::Attention, "a person has to look");
        assert_eq!(client.view(poison).await.unwrap().under_way(), ["a"]);
        for run in slow {
            let outcome = client.run(run).wait().await.unwrap();
            assert_eq!(outcome.status, RunStatus::Completed, "it was only there");
        }
    });
}

#[test]
fn what_is_released_is_tried_again_and_that_is_recorded() {
    let time = VirtualTime::new().unwrap();
    time.run(async {
        let mut cluster = cluster(&time).await;
        let start = cluster.engine(0).unwrap().start(RunRequest::new("poison")).await;
        let run = start.unwrap().id();
        nurse(&mut cluster, run).await;
        let client = cluster.client();
        client.release_quarantine(run, "sam", "new firmware of the driver").await.unwrap();
        assert_eq!(nurse(&mut cluster, run).await, 4, "it is counted from 0");
        // A person cancels it: then it must not be tried again.
        client.cancel(run, "sam", Some("hopeless")).await.unwrap();
        client.release_quarantine(run, "sam", "to end it").await.unwrap();
        assert_eq!(nurse(&mut cluster, run).await, 0);
        let outcome = client.run(run).wait().await.unwrap();
        assert_eq!(outcome.status, RunStatus::Cancelled);
        let error = client.release_quarantine(run, "sam", "why not").await.unwrap_err();
        assert!(error.to_string().contains("is not in quarantine: it is cancelled"), "{error}");
        let rows = client.journal(run, 0).await.unwrap();
        let text: Vec<_> = rows.iter().map(|row| String::from_utf8_lossy(&row.events)).collect();
        let text = text.concat();
        assert!(text.contains(r#""reason":"new firmware of the driver","takeovers":3"#), "{text}");
        assert!(text.contains(r#""reason":"to end it","takeovers":3"#), "{text}");
    });
}
