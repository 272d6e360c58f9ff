//! The JSON Schema of the format, for editors.
//!
//! Derived from the model, so that no field is forgotten, then brought to what a file may say:
//! the model's derives describe what serde reads (stored definitions, filled in by the loader),
//! and they nest what editors complete better when it lies flat. Draft 7, because that is what
//! YAML editors know best.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::decode::patterns;

type Object = Map<String, Value>;

/// The JSON Schema of a workflow file.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<crate::model::Workflow>().to_value();
    tidy(&mut schema);
    flatten(&mut schema, "Step");
    flatten(&mut schema, "Choice");
    restrict(&mut schema);
    restrict_more(&mut schema);
    drop_unused(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("title".to_owned(), json!("A workflow of Rackwright"));
    }
    schema
}

/// A file never says `null` for what it leaves out, and descriptions are not Rust's.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    object.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(ways)) = object.get_mut("anyOf") {
                ways.retain(|way| *way != json!({ "type": "null" }));
                if let [one] = ways.as_slice() {
                    let one = one.clone();
                    object.remove("anyOf");
                    object.insert("allOf".to_owned(), json!([one]));
                }
            }
            object.remove("format");
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Brings the fields of all variants of a definition into one object.
fn flatten(schema: &mut Value, name: &str) {
    let Some(definition) = schema["definitions"].get(name).cloned() else { return };
    let mut fields = Object::new();
    gather(&definition, &schema["definitions"], &mut fields);
    fields.remove("version");
    let required = definition.get("required").cloned().unwrap_or_else(|| json!([]));
    schema["definitions"][name] = json!({
        "description": definition["description"],
        "type": "object",
        "additionalProperties": false,
        "properties": fields,
        "required": required,
    });
}

fn gather(schema: &Value, definitions: &Value, fields: &mut Object) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            fields.entry(name.clone()).or_insert_with(|| property.clone());
        }
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        for way in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
            gather(way, definitions, fields);
        }
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str)
        && let Some(definition) = definitions.get(target.trim_start_matches("#/definitions/"))
    {
        gather(definition, definitions, fields);
    }
}

/// What the loader refuses and the types can't say.
fn restrict(schema: &mut Value) {
    let step = "/definitions/Step";
    merge(schema, step, &json!({ "oneOf": kinds() }));
    merge(
        schema,
        "/definitions/Choice",
        &json!({ "oneOf": [
        only(&["when", "steps"], &["next", "otherwise"]),
        only(&["when", "next"], &["steps", "otherwise"]),
        only(&["otherwise"], &["when", "steps", "next"]),
    ] }),
    );
    let list = json!({ "type": "array", "items": { "$ref": "#/definitions/Step" } });
    merge(
        schema,
        "/definitions/Step/properties/parallel",
        &json!({
            "minProperties": 1,
            "propertyNames": { "pattern": patterns::ID },
            "additionalProperties": { "anyOf": [list, { "$ref": "#/definitions/Branch" }] },
        }),
    );
    let id = json!({ "pattern": patterns::ID, "not": { "const": "end" } });
    let at_least_one = json!({ "minItems": 1 });
    let executor = json!({ "pattern": patterns::EXECUTOR });
    let binding = json!({ "pattern": patterns::BINDING, "not": { "enum": patterns::TAKEN } });
    let budget = json!({ "not": {
        "required": ["max_failures", "on_error"],
        "properties": { "on_error": { "const": "fail" } },
    } });
    let workflow = json!({ "pattern": patterns::WORKFLOW });
    for (place, more) in [
        ("/properties/workflow", &workflow),
        ("/properties/steps", &at_least_one),
        ("/properties/finally", &at_least_one),
        ("/properties/input", &json!({ "type": ["object", "boolean"] })),
        ("/definitions/Step/properties/id", &id),
        ("/definitions/Step/properties/needs/items", &id),
        ("/definitions/Step/properties/uses", &executor),
        ("/definitions/Step/properties/workflow", &workflow),
        ("/definitions/Step/properties/decision", &at_least_one),
        ("/definitions/Branch", &json!({ "additionalProperties": false })),
        ("/definitions/Otherwise/anyOf/1", &json!({ "additionalProperties": false })),
        ("/definitions/Next", &json!({ "pattern": patterns::ID })),
        ("/definitions/Map/properties/over", &json!({ "type": ["string", "array"] })),
        ("/definitions/Map/properties/as", &binding),
        ("/definitions/Map/properties/max_concurrency", &json!({ "minimum": 1 })),
        ("/definitions/Map", &budget),
        ("/definitions/Rollout/properties/over", &json!({ "type": ["string", "array"] })),
        ("/definitions/Rollout/properties/as", &binding),
        ("/definitions/Rollout/properties/canary", &json!({ "minimum": 1 })),
        ("/definitions/Step/properties/gate", &at_least_one),
        ("/definitions/Cleanup/properties/uses", &executor),
        ("/definitions/Undo/properties/uses", &executor),
        ("/definitions/Retry/properties/max_attempts/anyOf/0", &json!({ "minimum": 1 })),
        ("/definitions/Retry/properties/jitter", &json!({ "minimum": 0, "maximum": 1 })),
        ("/definitions/Retry/properties/on", &at_least_one),
        ("/definitions/Repeat/properties/max_iterations/allOf/0/anyOf/0", &json!({ "minimum": 1 })),
        (
            "/definitions/Wait",
            &json!({ "oneOf": [
                { "required": ["for"], "maxProperties": 1 },
                { "required": ["until"], "maxProperties": 1 },
                { "required": ["window"], "maxProperties": 2, "properties": { "for": false, "until": false } },
            ] }),
        ),
        ("/definitions/AllOf/properties/all", &at_least_one),
        ("/definitions/AnyOf/properties/any", &at_least_one),
        (
            "/definitions/Comparison",
            &json!({
                "if": { "properties": { "operator": { "enum": ["exists", "not_exists"] } } },
                "then": { "not": { "required": ["value"] } },
                "else": { "required": ["value"] },
            }),
        ),
    ] {
        merge(schema, place, more);
    }
}

/// The same for signals, times and retention.
fn restrict_more(schema: &mut Value) {
    let pattern = json!({ "pattern": patterns::ID });
    let any_schema = json!({ "type": ["object", "boolean"] });
    merge(schema, "/definitions/Signal/properties/name", &pattern);
    merge(schema, "/definitions/Signal/properties/schema", &any_schema);
    merge(schema, "/definitions/TimeoutParts", &json!({ "minProperties": 1 }));
    merge(schema, "/definitions/Retention", &json!({ "minProperties": 1 }));
    merge(schema, "/definitions/Retention/properties/count", &json!({ "minimum": 1 }));
}

/// One variant for each kind of step: what makes it, and what it may not have.
fn kinds() -> Vec<Value> {
    const ALL: [&str; 17] = [
        "uses", "map", "rollout", "gate", "repeat", "workflow", "parallel", "decision", "set",
        "wait", "signal", "approval", "steps", "with", "output", "retry", "wait_for",
    ];
    let kind = |makes: &[&str], may: &[&str]| {
        let not: Vec<_> =
            ALL.into_iter().filter(|n| !makes.contains(n) && !may.contains(n)).collect();
        let mut kind = only(makes, &not);
        if makes != ["uses"] {
            // Only attempts may take their time from the run's data.
            let template = json!({ "type": "string", "pattern": "\\{\\{" });
            kind["properties"] = json!({ "timeout": { "not": template } });
        }
        kind
    };
    vec![
        kind(&["uses"], &["with", "retry"]),
        kind(&["map", "steps"], &["output"]),
        kind(&["map", "workflow"], &["with"]),
        kind(&["rollout", "steps"], &["output", "gate"]),
        kind(&["rollout", "workflow"], &["with", "gate"]),
        kind(&["repeat", "steps"], &["output"]),
        kind(&["wait"], &[]),
        kind(&["signal"], &[]),
        kind(&["approval"], &[]),
        kind(&["workflow"], &["with"]),
        kind(&["parallel"], &["wait_for"]),
        kind(&["decision"], &[]),
        kind(&["set"], &[]),
        kind(&["steps"], &["output"]),
    ]
}

fn only(required: &[&str], not: &[&str]) -> Value {
    let not: Vec<_> = not.iter().map(|name| json!({ "required": [name] })).collect();
    json!({ "required": required, "not": { "anyOf": not } })
}

/// Adds keywords to a place of the schema. That every place is there is held by the tests: each
/// of these restrictions refuses one of the bad files.
fn merge(schema: &mut Value, place: &str, more: &Value) {
    if let (Some(Value::Object(object)), Value::Object(more)) = (schema.pointer_mut(place), more) {
        object.extend(more.clone());
    }
}

/// Definitions that nothing refers to any more.
fn drop_unused(schema: &mut Value) {
    let mut used = Vec::new();
    references(schema, &mut used);
    if let Some(Value::Object(definitions)) = schema.get_mut("definitions") {
        definitions.retain(|name, _| used.contains(&format!("#/definitions/{name}")));
    }
}

fn references(value: &Value, used: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get("$ref") {
                used.push(target.clone());
            }
            object.values().for_each(|value| references(value, used));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, used)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restrictions_find_their_places() {
        let schema = schema();
        for place in [
            "/definitions/Step/properties/parallel/minProperties",
            "/definitions/Step/properties/id/pattern",
            "/definitions/Step/properties/needs/items/pattern",
            "/definitions/Step/properties/uses/pattern",
            "/definitions/Step/properties/decision/minItems",
            "/definitions/Otherwise/anyOf/1/additionalProperties",
            "/definitions/Map/properties/over/type",
            "/definitions/Map/not",
            "/definitions/Rollout/properties/over/type",
            "/definitions/Rollout/properties/as/pattern",
            "/definitions/Rollout/properties/canary/minimum",
            "/definitions/Step/properties/gate/minItems",
            "/definitions/Retry/properties/max_attempts/anyOf/0/minimum",
            "/definitions/Retry/properties/jitter/maximum",
            "/definitions/Repeat/properties/max_iterations/allOf/0/anyOf/0/minimum",
            "/definitions/TimeoutParts/minProperties",
            "/definitions/Retention/minProperties",
            "/definitions/Retention/properties/count/minimum",
            "/definitions/Signal/properties/name/pattern",
            "/definitions/Wait/oneOf/2/maxProperties",
            "/definitions/AllOf/properties/all/minItems",
            "/definitions/AnyOf/properties/any/minItems",
            "/definitions/Comparison/else",
            "/properties/steps/minItems",
        ] {
            assert!(schema.pointer(place).is_some(), "{place} is missing in {schema:#}");
        }
        assert!(schema.pointer("/definitions/Version").is_none());
        let loops = jsonschema::meta::validate(&schema);
        assert!(loops.is_ok(), "{loops:?}");
    }
}
