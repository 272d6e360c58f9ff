//! The input's schema: that it is one, that its defaults fit it, and inputs against it.

use std::fmt;

use jsonschema::{ValidationError, error::ValidationErrorKind};
use serde_json::{Map, Value, json};

use super::{Checker, schema, words};
use crate::model::{Pointer, Problem, Workflow};

/// One thing that is wrong with the input of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputProblem {
    /// Where in the input.
    pub at: Pointer,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl fmt::Display for InputProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place: Vec<_> = self.at.segments().collect();
        let dot = if place.is_empty() { "" } else { "." };
        write!(f, "input{dot}{}: {}", place.join("."), self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

impl std::error::Error for InputProblem {}

/// The place that a JSON Pointer of the validator leads to, below `base`.
pub(super) fn pointer(base: &Pointer, path: &str) -> Pointer {
    let segments = path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
    segments.fold(base.clone(), |at, part| at.key(&part))
}

/// Checks an input and fills in the defaults of the workflow's schema. No input (null) counts as
/// an empty object. Names that the schema does not list are refused, unless it says
/// `additionalProperties`.
///
/// # Errors
/// Everything that is wrong with the input.
pub fn validate_input(workflow: &Workflow, input: Value) -> Result<Value, Vec<InputProblem>> {
    let mut input = if input.is_null() { json!({}) } else { input };
    let Some(schema) = &workflow.input else { return Ok(input) };
    fill(&mut input, schema);
    let validator = jsonschema::validator_for(schema).map_err(|error| {
        let message = format!("the input's schema is not valid: {error}");
        let help = Some("mend `input` in the workflow".to_owned());
        vec![InputProblem { at: Pointer::root(), message, help }]
    })?;
    let mut problems = Vec::new();
    unknown(&input, schema, &Pointer::root(), &mut problems);
    for error in validator.iter_errors(&input) {
        let at = pointer(&Pointer::root(), error.instance_path().as_str());
        let covered = |problem: &InputProblem| problem.at.parent().as_ref() == Some(&at);
        let additional = matches!(error.kind(), ValidationErrorKind::AdditionalProperties { .. });
        if additional && problems.iter().any(covered) {
            continue;
        }
        let help = about(schema, &at, &error);
        problems.push(InputProblem { at, message: describe(&error), help });
    }
    if problems.is_empty() { Ok(input) } else { Err(problems) }
}

/// Checks what is sent to a run against the schema of the one that takes it.
///
/// # Errors
/// Everything that is wrong with it, in words.
pub fn validate_payload(schema: &Value, payload: &Value) -> Result<(), Vec<String>> {
    let validator = jsonschema::validator_for(schema).map_err(|error| vec![error.to_string()])?;
    let problem = |error: ValidationError<'_>| {
        let place = pointer(&Pointer::root(), error.instance_path().as_str());
        let place: Vec<_> = place.segments().map(std::borrow::Cow::into_owned).collect();
        let colon = if place.is_empty() { "" } else { ": " };
        format!("{}{colon}{}", place.join("."), describe(&error))
    };
    let problems: Vec<_> = validator.iter_errors(payload).map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The error in words, without repeating whole lists and objects.
pub(super) fn describe(error: &ValidationError<'_>) -> String {
    match &**error.instance() {
        Value::Array(_) | Value::Object(_) => error.masked_with("it").to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => error.to_string(),
    }
}

/// What the schema says of what is missing or wrong.
fn about(schema: &Value, at: &Pointer, error: &ValidationError<'_>) -> Option<String> {
    let mut path: Vec<String> = at.segments().map(std::borrow::Cow::into_owned).collect();
    if let ValidationErrorKind::Required { property } = error.kind() {
        path.push(property.as_str()?.to_owned());
    }
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let field = schema::lookup(schema, &path)?;
    let text = field.get("description")?.as_str()?;
    Some(format!("{}: {text}", path.last()?))
}

fn unknown(input: &Value, schema: &Value, at: &Pointer, problems: &mut Vec<InputProblem>) {
    let Some(fields) = input.as_object() else { return };
    let known = schema::properties(schema);
    for (name, value) in fields {
        if let Some(field) = schema::lookup(schema, &[name]) {
            unknown(value, field, &at.key(name), problems);
        } else if schema::is_closed(schema) {
            let free = known.iter().copied().filter(|known| !fields.contains_key(*known));
            let help = words::nearest(name, free)
                .map(|near| format!("did you mean `{near}`?"))
                .or_else(|| words::suggest(name, "known are", known.iter().copied()));
            let message = format!("`{name}` is not known");
            problems.push(InputProblem { at: at.key(name), message, help });
        }
    }
}

/// Puts defaults where the input says nothing, from the outside in.
fn fill(input: &mut Value, schema: &Value) {
    match input {
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, field) in properties.into_iter().flatten() {
                if !fields.contains_key(name)
                    && let Some(default) = field.get("default")
                {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    fill(value, field);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    fill(item, schema);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Words of JSON Schema that a slip of the pen may be about.
const KEYWORDS: [&str; 26] = [
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "const",
    "default",
    "description",
    "title",
    "additionalProperties",
    "patternProperties",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
    "anyOf",
    "oneOf",
    "allOf",
];

impl Checker<'_, '_> {
    /// The input's schema.
    pub(super) fn schema(&mut self, schema: Option<&Value>) {
        let Some(schema) = schema else { return };
        let at = Pointer::root().key("input");
        if let Err(error) = jsonschema::meta::validate(schema) {
            let place = pointer(&at, error.instance_path().as_str());
            let message = "`input` is not a valid JSON Schema";
            self.report(Problem::new("invalid-schema", place, message).label(describe(&error)));
            return;
        }
        if let Err(error) = jsonschema::validator_for(schema) {
            let message = "`input` is a JSON Schema that can't be used";
            self.report(Problem::new("invalid-schema", at, message).label(describe(&error)));
            return;
        }
        if let Some(fields) = schema.as_object() {
            self.schema_words(fields, &at);
        }
    }

    /// Slips that are valid JSON Schema, because the standard ignores what it does not know.
    fn schema_words(&mut self, schema: &Map<String, Value>, at: &Pointer) {
        for word in schema.keys() {
            let exact = KEYWORDS.contains(&word.as_str()) || word.starts_with(['$', 'x']);
            if let Some(near) = words::nearest(word, KEYWORDS.into_iter()).filter(|_| !exact) {
                let known = ["not", "if", "then", "else", "examples", "contains", "deprecated"];
                if known.contains(&word.as_str()) {
                    continue;
                }
                let message = format!("JSON Schema has no `{word}`");
                self.report(
                    Problem::new("unknown-field", at.key(word), message)
                        .on_key()
                        .label(format!("did you mean `{near}`?")),
                );
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let required = schema.get("required").and_then(Value::as_array);
        for (index, name) in required.into_iter().flatten().enumerate() {
            let Some(name) = name.as_str() else { continue };
            let Some(known) = properties.filter(|known| !known.contains_key(name)) else {
                continue;
            };
            let message = format!("`{name}` is required, but not among the properties");
            let mut problem =
                Problem::new("unknown-input", at.key("required").index(index), message);
            problem.help.extend(words::suggest(name, "they are", known.keys().map(String::as_str)));
            self.report(problem);
        }
        for (name, field) in properties.into_iter().flatten() {
            let here = at.key("properties").key(name);
            self.default(field, &here);
            if let Some(fields) = field.as_object() {
                self.schema_words(fields, &here);
            }
        }
    }

    fn default(&mut self, field: &Value, at: &Pointer) {
        let Some(default) = field.get("default") else { return };
        // A schema that refers to others can't be used by itself; its defaults are judged with
        // the input that they end up in.
        let Ok(validator) = jsonschema::validator_for(field) else { return };
        let mut filled = default.clone();
        fill(&mut filled, field);
        if let Err(error) = validator.validate(&filled) {
            let message = "the default does not fit its own schema";
            let problem = Problem::new("invalid-default", at.key("default"), message);
            self.report(problem.label(describe(&error)));
        }
    }
}
