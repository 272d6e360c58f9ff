use rstest::rstest;
use serde_json::{Value, json};

use super::sample;
use crate::{expr::Predicate, model::Condition};

fn condition(value: Value) -> Condition {
    serde_json::from_value(value).unwrap()
}

#[rstest]
#[case(json!(true), true)]
#[case(json!("{{ input.count > 2 }}"), true)]
#[case(json!("input.count > 2 and steps.plan.status == 'completed'"), true)]
#[case(json!("input.none"), false)]
#[case(json!("{{ input.host }}"), true)]
#[case(json!({"all": ["input.on", {"not": "input.none"}]}), true)]
#[case(json!({"all": [false, "nope"]}), false)]
#[case(json!({"any": [true, "nope"]}), true)]
#[case(json!({"any": []}), false)]
#[case(json!({"all": []}), true)]
#[case(json!({"field": "$.input.host", "operator": "equals", "value": "srv001"}), true)]
#[case(json!({"field": "$.input.host", "operator": "equals", "value": "{{ item.name }}"}), false)]
#[case(json!({"field": "$.steps.plan.output[*].v", "operator": "contains", "value": 2}), true)]
#[case(json!({"field": "$.steps.plan.output[?@.v > 1].v", "operator": "equals", "value": 2}), true)]
#[case(json!({"field": "$.steps['my-step'].output['a b'].c[0]", "operator": "less_than", "value": "{{ input.count * 4 }}"}), true)]
#[case(json!({"field": "$.steps.my-step.output['a b'].c", "operator": "contains", "value": 20}), true)]
#[case(json!({"field": "$.steps.flash.status", "operator": "in", "value": ["failed", "skipped"]}), true)]
#[case(json!({"field": "$.steps.flash.error.code", "operator": "exists"}), true)]
#[case(json!({"field": "$.steps.plan.error", "operator": "not_exists"}), true)]
#[case(json!({"field": "$.steps.later.output", "operator": "exists"}), false)]
#[case(json!({"field": "$.nope.x", "operator": "not_exists"}), true)]
#[case(json!({"field": "$.item_index", "operator": "greater_or_equal", "value": 1}), true)]
#[case(json!({"field": "$.input..name", "operator": "contains", "value": "nic"}), true)]
fn conditions(#[case] value: Value, #[case] expected: bool) {
    let predicate = Predicate::compile(&condition(value)).unwrap();
    assert_eq!(predicate.eval(&sample()), Ok(expected));
}

#[rstest]
#[case(json!({"field": "input.x", "operator": "exists"}), "/field", "a JSONPath starts with `$`")]
#[case(json!({"field": "$[0]", "operator": "exists"}), "/field", "names no value to start from")]
#[case(json!({"field": "$..x", "operator": "exists"}), "/field", "names no value to start from")]
#[case(json!({"field": "$.steps", "operator": "exists"}), "/field", "needs the id of a step")]
#[case(json!({"field": "$.steps.x.outptu", "operator": "exists"}), "/field", "takes one of them")]
#[case(json!({"field": "$.input[", "operator": "exists"}), "/field", "this is no JSONPath")]
#[case(json!({"field": "$.input[?@.a == $.item.b]", "operator": "exists"}), "/field", "can't start again")]
#[case(json!({"field": "$.input", "operator": "in", "value": 3}), "/value", "compare with a list")]
#[case(json!({"all": [true, {"not": "a && b"}]}), "/all/1/not", "syntax error")]
#[case(json!("{{ a }} == {{ b }}"), "", "one expression, without text around it")]
#[case(json!(""), "", "there is no expression in here")]
#[case(json!({"field": "$.a", "operator": "equals", "value": ["{{ x|nope }}"]}), "/value/0", "no filter")]
fn problems(#[case] value: Value, #[case] pointer: &str, #[case] message: &str) {
    let problems = Predicate::compile(&condition(value)).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].pointer.as_str(), pointer);
    assert!(problems[0].message.contains(message), "{problems:?}");
}

#[test]
fn problems_of_both_sides() {
    let value = json!({"field": "$", "operator": "equals", "value": "{{ x|nope }}"});
    let problems = Predicate::compile(&condition(value)).unwrap_err();
    let places: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(places, ["/field", "/value"]);
}

#[test]
fn errors_and_references() {
    let value = json!({"any": [
        {"field": "$.steps.plan.output[*].v", "operator": "equals", "value": "{{ input.count }}"},
    ]});
    let predicate = Predicate::compile(&condition(value)).unwrap();
    let error = predicate.eval(&sample()).unwrap_err();
    assert_eq!(error.pointer.as_str(), "/any/0/field");
    assert_eq!(error.message, "the path finds 2 values, and one is compared");
    let references: Vec<_> = predicate
        .references()
        .iter()
        .map(|r| (r.pointer.as_str(), r.root.as_str(), r.path.join(".")))
        .collect();
    assert_eq!(
        references,
        [
            ("/any/0/field", "steps", "plan.output".to_owned()),
            ("/any/0/value", "input", "count".to_owned()),
        ]
    );
}
