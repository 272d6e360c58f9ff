use rstest::rstest;
use serde_json::{Value, json};

use super::{found, task, workflow};
use crate::graph::check::validate_input;

#[rstest]
#[case::not_a_schema(json!({"type": "strin"}), &["invalid-schema /input/type"])]
#[case::deep(json!({"properties": {"a": {"minimum": "x"}}}), &["invalid-schema /input/properties/a/minimum"])]
#[case::reference(json!({"$ref": "#/nope"}), &["invalid-schema /input"])]
#[case::slip(json!({"type": "object", "reqired": ["a"]}), &["unknown-field /input/reqired"])]
#[case::slip_inside(json!({"properties": {"a": {"defualt": 1}}}), &["unknown-field /input/properties/a/defualt"])]
#[case::required(json!({"properties": {"host": {}}, "required": ["hots"]}), &["unknown-input /input/required/0"])]
#[case::default(json!({"properties": {"n": {"type": "integer", "default": "3"}}}), &["invalid-default /input/properties/n/default"])]
#[case::good(json!({"type": "object", "properties": {"n": {"type": "integer", "default": 3, "x-ui": 1}}, "not": {"required": ["q"]}}), &[])]
#[case::anything(json!(true), &[])]
fn schemas(#[case] schema: Value, #[case] expected: &[&str]) {
    assert_eq!(found(json!({"input": schema, "steps": [task("a", json!({}))]})), expected);
}

fn validate(input: Value) -> Result<Value, Vec<String>> {
    let workflow = workflow(json!({
        "input": {
            "type": "object", "required": ["host"],
            "properties": {
                "host": {"type": "string", "description": "the server's name"},
                "count": {"type": "integer", "default": 3, "minimum": 1},
                "nic": {"type": "object", "default": {}, "properties": {"mtu": {"type": "integer", "default": 1500}}},
                "disks": {"type": "array", "items": {"type": "object", "properties": {"raid": {"default": 1}}}},
            },
        },
        "steps": [task("a", json!({}))],
    }));
    validate_input(&workflow, input)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn defaults_are_filled_in() {
    let filled = validate(json!({"host": "a", "disks": [{}, {"raid": 5}]})).unwrap();
    assert_eq!(
        filled,
        json!({"host": "a", "disks": [{"raid": 1}, {"raid": 5}], "count": 3, "nic": {"mtu": 1500}})
    );
}

#[rstest]
#[case(Value::Null, &["input: \"host\" is a required property (host: the server's name)"])]
#[case(json!({"host": 7}), &["input.host: 7 is not of type \"string\" (host: the server's name)"])]
#[case(json!({"host": "a", "cuont": 1}), &["input.cuont: `cuont` is not known (did you mean `count`?)"])]
#[case(json!({"host": "a", "nic": {"mut": 1}, "count": 0}),
    &["input.nic.mut: `mut` is not known (did you mean `mtu`?)", "input.count: 0 is less than the minimum of 1"])]
#[case(json!([1]), &["input: it is not of type \"object\""])]
fn bad_inputs(#[case] input: Value, #[case] expected: &[&str]) {
    assert_eq!(validate(input).unwrap_err(), expected);
}

#[test]
fn without_a_schema_anything_goes() {
    let workflow = workflow(json!({"steps": [task("a", json!({}))]}));
    assert_eq!(validate_input(&workflow, json!([1])), Ok(json!([1])));
    assert_eq!(validate_input(&workflow, Value::Null), Ok(json!({})));
}
