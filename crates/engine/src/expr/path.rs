//! JSONPath (RFC 9535) into the run's data. The data is never put together as one document: the
//! first names of a path say which value is meant, and the rest is asked of that value alone.

use std::{ops::Range, sync::Arc};

use serde_json::Value;
use serde_json_path::JsonPath;

use super::{
    error::Reference,
    nearest,
    scan::ScanError,
    scope::{STEP_FIELDS, Scope},
};
use crate::model::Pointer;

/// A compiled path.
#[derive(Debug)]
pub(super) struct Path {
    source: String,
    start: Start,
    rest: JsonPath,
    names: Vec<String>,
}

#[derive(Debug)]
enum Start {
    Root(String),
    Step { id: String, field: Field },
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Status,
    Output,
    Error,
    Items,
}

fn error(range: Range<usize>, message: impl Into<String>, help: &str) -> ScanError {
    ScanError { range, message: message.into(), help: Some(help.to_owned()) }
}

const STARTS: &str = "write `$.input…`, `$.steps.ID.output…` or `$.NAME…` of a map's binding";

impl Path {
    pub(super) fn compile(source: &str) -> Result<Self, ScanError> {
        let whole = 0..source.len();
        if !source.starts_with('$') {
            return Err(error(whole, "a JSONPath starts with `$`", STARTS));
        }
        let names = leading_names(source);
        let Some((root, mut at)) = names.first().cloned() else {
            return Err(error(whole, "the path names no value to start from", STARTS));
        };
        let start = if root == "steps" {
            let (start, end) = step_start(source, &names)?;
            at = end;
            start
        } else {
            Start::Root(root)
        };
        let rest = &source[at..];
        if let Some(dollar) = outside_texts(rest, '$') {
            return Err(error(
                at + dollar..at + dollar + 1,
                "a filter in a path can't start again at `$`",
                "compare in an expression instead: `{{ a == b }}`",
            ));
        }
        let rest = JsonPath::parse(&format!("${rest}")).map_err(|problem| {
            let place = (at + problem.position().saturating_sub(1)).min(source.len());
            error(
                place..source.len(),
                format!("this is no JSONPath: {}", problem.message()),
                "RFC 9535 describes them: `$.steps.plan.output[*].name`; names with other signs \
                 than letters, digits and `_` are written `['the-name']`",
            )
        })?;
        let names = names.into_iter().map(|(name, _)| name).collect();
        Ok(Self { source: source.to_owned(), start, rest, names })
    }

    pub(super) fn reference(&self) -> Reference {
        Reference {
            root: self.names[0].clone(),
            path: self.names[1..].to_vec(),
            pointer: Pointer::root().key("field"),
            range: 0..self.source.len(),
        }
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The value that the path starts from, and what it finds there.
    pub(super) fn find<T>(&self, scope: &dyn Scope, look: impl FnOnce(&[&Value]) -> T) -> T {
        let start = match &self.start {
            Start::Root(name) => scope.root(name),
            Start::Step { id, field } => scope.step(id).map(|step| match field {
                Field::Status => Arc::new(Value::from(step.status)),
                Field::Output => step.output,
                Field::Error => step.error.unwrap_or_default(),
                Field::Items => step.items.unwrap_or_default(),
            }),
        };
        match start {
            Some(value) => look(&self.rest.query(&value).all()),
            None => look(&[]),
        }
    }
}

fn step_start(source: &str, names: &[(String, usize)]) -> Result<(Start, usize), ScanError> {
    let help = "write `$.steps.ID.output`, `.status`, `.error` or `.items`";
    let Some((id, _)) = names.get(1) else {
        return Err(error(0..source.len(), "`$.steps` needs the id of a step behind it", help));
    };
    let (field, end) = match names.get(2) {
        Some((field, end)) => (field.as_str(), *end),
        None => ("", 0),
    };
    let field = match field {
        "status" => Field::Status,
        "output" => Field::Output,
        "error" => Field::Error,
        "items" => Field::Items,
        other => {
            let near = nearest(other, STEP_FIELDS.into_iter());
            let help = near.map_or(help.to_owned(), |near| format!("did you mean `{near}`?"));
            let message =
                "a step has `status`, `output`, `error` and `items`: the path takes one of them";
            return Err(error(0..source.len(), message, &help));
        }
    };
    Ok((Start::Step { id: id.clone(), field }, end))
}

/// The names with which the path starts (`.name` and `['name']`), each with where it ends.
fn leading_names(source: &str) -> Vec<(String, usize)> {
    let mut names = Vec::new();
    let mut at = 1;
    loop {
        let rest = &source[at..];
        let (name, len) = if let Some(name) = rest.strip_prefix('.') {
            let len = name
                .find(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"_-".contains(c))
                .unwrap_or(name.len());
            (&name[..len], len + 1)
        } else {
            let Some(found) = quoted_name(rest) else { return names };
            found
        };
        if name.is_empty() {
            return names;
        }
        at += len;
        names.push((name.to_owned(), at));
    }
}

/// `['name']` without escapes, and its length.
fn quoted_name(rest: &str) -> Option<(&str, usize)> {
    let inside = rest.strip_prefix('[')?;
    let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let end = inside[1..].find(quote)?;
    let name = &inside[1..=end];
    let closed = inside[end + 2..].starts_with(']');
    (closed && !name.contains('\\')).then_some((name, end + 4))
}

/// Where a sign stands outside quoted texts.
fn outside_texts(source: &str, sign: char) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in source.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, c) if c == sign => return Some(at),
            (Some(_) | None, _) => {}
        }
    }
    None
}
