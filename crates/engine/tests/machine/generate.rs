//! Random workflows of all kinds.

use proptest::prelude::*;
use rackwright_engine::Workflow;
use serde_json::{Value, json};

/// A workflow with up to some dozens of steps, nested up to three deep.
pub(crate) fn workflow() -> impl Strategy<Value = Workflow> {
    let finally = prop::option::weighted(0.3, list(1));
    let timeout = prop::option::weighted(0.2, Just("40s"));
    let window = prop::option::weighted(0.1, window());
    let locks = prop_oneof![6 => Just(0), 1 => Just(1), 1 => Just(2)];
    (list(3), finally, timeout, window, locks).prop_map(
        |(steps, finally, timeout, window, locks)| {
            let mut flow = json!({ "workflow": "random", "steps": steps });
            if let Some(finally) = finally {
                flow["finally"] = json!(finally);
            }
            if let Some(timeout) = timeout {
                flow["timeout"] = json!(timeout);
            }
            if let Some(window) = window {
                flow["window"] = window;
            }
            if locks > 0 {
                flow["locks"] = json!(["a"]);
            }
            if locks > 1 {
                flow["queue_timeout"] = json!("1s");
            }
            serde_json::from_value(flow).expect("the generator makes valid workflows")
        },
    )
}

/// A list whose steps run in order, or as a graph.
fn list(depth: u32) -> impl Strategy<Value = Vec<Value>> {
    let steps = prop::collection::vec((kind(depth), policies(), any::<u64>()), 1..5);
    (steps, any::<bool>(), any::<u64>()).prop_map(|(steps, graph, seed)| {
        let len = steps.len();
        let mut out = Vec::new();
        for (place, (kind, policies, bits)) in steps.into_iter().enumerate() {
            let mut step = json!({ "id": format!("s{place}") });
            merge(&mut step, kind);
            merge_policies(&mut step, policies);
            // Mostly the one lock that may be taken again, sometimes one that comes before it.
            match (bits >> 32) % 16 {
                0 | 1 => step["locks"] = json!(["b"]),
                2 => step["locks"] = json!(["{{ input.n }}"]),
                3 => step["limits"] = json!([{ "name": "l", "max": 1 }]),
                _ => {}
            }
            if (bits >> 40) % 8 == 0 && step.get("uses").is_some() {
                step["pool"] = json!("p");
            }
            // Refused when a file is loaded: it may wait in a circle.
            if graph
                && step.get("cleanup").is_some()
                && let Value::Object(step) = &mut step
            {
                step.remove("locks");
            }
            if graph {
                let needs: Vec<_> = (0..place)
                    .filter(|before| bits >> before & 1 == 1)
                    .map(|before| format!("s{before}"))
                    .collect();
                step["needs"] = json!(needs);
            } else if place + 2 < len && (seed >> place).is_multiple_of(8) {
                step["next"] = json!(format!("s{}", place + 2));
            }
            out.push(step);
        }
        out
    })
}

fn merge(step: &mut Value, more: Value) {
    if let (Value::Object(step), Value::Object(more)) = (step, more) {
        step.extend(more);
    }
}

/// Retries and the time of attempts stand on tasks alone, a window not beside another.
fn merge_policies(step: &mut Value, mut policies: Value) {
    if step.pointer("/wait/window").is_some()
        && let Value::Object(policies) = &mut policies
    {
        policies.remove("window");
    }
    if step.get("uses").is_none()
        && let Value::Object(policies) = &mut policies
    {
        policies.remove("retry");
        if let Some(Value::Object(timeout)) = policies.get_mut("timeout") {
            timeout.remove("attempt");
            if timeout.is_empty() {
                policies.remove("timeout");
            }
        }
    }
    merge(step, policies);
}

fn kind(depth: u32) -> BoxedStrategy<Value> {
    let task = prop_oneof![Just("x.read"), Just("x.idem"), Just("x.verify")]
        .prop_map(|uses| json!({ "uses": uses, "with": { "a": 1 } }));
    let set = Just(json!({ "set": { "x": "{{ input.n }}" } }));
    let broken = Just(json!({ "set": "{{ input.missing }}" }));
    let child = Just(json!({ "workflow": "kid", "version": "00".repeat(32) }));
    let ask = prop_oneof![
        Just(json!({ "message": "go?" })),
        Just(json!({ "message": "go on with {{ input.n }}?", "show": { "n": "{{ input.n }}" } })),
        Just(json!({ "message": "go?", "approvers": ["me"], "timeout": "1s" })),
        Just(json!({ "message": "go?", "timeout": "1s", "on_timeout": "approve" })),
        Just(json!({ "message": "go?", "timeout": "{{ input.n }}s", "on_timeout": "fail" })),
    ];
    let ask = ask.prop_map(|ask| json!({ "approval": ask }));
    let signal = prop_oneof![Just("red"), Just("green")]
        .prop_map(|name| json!({ "signal": { "name": name } }));
    let outside = prop_oneof![ask, signal].boxed();
    let wait = prop_oneof![
        Just(json!({ "for": "50ms" })),
        Just(json!({ "for": "{{ input.n }}s" })),
        Just(json!({ "until": "1970-01-01T00:00:02Z" })),
        Just(json!({ "until": "{{ input.n }}" })),
        Just(json!({ "window": "minute" })),
        Just(json!({ "window": "minute", "needs": "{{ input.n }}s" })),
    ];
    let wait = wait.prop_map(|wait| json!({ "wait": wait }));
    if depth == 0 {
        return prop_oneof![8 => task, 2 => set, 1 => broken, 1 => child, 2 => wait, 2 => outside]
            .boxed();
    }
    let repeat = (list(depth - 1), 1..4u32, 1..4u32, prop::option::of(Just("70ms"))).prop_map(
        |(steps, needed, most, delay)| {
            let until = format!("iteration >= {needed}");
            let mut repeat = json!({ "until": until, "max_iterations": most });
            if let Some(delay) = delay {
                repeat["delay"] = json!(delay);
            }
            json!({ "repeat": repeat, "steps": steps })
        },
    );
    let group = list(depth - 1).prop_map(|steps| json!({ "steps": steps }));
    let enough = prop_oneof![Just(json!("all")), Just(json!("any")), Just(json!(2))];
    let parallel = (list(depth - 1), list(depth - 1), enough).prop_map(|(a, b, enough)| {
        let branches = json!({ "a": { "steps": a }, "b": { "steps": b } });
        json!({ "parallel": branches, "wait_for": enough })
    });
    let failing = prop_oneof![
        Just(json!({ "on_error": "fail" })),
        Just(json!({ "on_error": "continue" })),
        Just(json!({ "on_error": "continue", "max_failures": 1 })),
        Just(json!({ "on_error": "continue", "max_failures": "50%" })),
    ];
    let map =
        (list(depth - 1), 0..5usize, 1..4u32, failing).prop_map(|(steps, items, most, failing)| {
            let over: Vec<_> = (0..items).collect();
            let mut map = json!({ "over": over, "max_concurrency": most });
            merge(&mut map, failing);
            json!({ "map": map, "steps": steps })
        });
    let rollout = rollout(depth - 1);
    let decision =
        (list(depth - 1), any::<bool>(), any::<bool>()).prop_map(|(steps, holds, other)| {
            let mut choices = vec![json!({ "when": holds, "steps": steps })];
            if other {
                choices.push(json!({ "otherwise": [] }));
            }
            json!({ "decision": choices })
        });
    prop_oneof![
        8 => task, 2 => set, 1 => broken, 1 => child,
        2 => group, 2 => parallel, 3 => map, 2 => rollout, 2 => decision, 2 => wait, 3 => repeat, 2 => outside,
    ]
    .boxed()
}

fn rollout(depth: u32) -> impl Strategy<Value = Value> {
    let amount = || {
        prop::option::of(prop_oneof![
            (1..4u32).prop_map(Value::from),
            (1..100u32).prop_map(|part| json!(format!("{part}%"))),
        ])
    };
    let shape = (prop::option::of(1..3u32), amount(), amount(), amount());
    let on_halt = prop_oneof![Just("stop"), Just("undo")];
    let gate = (prop::option::of(list(depth)), any::<bool>(), on_halt);
    (list(depth), 0..6usize, shape, gate).prop_map(
        |(steps, items, (canary, wave, max_unavailable, max_failures), (gate, soaks, on_halt))| {
            let over: Vec<_> = (0..items).collect();
            let mut rollout = json!({ "over": over, "on_halt": on_halt });
            let fields = [
                ("canary", canary.map(Value::from)),
                ("wave", wave),
                ("max_unavailable", max_unavailable),
                ("max_failures", max_failures),
                ("soak", soaks.then(|| json!("10s"))),
            ];
            for (name, value) in fields {
                if let Some(value) = value {
                    rollout[name] = value;
                }
            }
            let mut step = json!({ "rollout": rollout, "steps": steps });
            if let Some(gate) = gate {
                step["gate"] = json!(gate);
            }
            step
        },
    )
}

/// One that opens each minute, with a time that fits, does not, or comes from the data; and one
/// that is not there. What can't be is only known in a run, or no run would start.
fn window() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(json!("minute")),
        4 => Just(json!({ "name": "minute", "needs": "15s" })),
        1 => Just(json!({ "name": "{{ 'min' ~ 'ute' }}", "needs": "{{ input.n }}s" })),
        1 => Just(json!({ "name": "minute", "needs": "{{ input.n * 7 }}s" })),
        1 => Just(json!("gone {{ input.n }}")),
    ]
}

fn policies() -> impl Strategy<Value = Value> {
    let attempts = prop_oneof![
        4 => (2..4u32).prop_map(Value::from),
        2 => Just(json!("{{ input.n }}")),
        1 => Just(json!("{{ input.n - 3 }}")),
    ];
    let retry = prop::option::weighted(0.4, attempts);
    let cleanup = prop::option::weighted(
        0.3,
        prop_oneof![Just("always"), Just("on_success"), Just("on_failure"), Just("never")],
    );
    let timeout = prop::option::weighted(0.1, Just("30s"));
    let attempt = prop::option::weighted(0.2, Just("{{ input.n }}h"));
    let undo = prop::option::weighted(0.3, prop_oneof![Just("x.idem"), Just("x.verify")]);
    let window = prop::option::weighted(0.15, window());
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    (retry, (cleanup, undo), (timeout, attempt), flags, window).prop_map(
        |(retry, (cleanup, undo), (timeout, attempt), (goes_on, off), window)| {
            let mut out = json!({});
            if let Some(attempts) = retry {
                out["retry"] = json!({ "max_attempts": attempts, "delay": "1s" });
            }
            if let Some(policy) = cleanup {
                out["cleanup"] = json!({ "policy": policy, "uses": "x.idem" });
            }
            if let Some(uses) = undo {
                out["undo"] = json!({ "uses": uses, "with": { "v": "{{ input.n }}" } });
            }
            if let Some(timeout) = timeout {
                out["timeout"] = json!({ "total": timeout });
            }
            if let Some(attempt) = attempt {
                out["timeout"]["attempt"] = json!(attempt);
            }
            if goes_on {
                out["on_error"] = json!("continue");
            }
            if off {
                out["when"] = json!(false);
            }
            if let Some(window) = window {
                out["window"] = window;
            }
            out
        },
    )
}
