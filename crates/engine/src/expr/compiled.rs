//! One expression, compiled once.

#![expect(clippy::wildcard_enum_match_arm, reason = "the evaluator's kinds are an open list")]

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use minijinja::{
    Error, ErrorKind, Expression,
    value::{Value as Jinja, ValueKind},
};
use serde_json::Value;

use super::{
    budget::too_large,
    convert,
    environment::ENVIRONMENT,
    error::{EvalError, Reference},
    lexer::Lexer,
    nearest,
    scan::{Name, Scan, ScanError, unguarded},
    scope::{Names, Nothing, STEP_FIELDS, Scope},
};
use crate::model::Pointer;

#[derive(Debug)]
pub(super) struct Compiled {
    pointer: Pointer,
    source: String,
    /// Where the source starts in the string at the pointer.
    offset: usize,
    names: Vec<Name>,
    expression: Expression<'static, 'static>,
    inserted: Vec<(usize, usize)>,
}

impl Compiled {
    /// Compiles the part `range` of the string `whole`.
    pub(super) fn new(
        whole: &str,
        range: Range<usize>,
        pointer: &Pointer,
    ) -> Result<Self, Vec<ScanError>> {
        let text = &whole[range.clone()];
        let source = text.trim();
        let offset = range.start + (text.len() - text.trim_start().len());
        if source.is_empty() {
            return Err(vec![ScanError {
                range: range.start.saturating_sub(2)..(range.end + 2).min(whole.len()),
                message: "there is no expression in here".to_owned(),
                help: Some("write one, such as `{{ input.host }}`".to_owned()),
            }]);
        }
        let shift = |mut error: ScanError| {
            error.range = error.range.start + offset..error.range.end + offset;
            error
        };
        let scan = Scan::of(source);
        let mut errors = scan.errors.clone();
        errors.extend(scan.names.iter().filter_map(wrong_step_name));
        if !errors.is_empty() {
            return Err(errors.into_iter().map(shift).collect());
        }
        let (guarded, inserted) = scan.guarded();
        let expression = ENVIRONMENT
            .compile_expression_owned(guarded)
            .map_err(|error| vec![shift(syntax_error(source, &inserted, &error))])?;
        let (names, source) = (scan.names, source.to_owned());
        Ok(Self { pointer: pointer.clone(), source, offset, names, expression, inserted })
    }

    /// Whether it depends on nothing but itself.
    pub(super) fn is_constant(&self) -> bool {
        self.names.is_empty()
    }

    /// The value of an expression that depends on nothing.
    pub(super) fn fold(&self, left: &mut usize) -> Result<Value, ScanError> {
        self.json(&Nothing, left).map_err(|error| ScanError {
            range: error.range.unwrap_or(0..self.source.len()),
            message: error.message,
            help: error.hint,
        })
    }

    pub(super) fn references(&self) -> impl Iterator<Item = Reference> + '_ {
        self.names.iter().map(|name| Reference {
            root: name.root.clone(),
            path: name.path.clone(),
            pointer: self.pointer.clone(),
            range: name.range.start + self.offset..name.range.end + self.offset,
        })
    }

    /// The value, as JSON.
    pub(super) fn json(&self, scope: &dyn Scope, left: &mut usize) -> Result<Value, EvalError> {
        self.eval(scope, |value| convert::to_json_within(value, left))
    }

    /// The value, as a text.
    pub(super) fn text(&self, scope: &dyn Scope) -> Result<String, EvalError> {
        self.eval(scope, convert::to_text)
    }

    /// Whether the value counts as true.
    pub(super) fn truth(&self, scope: &dyn Scope) -> Result<bool, EvalError> {
        self.eval(scope, |value| match value.kind() {
            ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
            _ => Ok(value.is_true()),
        })
    }

    /// The error of a result that would be too large.
    pub(super) fn too_large(&self) -> EvalError {
        self.error(&too_large(), &Names::find(&[], &Nothing))
    }

    fn eval<T>(
        &self,
        scope: &dyn Scope,
        read: impl FnOnce(&Jinja) -> Result<T, Error>,
    ) -> Result<T, EvalError> {
        let names = Arc::new(Names::find(&self.names, scope));
        let context = Jinja::from_dyn_object(Arc::clone(&names));
        // The evaluator is not ours, and a panic of it (random tests found two) must cost a step,
        // not the runs of the whole process. It shares nothing that a panic could leave half done.
        let evaluate = AssertUnwindSafe(|| read(&self.expression.eval(context)?));
        let result = catch_unwind(evaluate).unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::InvalidOperation, "the evaluator failed: this is a bug"))
        });
        result.map_err(|error| self.error(&error, &names))
    }

    fn error(&self, error: &Error, names: &Names) -> EvalError {
        let place = place(error, &self.inserted, &self.source).map(|place| self.operand(place));
        let missing = self.missing(error, place.as_ref(), names);
        let (range, message, hint) = match missing {
            Some((name, message, hint)) => (Some(name.range.clone()), message, hint),
            None => (place, describe(error), None),
        };
        EvalError {
            pointer: self.pointer.clone(),
            range: range.map(|range| range.start + self.offset..range.end + self.offset),
            expression: self.source.clone(),
            message,
            hint,
        }
    }

    /// The operand before a check that failed: the check itself stands nowhere in the source.
    fn operand(&self, place: Range<usize>) -> Range<usize> {
        if !place.is_empty() {
            return place;
        }
        let mut names = self.names.iter().map(|name| name.range.clone());
        names.find(|name| name.end == place.end).unwrap_or_else(|| {
            let tokens = Lexer::new(&self.source, 0).map(|token| token.range);
            tokens.take_while(|token| token.end <= place.end).last().unwrap_or(place)
        })
    }

    /// Which name is undefined, if that was the error.
    fn missing(
        &self,
        error: &Error,
        place: Option<&Range<usize>>,
        names: &Names,
    ) -> Option<(&Name, String, Option<String>)> {
        let undefined = error.kind() == ErrorKind::UndefinedError
            || error.detail().is_some_and(|detail| detail.ends_with("is undefined)"));
        if !undefined {
            return None;
        }
        let at_place = |name: &&Name| {
            place.is_none_or(|at| name.range.start < at.end && at.start < name.range.end)
        };
        let found = |name| Some((name, missing(name, names)?));
        let mut here = self.names.iter().filter(at_place).filter_map(found);
        let (name, (message, hint)) = here.next().or_else(|| self.names.iter().find_map(found))?;
        Some((name, message, hint))
    }
}

/// Why a name has no value; `None` if it has one.
fn missing(name: &Name, names: &Names) -> Option<(String, Option<String>)> {
    let mut known = name.root.clone();
    let Some(root) = names.get(&name.root) else {
        return Some((format!("`{known}` is not defined"), None));
    };
    let mut value = root.clone();
    for segment in &name.path {
        let next = match segment.parse::<usize>() {
            Ok(index) if value.kind() != ValueKind::Map => value.get_item_by_index(index),
            _ => value.get_attr(segment),
        };
        let next = next.unwrap_or_default();
        if next.is_undefined() {
            let message = if known == "steps" {
                format!("step `{segment}` has not ended, so there is nothing of it to read")
            } else {
                format!("`{known}` has no `{segment}`")
            };
            return Some((message, fields_hint(&value, segment)));
        }
        known = format!("{known}.{segment}");
        value = next;
    }
    None
}

/// The field that was meant, or those that there are.
fn fields_hint(value: &Jinja, wanted: &str) -> Option<String> {
    match value.kind() {
        ValueKind::Map => {
            let keys: Vec<String> = value.try_iter().ok()?.map(|key| key.to_string()).collect();
            if let Some(near) = nearest(wanted, keys.iter().map(String::as_str)) {
                return Some(format!("did you mean `{near}`?"));
            }
            (1..=12).contains(&keys.len()).then(|| format!("it has {}", keys.join(", ")))
        }
        ValueKind::Seq => value.len().map(|len| format!("it is a list of {len}")),
        kind => Some(format!("it is a {kind}")),
    }
}

/// A name below `steps` that can't be one.
fn wrong_step_name(name: &Name) -> Option<ScanError> {
    let error = |message: String, help: String| {
        Some(ScanError { range: name.range.clone(), message, help: Some(help) })
    };
    if name.root != "steps" {
        return None;
    }
    let Some(id) = name.path.first() else {
        return error(
            "`steps` needs the id of a step behind it".to_owned(),
            "write `steps.ID.output`, or `steps['ID'].output` if the id holds a `-`".to_owned(),
        );
    };
    let field = name.path.get(1)?;
    if STEP_FIELDS.contains(&field.as_str()) {
        return None;
    }
    let help = match nearest(field, STEP_FIELDS.into_iter()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("did you mean `steps.{id}.output.{field}`?"),
    };
    error(format!("a step has `status`, `output`, `error` and `items`, but no `{field}`"), help)
}

/// The place of an error in the source.
fn place(error: &Error, inserted: &[(usize, usize)], source: &str) -> Option<Range<usize>> {
    let range = error.range()?;
    let mut start = unguarded(range.start, inserted).min(source.len());
    let mut end = unguarded(range.end, inserted).min(source.len());
    while !source.is_char_boundary(start) {
        start -= 1;
    }
    while !source.is_char_boundary(end) {
        end += 1;
    }
    Some(start..end.max(start))
}

fn syntax_error(source: &str, inserted: &[(usize, usize)], error: &Error) -> ScanError {
    let help = if source.starts_with('.') {
        "for braces that are text write `{{ '{{' }}`"
    } else if source.contains("&&") || source.contains("||") || source.contains('!') {
        "write `and`, `or` and `not`"
    } else {
        "expressions are Jinja's: `input.host`, `steps.ID.output.field|default('x')`, `a if b else c`"
    };
    ScanError {
        range: place(error, inserted, source).unwrap_or(0..source.len()),
        message: describe(error),
        help: Some(help.to_owned()),
    }
}

/// The error in words; those of the checks that we put in are our own.
fn describe(error: &Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => "the expression takes too long".to_owned(),
        ErrorKind::InvalidOperation => {
            error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned)
        }
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    }
}
