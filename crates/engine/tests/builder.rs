//! The builder makes the same model as a file that says the same.

use std::time::Duration;

use rackwright_engine::{
    ErrorClass, Workflow,
    load::load_str,
    model::{
        Amount, Body, Branch, Choice, Cleanup, CleanupPolicy, Condition, HumanDuration, Map, Next,
        NotOf, Retry, Rollout, Step, TimeoutParts, Undo, WaitFor,
    },
};
use serde_json::json;

const FILE: &str = r#"
workflow: all-kinds
description: Every kind of step.
input: { type: object, required: [hosts] }
defaults:
  timeout: 10m
  retry: { max_attempts: 2, backoff: linear, delay: 1s, jitter: 0.25 }
timeout: 8h
finally:
  - { id: tell, uses: demo.bye, with: "{{ run.status }}" }
steps:
  - id: hello
    description: Says hello.
    uses: demo.hello
    with: { name: "{{ input.name }}" }
    retry: { max_attempts: 3, backoff: exponential, delay: 5s, max_delay: 1m, on: [transient] }
    timeout: { attempt: 30s, total: 5m }
    cleanup: { policy: on_failure, uses: demo.bye, with: { loud: true }, retry: { max_attempts: 4, delay: 2s }, timeout: 1m }
    undo: { uses: demo.back, with: "{{ steps.hello.output }}", retry: { max_attempts: 2, delay: 2s }, timeout: 3m }
  - id: both
    when: "{{ input.name }}"
    parallel:
      left: [{ id: a, uses: demo.noop }]
      right: { steps: [{ id: b, set: 1 }], output: "{{ steps.b.output }}" }
  - id: each
    map: { over: "{{ input.hosts }}", as: host, max_concurrency: 3, on_error: continue }
    steps: [{ id: wipe, uses: demo.wipe, with: "{{ host }}" }]
  - id: children
    map: { over: [1, 2] }
    workflow: child
    with: { n: "{{ item }}" }
  - id: child
    workflow: child
    with: { n: 0 }
    timeout: 1h
    on_error: continue
  - id: choose
    decision:
      - when: false
        steps: [{ id: never, set: null }]
      - when: { not: "input.name" }
        next: last
      - otherwise: { next: end }
  - id: more
    decision:
      - when: "true"
        next: end
      - otherwise: [{ id: other, uses: demo.noop }]
    next: end
  - id: group
    needs: []
    steps: [{ id: inner, set: { x: 2 } }]
  - id: asked
    needs: []
    uses: demo.hello
    retry: { max_attempts: "{{ input.retries + 1 }}", backoff: linear, delay: "{{ input.delay }}", max_delay: 1m }
    timeout: "{{ input.timeout }}"
    cleanup: { uses: demo.bye, with: 1, timeout: { attempt: "{{ input.timeout }}" } }
  - id: race
    needs: []
    parallel: { a: [{ id: x, set: 1 }], b: [{ id: x, set: 2 }] }
    wait_for: any
  - id: some
    needs: []
    map: { over: [1, 2], max_failures: 1 }
    steps: [{ id: x, set: 1 }]
  - id: waves
    needs: []
    rollout: { over: "{{ input.hosts }}", as: host, canary: 1, wave: 25%, max_unavailable: 2, soak: 10m, max_failures: 3 }
    workflow: child
    with: { host: "{{ host }}" }
    gate: [{ id: check, uses: demo.noop }]
  - id: last
    needs: [group, more]
    set: "{{ steps.group.output }}"
output: { x: "{{ steps.last.output.x }}" }
"#;

fn hello() -> Step {
    let seconds = Duration::from_secs;
    let bye = Cleanup::always("demo.bye", json!({ "loud": true }))
        .policy(CleanupPolicy::OnFailure)
        .retry(Retry::attempts(4).constant(seconds(2)))
        .timeout(seconds(60));
    let back = Undo::new("demo.back", json!("{{ steps.hello.output }}"))
        .retry(Retry::attempts(2).constant(seconds(2)))
        .timeout(seconds(180));
    Step::task("hello", "demo.hello")
        .description("Says hello.")
        .with(json!({ "name": "{{ input.name }}" }))
        .retry(
            Retry::attempts(3)
                .exponential(seconds(5))
                .max_delay(seconds(60))
                .on([ErrorClass::Transient]),
        )
        .timeout(TimeoutParts {
            attempt: Some(seconds(30).into()),
            total: Some(HumanDuration(seconds(300))),
            heartbeat: None,
            queue: None,
        })
        .cleanup(bye)
        .undo(back)
}

fn built() -> Workflow {
    let seconds = Duration::from_secs;
    let hello = hello();
    let both = Step::parallel(
        "both",
        [
            ("left", Branch::from([Step::task("a", "demo.noop")])),
            (
                "right",
                Branch::from([Step::set("b", json!(1))]).output("{{ steps.b.output }}".into()),
            ),
        ],
    );
    let hosts = Map::over("{{ input.hosts }}").named("host").max_concurrency(3).continue_on_error();
    let wipe = Step::task("wipe", "demo.wipe").with("{{ host }}".into());
    Workflow::builder("all-kinds")
        .description("Every kind of step.")
        .input(json!({ "type": "object", "required": ["hosts"] }))
        .default_timeout(seconds(600))
        .default_retry(Retry::attempts(2).linear(seconds(1)).jitter(0.25))
        .timeout(seconds(8 * 3600))
        .finally(Step::task("tell", "demo.bye").with(json!("{{ run.status }}")))
        .step(hello)
        .step(both.when("{{ input.name }}"))
        .step(Step::map("each", hosts, [wipe]))
        .step(Step::map(
            "children",
            Map::over(json!([1, 2])),
            Body::workflow("child", json!({ "n": "{{ item }}" })),
        ))
        .step(
            Step::workflow("child", "child")
                .with(json!({ "n": 0 }))
                .timeout(seconds(3600))
                .continue_on_error(),
        )
        .step(choose())
        .step(
            Step::decision(
                "more",
                [
                    Choice::jump("true", Next::END),
                    Choice::otherwise([Step::task("other", "demo.noop")]),
                ],
            )
            .next(Next::END),
        )
        .step(Step::group("group", [Step::set("inner", json!({ "x": 2 }))]).needs([""; 0]))
        .step(asked())
        .step(race())
        .step(Step::map("some", Map::over(json!([1, 2])).max_failures(1), [one()]).needs([""; 0]))
        .step(waves())
        .step(Step::set("last", "{{ steps.group.output }}".into()).needs(["group", "more"]))
        .output(json!({ "x": "{{ steps.last.output.x }}" }))
        .build()
}

fn choose() -> Step {
    let not_named = Condition::Not(NotOf { not: Box::new("input.name".into()) });
    Step::decision(
        "choose",
        [
            Choice::when(false, [Step::set("never", json!(null))]),
            Choice::jump(not_named, "last"),
            Choice::otherwise_jump(Next::END),
        ],
    )
}

fn one() -> Step {
    Step::set("x", json!(1))
}

fn race() -> Step {
    let branches = [("a", [one()]), ("b", [Step::set("x", json!(2))])];
    Step::parallel("race", branches).wait_for(WaitFor::Any).needs([""; 0])
}

fn waves() -> Step {
    let waves = Rollout::over("{{ input.hosts }}")
        .named("host")
        .canary(1)
        .wave(Amount::Percent(25))
        .max_unavailable(2)
        .soak(Duration::from_mins(10))
        .max_failures(3);
    Step::rollout("waves", waves, Body::workflow("child", json!({ "host": "{{ host }}" })))
        .gate([Step::task("check", "demo.noop")])
        .needs([""; 0])
}

/// Settings that the input decides.
fn asked() -> Step {
    let retry = Retry::attempts("{{ input.retries + 1 }}").linear("{{ input.delay }}");
    let parts =
        TimeoutParts { attempt: Some("{{ input.timeout }}".into()), ..TimeoutParts::default() };
    Step::task("asked", "demo.hello")
        .needs([""; 0])
        .retry(retry.max_delay("1m"))
        .timeout("{{ input.timeout }}")
        .cleanup(Cleanup::always("demo.bye", json!(1)).timeout(parts))
}

#[test]
fn the_builder_and_the_file_say_the_same() {
    let loaded = load_str("all-kinds.yaml", FILE).unwrap_or_else(|problems| panic!("{problems}"));
    let built = built();
    assert_eq!(built, loaded.workflow);
    assert_eq!(built.version(), loaded.workflow.version());
}
