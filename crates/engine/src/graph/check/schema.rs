//! What a JSON Schema says, as far as messages and names need it.

use serde_json::{Map, Value};

/// What kind of value it is, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The type in words.
pub(super) fn type_words(name: &str) -> &str {
    match name {
        "null" => "null",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

/// Whether the value is of the type of that name.
pub(super) fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

/// The types that a schema allows; empty if it does not say.
pub(super) fn types(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
            Vec::new()
        }
    }
}

/// The names that a schema gives to properties, those of its parts included.
pub(super) fn properties(schema: &Value) -> Vec<&str> {
    let mut names = Vec::new();
    if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
        names.extend(fields.keys().map(String::as_str));
    }
    for part in parts(schema) {
        names.extend(properties(part));
    }
    names
}

/// Schemas that hold for the same value.
fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    ["allOf", "anyOf", "oneOf", "then", "else"]
        .into_iter()
        .filter_map(|word| schema.get(word))
        .flat_map(|parts| parts.as_array().map_or(std::slice::from_ref(parts), Vec::as_slice))
}

/// Whether a name that the schema does not list can't be there. Stricter than the standard, which
/// lets anything through that is not forbidden: a name beside those that are listed is a slip far
/// more often than not. `additionalProperties: true` opens a schema.
pub(super) fn is_closed(schema: &Value) -> bool {
    if schema.get("patternProperties").is_some() || schema.get("$ref").is_some() {
        return false;
    }
    let says = schema.get("additionalProperties");
    let open = says.is_some_and(|additional| *additional != Value::Bool(false));
    let listed = !properties(schema).is_empty() || says == Some(&Value::Bool(false));
    !open && listed && parts(schema).all(|part| is_closed(part) || !mentions_objects(part))
}

/// Whether a part of a schema speaks of objects, beyond what is required of them.
fn mentions_objects(schema: &Value) -> bool {
    let Some(fields) = schema.as_object() else { return schema == &Value::Bool(true) };
    let types = types(fields);
    let says_object = types.contains(&"object") || schema.get("additionalProperties").is_some();
    let says_nothing = types.is_empty()
        && !fields.contains_key("properties")
        && !fields.contains_key("required")
        && !fields.contains_key("enum")
        && !fields.contains_key("const");
    says_object || says_nothing
}

/// The schema of what a path leads to, as far as it is plain.
pub(super) fn lookup<'s>(schema: &'s Value, path: &[&str]) -> Option<&'s Value> {
    path.iter().try_fold(schema, |schema, name| child(schema, name))
}

fn child<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    let own = schema.get("properties").and_then(|properties| properties.get(name));
    own.or_else(|| {
        let is_index = name.bytes().all(|digit| digit.is_ascii_digit());
        schema.get("items").filter(|_| is_index)
    })
    .or_else(|| parts(schema).find_map(|part| child(part, name)))
}

/// The first name of a path that no schema on the way knows, though it would have to, and the path
/// to what would hold it.
pub(super) fn missing_field<'p>(
    schema: &Value,
    path: &'p [&'p str],
) -> Option<(&'p str, &'p [&'p str])> {
    let mut schema = schema;
    for (depth, name) in path.iter().enumerate() {
        match child(schema, name) {
            Some(next) => schema = next,
            None => return is_closed(schema).then_some((*name, &path[..depth])),
        }
    }
    None
}
