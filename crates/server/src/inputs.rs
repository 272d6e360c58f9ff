//! The input of a run, from the command line, a file and the lab.

use std::path::Path;

use rackwright_engine::{Workflow, graph::validate_input, load};
use serde_json::{Map, Value};

use crate::exit::{Exit, Failure, Outcome};

/// What `--input` and `--input-file` say, typed by the workflow's schema, not yet checked.
pub(crate) fn gather(
    workflow: &Workflow,
    file: Option<&Path>,
    pairs: &[String],
) -> Outcome<Map<String, Value>> {
    change(workflow, Map::new(), file, pairs)
}

/// The same, on top of an input that is there.
pub(crate) fn change(
    workflow: &Workflow,
    mut input: Map<String, Value>,
    file: Option<&Path>,
    pairs: &[String],
) -> Outcome<Map<String, Value>> {
    input.extend(file.map(read).transpose()?.unwrap_or_default());
    let mut problems = Vec::new();
    for pair in pairs {
        if let Err(problem) = set(&mut input, workflow.input.as_ref(), pair) {
            problems.push(problem);
        }
    }
    if problems.is_empty() { Ok(input) } else { Err(refused(workflow, &problems)) }
}

/// Checks an input and fills in the schema's defaults.
pub(crate) fn check(workflow: &Workflow, input: Map<String, Value>) -> Outcome<Value> {
    validate_input(workflow, Value::Object(input)).map_err(|problems| {
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        refused(workflow, &texts)
    })
}

fn refused(workflow: &Workflow, problems: &[String]) -> Failure {
    let name = &workflow.name;
    let text = format!("the input does not fit workflow `{name}`:\n  {}", problems.join("\n  "));
    Failure::usage(text)
}

fn read(path: &Path) -> Outcome<Map<String, Value>> {
    match load::load_value(path) {
        Ok(Value::Object(input)) => Ok(input),
        Ok(_) => Err(Failure::usage(format!(
            "{}: the input of a run is a mapping of names to values",
            path.display()
        ))),
        Err(problems) => Err(Failure {
            exit: Exit::Usage,
            message: problems.to_string(),
            rendered: true,
            hint: None,
        }),
    }
}

/// Sets what a `k.sub=v` says.
fn set(input: &mut Map<String, Value>, schema: Option<&Value>, pair: &str) -> Result<(), String> {
    let Some((name, text)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(format!("--input {pair}: expected NAME=VALUE"));
    };
    let path: Vec<&str> = name.split('.').collect();
    let field = path.iter().try_fold(schema, |schema, part| {
        let properties = schema?.get("properties")?;
        Some(properties.get(part))
    });
    let value = typed(field.flatten(), text).map_err(|problem| format!("{name}: {problem}"))?;
    let mut object = input;
    for part in &path[..path.len() - 1] {
        let inner = object.entry(*part).or_insert_with(|| Value::Object(Map::new()));
        object = inner
            .as_object_mut()
            .ok_or_else(|| format!("{name}: `{part}` is set to something that holds nothing"))?;
    }
    object.insert(path[path.len() - 1].to_owned(), value);
    Ok(())
}

/// A value of the type that the schema names.
fn typed(schema: Option<&Value>, text: &str) -> Result<Value, String> {
    let types: Vec<&str> = match schema.and_then(|schema| schema.get("type")) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    };
    let json = serde_json::from_str::<Value>(text);
    if types.is_empty() {
        return Ok(json.unwrap_or_else(|_| text.into()));
    }
    let fits = |value: &Value| types.iter().any(|name| is(value, name));
    match json {
        // A string may look like JSON: `serial=0042`, `name=null`.
        Ok(value) if !types.contains(&"string") && fits(&value) => Ok(value),
        _ if types.contains(&"string") => Ok(text.into()),
        _ => Err(format!("expected {}, got `{text}`", described(&types))),
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn described(types: &[&str]) -> String {
    let words = types.iter().map(|name| match *name {
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list as JSON, such as [\"a\", \"b\"]",
        "object" => "an object as JSON, such as {\"a\": 1}",
        other => other,
    });
    words.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workflow() -> Workflow {
        Workflow::builder("w")
            .input(json!({
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": { "type": "string" },
                    "count": { "type": "integer" },
                    "flag": { "type": ["boolean", "null"] },
                    "hosts": { "type": "array", "items": { "type": "string" } },
                    "net": { "type": "object", "properties": { "mtu": { "type": "integer" } } },
                    "free": {},
                },
            }))
            .build()
    }

    fn gathered(pairs: &[&str]) -> Result<Value, String> {
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        gather(&workflow(), None, &pairs).map(Value::Object).map_err(|failure| failure.message)
    }

    #[test]
    fn values_have_the_type_of_the_schema() {
        let pairs = [
            "name=0042",
            "count=3",
            "flag=null",
            "hosts=[\"a\"]",
            "net.mtu=9000",
            "free={\"x\":1}",
        ];
        let wanted = json!({
            "name": "0042", "count": 3, "flag": null, "hosts": ["a"], "net": { "mtu": 9000 },
            "free": { "x": 1 },
        });
        assert_eq!(gathered(&pairs).unwrap(), wanted);
        assert_eq!(gathered(&["free=plain"]).unwrap(), json!({ "free": "plain" }));
        assert_eq!(gathered(&["name=a=b"]).unwrap(), json!({ "name": "a=b" }));
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let told = gathered(&["count=three", "flag=yes", "alone", "net.mtu=1", "net.mtu.x=1"]);
        let told = told.unwrap_err();
        for part in [
            "count: expected an integer, got `three`",
            "flag: expected true or false or null, got `yes`",
            "--input alone: expected NAME=VALUE",
            "net.mtu.x: `mtu` is set to something that holds nothing",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn a_checked_input_names_what_is_missing_and_unknown() {
        let input = json!({ "nmae": "x", "count": 1.5 });
        let told = check(&workflow(), input.as_object().unwrap().clone()).unwrap_err();
        assert_eq!(told.exit, Exit::Usage);
        for part in ["input.nmae", "did you mean `name`?", "input.count", "\"name\""] {
            assert!(told.message.contains(part), "{}", told.message);
        }
    }
}
