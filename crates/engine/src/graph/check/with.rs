//! A value that may hold expressions against a JSON Schema. An expression stands for a value of any
//! type, so this is a walk of our own; what has no expressions in it is judged by the validator as
//! well.

use serde_json::{Map, Value, json};

use super::{
    Checker,
    schema::{has_type, is_closed, kind, lookup, properties, type_words, types},
    words,
};
use crate::{
    expr::Template,
    model::{Pointer, Problem},
};

impl Checker<'_, '_> {
    /// The `with` of a step at `at` against the schema of `what`.
    pub(super) fn with(&mut self, with: &Value, schema: &Value, what: &str, at: &Pointer) {
        // An absent `with` stands for an empty object, and is missed at the step.
        let empty = json!({});
        let (value, at) =
            if with.is_null() { (&empty, at.clone()) } else { (with, at.key("with")) };
        let mut walk = Walk { root: schema, what, problems: Vec::new(), depth: 0 };
        walk.value(value, schema, &at);
        if walk.problems.is_empty() {
            walk.validate(value, &at);
        }
        let problems = walk.problems;
        for problem in problems {
            self.report(problem);
        }
    }
}

/// Deeper than this a schema refers to itself.
const DEEPEST: usize = 64;

struct Walk<'s> {
    root: &'s Value,
    what: &'s str,
    problems: Vec<Problem>,
    depth: usize,
}

impl<'s> Walk<'s> {
    /// Schemas inside of schemas speak of the same value: each thing is said once.
    fn report(&mut self, problem: Problem) {
        let same = |other: &Problem| other.code == problem.code && other.at == problem.at;
        if problem.code != "unknown-field" || !self.problems.iter().any(same) {
            self.problems.push(problem);
        }
    }

    fn report_all(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            self.report(problem);
        }
    }

    fn value(&mut self, value: &Value, schema: &'s Value, at: &Pointer) {
        let Some(text) = value.as_str().filter(|text| text.contains("{{")) else {
            return self.known(value, schema, at);
        };
        // What is wrong with the expression has been said.
        let Ok(template) = Template::compile(value) else { return };
        match template.constant() {
            Some(folded) => self.known(folded, schema, at),
            None if is_single(text) => {}
            None => self.text(schema, at),
        }
    }

    /// A text whose letters are not known yet.
    fn text(&mut self, schema: &'s Value, at: &Pointer) {
        let Some(fields) = schema.as_object() else { return };
        let types = types(fields);
        if !types.is_empty() && !types.contains(&"string") {
            let wanted = types.iter().map(|name| type_words(name)).collect::<Vec<_>>().join(" or ");
            self.report(
                Problem::new(
                    "wrong-type",
                    at.clone(),
                    format!("{} takes {wanted} here", self.what),
                )
                .label("this becomes a text")
                .help("a string that is one `{{ }}` keeps the type of its value"),
            );
        }
    }

    fn known(&mut self, value: &Value, schema: &'s Value, at: &Pointer) {
        if self.depth >= DEEPEST {
            return;
        }
        self.depth += 1;
        if schema == &Value::Bool(false) {
            let message = format!("{} takes nothing here", self.what);
            self.report(Problem::new("wrong-type", at.clone(), message));
        } else if let Value::Object(fields) = schema {
            self.object_schema(value, schema, fields, at);
        }
        self.depth -= 1;
    }

    fn object_schema(
        &mut self,
        value: &Value,
        schema: &'s Value,
        fields: &'s Map<String, Value>,
        at: &Pointer,
    ) {
        if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            if let Some(target) = target {
                self.known(value, target, at);
            }
        }
        if !self.has_type(value, fields, at) || !self.has_word(value, fields, at) {
            return;
        }
        match value {
            Value::Object(object) => self.object(object, schema, at),
            Value::Array(items) => self.array(items, fields, at),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        for part in fields.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.known(value, part, at);
        }
        for word in ["anyOf", "oneOf"] {
            if let Some(parts) = fields.get(word).and_then(Value::as_array) {
                self.any(value, parts, at);
            }
        }
    }

    fn has_type(&mut self, value: &Value, fields: &Map<String, Value>, at: &Pointer) -> bool {
        let types = types(fields);
        if types.is_empty() || types.iter().any(|name| has_type(value, name)) {
            return true;
        }
        let wanted = types.iter().map(|name| type_words(name)).collect::<Vec<_>>().join(" or ");
        let mut problem =
            Problem::new("wrong-type", at.clone(), format!("{} takes {wanted} here", self.what))
                .label(format!("this is {}", kind(value)));
        if types.contains(&"string") && (value.is_number() || value.is_boolean()) {
            problem = problem.help(format!("write it in quotes: \"{value}\""));
        }
        self.report(problem);
        false
    }

    fn has_word(&mut self, value: &Value, fields: &Map<String, Value>, at: &Pointer) -> bool {
        let words: Vec<&Value> = match (fields.get("enum"), fields.get("const")) {
            (Some(Value::Array(words)), _) => words.iter().collect(),
            (_, Some(word)) => vec![word],
            _ => return true,
        };
        if words.contains(&value) {
            return true;
        }
        let texts: Vec<&str> = words.iter().filter_map(|word| word.as_str()).collect();
        let message = format!("{} does not take {value} here", self.what);
        let mut problem = Problem::new("unknown-word", at.clone(), message);
        let near = value.as_str().and_then(|text| words::nearest(text, texts.iter().copied()));
        if let Some(near) = near {
            problem = problem.label(format!("did you mean `{near}`?"));
        }
        let listed: Vec<_> = words.iter().map(ToString::to_string).collect();
        self.report(problem.help(format!("it takes {}", listed.join(", "))));
        false
    }

    fn object(&mut self, object: &Map<String, Value>, schema: &'s Value, at: &Pointer) {
        let known = properties(schema);
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if !object.contains_key(name) {
                let message = format!("{} needs `{name}`", self.what);
                let mut problem = Problem::new("missing-field", at.clone(), message);
                let about = lookup(schema, &[name]).and_then(|field| field.get("description"));
                if let Some(about) = about.and_then(Value::as_str) {
                    problem = problem.help(format!("`{name}`: {about}"));
                }
                self.report(problem);
            }
        }
        for (name, value) in object {
            let own = schema.get("properties").and_then(|fields| fields.get(name));
            if let Some(field) = own {
                self.value(value, field, &at.key(name));
            } else if is_closed(schema) && !known.contains(&name.as_str()) {
                self.unknown_field(name, &known, object, at);
            } else if let Some(additional @ Value::Object(_)) = schema.get("additionalProperties") {
                self.value(value, additional, &at.key(name));
            }
        }
    }

    fn unknown_field(
        &mut self,
        name: &str,
        known: &[&str],
        object: &Map<String, Value>,
        at: &Pointer,
    ) {
        let message = format!("{} has no field `{name}`", self.what);
        let problem = Problem::new("unknown-field", at.key(name), message).on_key();
        let free: Vec<&str> =
            known.iter().copied().filter(|known| !object.contains_key(*known)).collect();
        let problem = match words::nearest(name, free.iter().copied()) {
            Some(near) => problem.label(format!("did you mean `{near}`?")),
            None if known.is_empty() => problem.label("it takes none"),
            None => problem.help(format!("its fields are {}", words::list(known.iter().copied()))),
        };
        self.report(problem);
    }

    fn array(&mut self, items: &[Value], fields: &'s Map<String, Value>, at: &Pointer) {
        let first = fields.get("prefixItems").and_then(Value::as_array);
        let first = first.map_or(&[][..], Vec::as_slice);
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(index).or_else(|| fields.get("items")) {
                self.value(item, schema, &at.index(index));
            }
        }
    }

    /// One of several schemas: the one that fits, or else the problems of the one that fits best.
    fn any(&mut self, value: &Value, parts: &'s [Value], at: &Pointer) {
        let mut best: Option<Vec<Problem>> = None;
        for part in parts {
            let mut walk =
                Walk { root: self.root, what: self.what, problems: Vec::new(), depth: self.depth };
            walk.known(value, part, at);
            if walk.problems.is_empty() {
                return;
            }
            // A problem further in means that the outside fitted.
            let misfit = |problems: &Vec<Problem>| {
                let outside = problems.iter().filter(|problem| problem.at == *at).count();
                (outside, problems.len())
            };
            if best.as_ref().is_none_or(|best| misfit(&walk.problems) < misfit(best)) {
                best = Some(walk.problems);
            }
        }
        let Some(best) = best else { return };
        if best.iter().all(|problem| problem.at == *at && problem.code != "missing-field") {
            self.words_of(value, parts, best, at);
        } else {
            self.report_all(best);
        }
    }

    /// No schema fits, and none comes close: schemas of words are told together.
    fn words_of(&mut self, value: &Value, parts: &[Value], best: Vec<Problem>, at: &Pointer) {
        let mut words = Vec::new();
        for part in parts {
            match (part.get("const"), part.get("enum").and_then(Value::as_array)) {
                (Some(word), _) => words.push(word.clone()),
                (None, Some(more)) => words.extend(more.iter().cloned()),
                (None, None) => {}
            }
        }
        let Some(fields) = (!words.is_empty()).then(|| json!({ "enum": words })) else {
            self.report_all(best);
            return;
        };
        if let Some(fields) = fields.as_object() {
            self.has_word(value, fields, at);
        }
    }

    /// What the walk does not know (bounds, lengths, patterns) is asked of the validator, of
    /// values without expressions.
    fn validate(&mut self, value: &Value, at: &Pointer) {
        let Ok(template) = Template::compile(value) else { return };
        let Ok(validator) = jsonschema::validator_for(self.root) else { return };
        let folded = template.constant();
        for error in validator.iter_errors(folded.unwrap_or(value)) {
            let place = error.instance_path().as_str();
            // Of a value with expressions in it only the plain scalars can be judged.
            let scalar = value.pointer(place).is_some_and(|value| match value {
                Value::String(text) => !text.contains("{{"),
                Value::Number(_) | Value::Bool(_) | Value::Null => true,
                Value::Array(_) | Value::Object(_) => false,
            });
            if folded.is_none() && !scalar {
                continue;
            }
            let message =
                format!("{} does not take this: {}", self.what, super::input::describe(&error));
            let place = super::input::pointer(at, place);
            self.problems.push(Problem::new("invalid-value", place, message));
        }
    }
}

/// Whether a template is one expression and nothing else.
fn is_single(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("{{") && text.ends_with("}}") && text.matches("{{").count() == 1
}
