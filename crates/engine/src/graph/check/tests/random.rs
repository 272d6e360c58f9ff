//! Whatever a workflow looks like: no panic, and each problem is at a place that exists.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{problems_of, workflow};

fn texts() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "plain",
        "{{ input.a }}",
        "{{ steps.s0.output }}",
        "{{ steps.s1.output.x ~ steps.s2.status }}",
        "{{ item }}",
        "x{{ item_index }}",
        "{{ steps.s-3.output }}",
        "{{ nope",
        "{{ a|nope }}",
        "{{ 'é' ~ ü }}",
        "",
    ])
}

fn ids() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["s0", "s1", "s2", "s3", "s-3", "end", "", "é"])
}

fn steps() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        texts().prop_map(
            |text| json!({"uses": "redfish.update", "with": {"target": text, "tries": text}})
        ),
        texts().prop_map(|text| json!({"uses": text, "with": text})),
        texts().prop_map(|text| json!({"set": [text], "when": text, "retry": {"max_attempts": text}, "timeout": text})),
        texts().prop_map(|text| json!({"workflow": "child", "with": {"host": text, text: 1}})),
        texts().prop_map(|text| json!({"map": {"over": text, "as": "item"}, "workflow": "child"})),
        (texts(), ids()).prop_map(|(text, id)| json!({"decision": [
            {"when": {"field": text, "operator": "in", "value": text}, "next": id},
            {"otherwise": {"next": id}}, {"when": text, "next": id}]})),
    ];
    let leaf = (leaf, ids(), ids(), 0..6).prop_map(|(mut step, id, other, extra)| {
        step["id"] = json!(id);
        match extra {
            0 => step["needs"] = json!([other, id]),
            1 => step["next"] = json!(other),
            2 => step["cleanup"] = json!({"uses": "nope.x", "with": {"k": "{{ steps.s0.error }}"}}),
            _ => {}
        }
        step
    });
    leaf.prop_recursive(3, 24, 4, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (list(), ids()).prop_map(
                |(steps, id)| json!({"id": id, "steps": steps, "output": "{{ steps.s1.output }}"})
            ),
            (list(), ids())
                .prop_map(|(steps, id)| json!({"id": id, "map": {"over": [1]}, "steps": steps})),
            (list(), ids())
                .prop_map(|(steps, id)| json!({"id": id, "parallel": {"a/b~": {"steps": steps}}})),
            (list(), ids()).prop_map(
                |(steps, id)| json!({"id": id, "decision": [{"when": true, "steps": steps}]})
            ),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn each_problem_has_a_place(steps in prop::collection::vec(steps(), 0..5), output in texts()) {
        let workflow = workflow(json!({"steps": steps, "output": output}));
        let source = serde_json::to_value(&workflow).unwrap();
        for problem in problems_of(&workflow) {
            // A default is not written down, so the field itself need not be there.
            let holder = problem.at.parent().unwrap_or_default();
            prop_assert!(source.pointer(holder.as_str()).is_some(), "{problem:#?}");
            if let Some(range) = problem.range.clone() {
                let text = source.pointer(problem.at.as_str()).and_then(Value::as_str);
                prop_assert!(text.is_some_and(|text| text.get(range).is_some()), "{problem:#?}");
            }
        }
    }
}
