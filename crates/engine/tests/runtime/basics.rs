//! Kinds and policies, seen from outside.

use rackwright_engine::{RunRequest, RunStatus};
use serde_json::json;

use crate::support::{Log, builder, workflow};

#[tokio::test]
async fn steps_run_in_order_and_see_each_other() {
    let log = Log::default();
    let engine = builder(&log).build().await.unwrap();
    let flow = workflow(json!({
        "workflow": "order",
        "steps": [
            { "id": "a", "uses": "t.echo", "with": { "n": "{{ input.n + 1 }}" } },
            { "id": "b", "uses": "t.echo", "with": { "n": "{{ steps.a.output.n * 2 }}" } },
            { "id": "skip", "when": "steps.b.output.n > 100", "uses": "t.echo" },
            { "id": "c", "set": { "sum": "{{ steps.a.output.n + steps.b.output.n }}" } },
        ],
        "output": { "sum": "{{ steps.c.output.sum }}", "skipped": "{{ steps.skip.status }}" }
    }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("order").input(json!({ "n": 1 }))).await.unwrap();
    let outcome = run.wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
    assert_eq!(*outcome.output, json!({ "sum": 6, "skipped": "skipped" }));
    assert_eq!(log.lines(), ["a", "b"]);
    engine.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_map_bounds_its_items_and_reports_failures_together() {
    let log = Log::default();
    let engine = builder(&log).build().await.unwrap();
    let flow = workflow(json!({
        "workflow": "map",
        "steps": [{
            "id": "all",
            "map": { "over": [1, 2, 3, 4], "as": "n", "max_concurrency": 2, "on_error": "continue" },
            "steps": [
                { "id": "odd", "when": "n % 2 == 1", "uses": "t.fail" },
                { "id": "even", "uses": "t.echo", "with": "{{ n * 10 + n_index }}" },
            ]
        }],
    }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("map")).await.unwrap();
    let view = engine.run(run.id());
    let outcome = run.wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Failed);
    let paths: Vec<_> = outcome.errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["all[0]/odd", "all[2]/odd"]);
    assert_eq!(outcome.errors[0].error.subtask.as_deref(), Some("breaking"));
    let tree = view.view().await.unwrap().tree();
    assert_eq!(tree[0].items, Some((4, 4, 2)));
    assert_eq!(*tree[0].output.clone().unwrap(), json!([null, 21, null, 43]));
}

#[tokio::test]
async fn retries_are_durable_and_counted() {
    let log = Log::default();
    let engine = builder(&log).build().await.unwrap();
    let flow = workflow(json!({
        "workflow": "retry",
        "steps": [{
            "id": "f", "uses": "t.flaky", "with": { "times": 2 },
            "retry": { "max_attempts": 3, "backoff": "linear", "delay": "10ms" }
        }],
    }));
    engine.deploy(flow).await.unwrap();
    let outcome = engine.start(RunRequest::new("retry")).await.unwrap().wait().await.unwrap();
    assert_eq!(*outcome.output, json!({ "attempt": 3 }), "{:?}", outcome.errors);
    assert_eq!(log.lines(), ["f#1", "f#2", "f#3"]);
}

#[tokio::test]
async fn a_child_run_gives_its_output_to_its_parent() {
    let log = Log::default();
    let engine = builder(&log).build().await.unwrap();
    engine
        .deploy(workflow(json!({
            "workflow": "child",
            "steps": [{ "id": "e", "uses": "t.echo", "with": { "got": "{{ input.x }}" } }],
        })))
        .await
        .unwrap();
    engine
        .deploy(workflow(json!({
            "workflow": "parent",
            "steps": [
                { "id": "kids", "map": { "over": [1, 2, 3] }, "workflow": "child",
                  "with": { "x": "{{ item }}" } },
                { "id": "sum", "set": "{{ steps.kids.output | map(attribute='got') | sum }}" },
            ],
        })))
        .await
        .unwrap();
    let outcome = engine.start(RunRequest::new("parent")).await.unwrap().wait().await.unwrap();
    assert_eq!(*outcome.output, json!(6), "{:?}", outcome.errors);
}

#[tokio::test]
async fn cleanups_run_in_reverse_order_also_after_a_failure() {
    let log = Log::default();
    let engine = builder(&log).build().await.unwrap();
    let cleanup = |policy: &str| json!({ "policy": policy, "uses": "t.echo" });
    let flow = workflow(json!({
        "workflow": "clean",
        "steps": [
            { "id": "a", "uses": "t.echo", "cleanup": cleanup("always") },
            { "id": "b", "uses": "t.echo", "cleanup": cleanup("on_failure") },
            { "id": "c", "uses": "t.echo", "cleanup": cleanup("on_success") },
            { "id": "d", "uses": "t.fail", "cleanup": cleanup("always") },
            { "id": "e", "uses": "t.echo", "cleanup": cleanup("always") },
        ],
    }));
    engine.deploy(flow).await.unwrap();
    let outcome = engine.start(RunRequest::new("clean")).await.unwrap().wait().await.unwrap();
    assert_eq!(outcome.status, RunStatus::Failed);
    assert_eq!(log.lines(), ["a", "b", "c", "d fails", "d/cleanup", "b/cleanup", "a/cleanup"]);
}

#[tokio::test]
async fn a_key_starts_one_run() {
    let engine = builder(&Log::default()).build().await.unwrap();
    let flow = workflow(json!({ "workflow": "w", "steps": [{ "id": "s", "set": 1 }] }));
    engine.deploy(flow).await.unwrap();
    let request = RunRequest::new("w").idempotency_key("once");
    let first = engine.start(request.clone()).await.unwrap();
    let second = engine.start(request).await.unwrap();
    assert_eq!(first.id(), second.id());
    assert_eq!(second.wait().await.unwrap().status, RunStatus::Completed);
}

#[tokio::test]
async fn decisions_branch_and_jump() {
    let log = Log::default();
    let engine = builder(&log).build().await.unwrap();
    let flow = workflow(json!({
        "workflow": "decide",
        "steps": [
            { "id": "way", "decision": [
                { "when": { "field": "$.input.way", "operator": "equals", "value": "branch" },
                  "steps": [{ "id": "in", "uses": "t.echo" }] },
                { "when": "input.way == 'jump'", "next": "last" },
                { "otherwise": [] },
            ]},
            { "id": "middle", "uses": "t.echo" },
            { "id": "last", "uses": "t.echo" },
        ],
    }));
    engine.deploy(flow).await.unwrap();
    for (way, expected) in [
        ("branch", vec!["way/in", "middle", "last"]),
        ("jump", vec!["last"]),
        ("other", vec!["middle", "last"]),
    ] {
        let before = log.lines().len();
        let request = RunRequest::new("decide").input(json!({ "way": way }));
        let outcome = engine.start(request).await.unwrap().wait().await.unwrap();
        assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.errors);
        assert_eq!(log.lines()[before..], expected);
    }
}

#[tokio::test]
async fn parallel_branches_give_an_object() {
    let engine = builder(&Log::default()).build().await.unwrap();
    let flow = workflow(json!({
        "workflow": "par",
        "steps": [{ "id": "both", "parallel": {
            "left": { "steps": [{ "id": "x", "set": 1 }, { "id": "y", "set": "{{ steps.x.output + 1 }}" }] },
            "right": { "steps": [{ "id": "z", "uses": "t.echo", "with": 7 }], "output": { "r": "{{ steps.z.output }}" } },
        }}],
    }));
    engine.deploy(flow).await.unwrap();
    let outcome = engine.start(RunRequest::new("par")).await.unwrap().wait().await.unwrap();
    assert_eq!(*outcome.output, json!({ "left": 2, "right": { "r": 7 } }), "{:?}", outcome.errors);
}

#[tokio::test]
async fn events_come_in_order_and_end() {
    let engine = builder(&Log::default()).build().await.unwrap();
    let flow = workflow(json!({
        "workflow": "watch",
        "steps": [{ "id": "a", "uses": "t.echo" }, { "id": "b", "uses": "t.fail" }],
    }));
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("watch")).await.unwrap();
    let mut events = run.events();
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        seen.push(format!("{} {}", event.event.name(), event.path.unwrap_or_default()));
    }
    let expected = [
        "created ",
        "claimed ",
        "started a",
        "completed a",
        "started b",
        "reported b",
        "failed b",
        "ended ",
    ];
    assert_eq!(seen, expected);
}
