//! Filters of our own, and what those of the evaluator may cost.

#![expect(clippy::wildcard_enum_match_arm, reason = "the evaluator's kinds are an open list")]

use minijinja::{
    Environment, Error, ErrorKind, State,
    value::{Kwargs, Value as Jinja, ValueKind},
};
use serde_json::Value;

use super::{
    budget::{charge, charge_value},
    convert::{to_json, to_text},
    view::view,
};

pub(super) fn add(env: &mut Environment<'static>) {
    env.add_test("divisibleby", divisible);
    env.add_filter("__number", number);
    env.add_filter("__sized", sized);
    env.add_filter("__text", text);
    env.add_filter("bool", boolean);
    env.add_filter("combine", combine);
    env.add_filter("from_json", from_json);
    env.add_filter("join", join);
    env.add_filter("string", string);
    env.add_filter("tojson", json);
    env.add_filter("to_json", json);
    env.add_filter("unique", unique);
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// The widest `indent`, the longest `batch`.
const WIDEST: usize = 10_000;

/// What a metered filter may make, in bytes.
pub(super) fn cost(name: &str, args: &[Jinja]) -> Result<usize, Error> {
    let text = args.first().and_then(Jinja::as_str).unwrap_or_default();
    Ok(match name {
        "replace" => {
            let from = args.get(1).and_then(Jinja::as_str).unwrap_or_default();
            let to = args.get(2).map_or(0, |to| to.as_str().map_or(32, str::len));
            text.len().saturating_add(text.matches(from).count().saturating_mul(to))
        }
        "indent" => text.len().saturating_add((text.lines().count() + 1) * width(args)?),
        "format" => {
            let widest = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
            if widest > Some(3) || text.contains('*') {
                return Err(invalid("a width in a format has three digits at most"));
            }
            let args: usize = args.iter().filter_map(Jinja::as_str).map(str::len).sum();
            args.saturating_mul(2).saturating_add(text.len().saturating_mul(1000))
        }
        "batch" => 24 * width(args)? + text.len().saturating_mul(8),
        // Each character of a text may become a value of its own.
        "list" | "sort" | "split" | "lines" => text.len().saturating_mul(8),
        _ => text.len(),
    })
}

/// The width of an `indent` or the length of a `batch`.
fn width(args: &[Jinja]) -> Result<usize, Error> {
    let Some(value) = args.get(1) else { return Ok(0) };
    let value = if value.is_kwargs() { value.get_attr("width")? } else { value.clone() };
    match value.kind() {
        ValueKind::Number => value.as_usize().filter(|width| *width <= WIDEST).ok_or_else(|| {
            invalid(format!("{value} is too large: write a whole number up to {WIDEST}"))
        }),
        _ => Ok(0),
    }
}

/// The evaluator's own panics on a divisor of zero.
fn divisible(value: &Jinja, divisor: &Jinja) -> Result<bool, Error> {
    match (i128::try_from(value.clone()), i128::try_from(divisor.clone())) {
        (Ok(_), Ok(0)) => Err(invalid("nothing is divisible by zero")),
        (Ok(value), Ok(divisor)) => Ok(value.checked_rem(divisor).unwrap_or(0) == 0),
        _ => Ok(false),
    }
}

/// The operand of a `*`.
fn number(value: &Jinja) -> Result<Jinja, Error> {
    match value.kind() {
        ValueKind::Number => Ok(value.clone()),
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        kind => Err(invalid(format!("`*` multiplies numbers, and this is a {kind}"))),
    }
}

/// The operand of a `~`: what is neither text nor number becomes its JSON, as everywhere, instead
/// of Python's way to write it.
fn text(state: &State<'_, '_>, value: &Jinja) -> Result<Jinja, Error> {
    charge_value(state, value)?;
    match value.kind() {
        ValueKind::Number | ValueKind::String => Ok(value.clone()),
        _ => to_text(value).map(Jinja::from),
    }
}

/// The operand of a `+`.
fn sized(state: &State<'_, '_>, value: &Jinja) -> Result<Jinja, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    charge_value(state, value)?;
    Ok(value.clone())
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that a filter has")]
fn join(
    state: &State<'_, '_>,
    value: &Jinja,
    joiner: Option<String>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let joiner = match joiner {
        Some(joiner) => joiner,
        None => kwargs.get::<Option<String>>("d")?.unwrap_or_default(),
    };
    let attribute = kwargs.get::<Option<String>>("attribute")?;
    kwargs.assert_all_used()?;
    let mut text = String::new();
    for (index, item) in value.try_iter()?.enumerate() {
        let mut item = item;
        for name in attribute.iter().flat_map(|path| path.split('.')) {
            item = item.get_attr(name)?;
        }
        charge(state, joiner.len())?;
        charge_value(state, &item)?;
        if index > 0 {
            text.push_str(&joiner);
        }
        text.push_str(&to_text(&item)?);
    }
    Ok(text)
}

fn string(state: &State<'_, '_>, value: &Jinja) -> Result<String, Error> {
    charge_value(state, value)?;
    to_text(value)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that a filter has")]
fn json(
    state: &State<'_, '_>,
    value: &Jinja,
    indent: Option<Jinja>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => kwargs.get::<Option<Jinja>>("indent")?,
    };
    kwargs.assert_all_used()?;
    charge_value(state, value)?;
    let value = to_json(value)?;
    if indent.is_some_and(|indent| indent.is_true()) {
        return Ok(format!("{value:#}"));
    }
    Ok(value.to_string())
}

fn from_json(state: &State<'_, '_>, text: &str) -> Result<Jinja, Error> {
    // A value of JSON takes two bytes at least (`0,`) and several times as many in memory.
    charge(state, text.len().saturating_mul(8))?;
    let value: Value = serde_json::from_str(text)
        .map_err(|error| invalid(format!("the text is not JSON: {error}")))?;
    Ok(view(&value.into()))
}

/// As in Ansible: the words for truth, not whether there is any text.
fn boolean(value: &Jinja) -> Result<bool, Error> {
    let Some(text) = value.as_str() else {
        return match value.kind() {
            ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
            _ => Ok(value.is_true()),
        };
    };
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" | "" => Ok(false),
        _ => Err(invalid(format!("`{text}` is neither true nor false"))),
    }
}

/// Objects laid over each other; the last one wins.
#[expect(clippy::needless_pass_by_value, reason = "the signature that a filter has")]
fn combine(value: &Jinja, others: minijinja::value::Rest<Jinja>) -> Result<Jinja, Error> {
    let mut fields: indexmap::IndexMap<String, Jinja> = indexmap::IndexMap::new();
    for object in std::iter::once(value).chain(others.iter()) {
        if object.kind() != ValueKind::Map {
            return Err(invalid(format!("combine takes objects, not a {}", object.kind())));
        }
        for key in object.try_iter()? {
            let field = object.get_item(&key)?;
            fields.insert(key.to_string(), field);
        }
    }
    Ok(Jinja::from_pairs(fields))
}

/// The items of a list without repetitions, in their order, told apart by their worth.
fn unique(value: &Jinja) -> Result<Jinja, Error> {
    let mut seen = std::collections::BTreeSet::new();
    let mut items = Vec::new();
    for item in value.try_iter()? {
        if seen.insert(item.clone()) {
            items.push(item);
        }
    }
    Ok(Jinja::from(items))
}
