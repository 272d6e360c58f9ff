//! The methods that people know from Python and Ansible, on texts and objects.

#![expect(clippy::wildcard_enum_match_arm, reason = "the evaluator's kinds are an open list")]

use minijinja::{
    Error, ErrorKind, State,
    value::{Value as Jinja, ValueKind},
};

/// The methods that an expression may call.
pub(super) const NAMES: [&str; 12] = [
    "endswith",
    "get",
    "items",
    "keys",
    "lower",
    "replace",
    "rstrip",
    "split",
    "startswith",
    "strip",
    "upper",
    "values",
];

/// Calls a method; what a filter does already is left to the filter.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Jinja,
    method: &str,
    args: &[Jinja],
) -> Result<Jinja, Error> {
    match value.kind() {
        ValueKind::String => text_method(state, value, method, args),
        ValueKind::Map => map_method(state, value, method, args),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn text_method(
    state: &mut State<'_, '_>,
    value: &Jinja,
    method: &str,
    args: &[Jinja],
) -> Result<Jinja, Error> {
    let text = value.as_str().unwrap_or_default();
    let filter = match method {
        "lower" | "upper" | "replace" | "split" => method,
        "strip" => "trim",
        "rstrip" => return Ok(Jinja::from(text.trim_end())),
        "startswith" => return Ok(Jinja::from(text.starts_with(text_argument(method, args)?))),
        "endswith" => return Ok(Jinja::from(text.ends_with(text_argument(method, args)?))),
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    };
    let args: Vec<_> = std::iter::once(value).chain(args).cloned().collect();
    state.apply_filter(filter, &args)
}

fn text_argument<'a>(method: &str, args: &'a [Jinja]) -> Result<&'a str, Error> {
    args.first().and_then(Jinja::as_str).ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, format!("{method}() takes one text"))
    })
}

fn map_method(
    state: &mut State<'_, '_>,
    value: &Jinja,
    method: &str,
    args: &[Jinja],
) -> Result<Jinja, Error> {
    match method {
        "items" => state.apply_filter("items", std::slice::from_ref(value)),
        "keys" => Ok(value.try_iter()?.collect()),
        "values" => {
            let values: Result<Vec<_>, _> =
                value.try_iter()?.map(|key| value.get_item(&key)).collect();
            values.map(Jinja::from)
        }
        "get" => {
            let key = args.first().ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
            let found = value.get_item(key)?;
            let default = || args.get(1).cloned().unwrap_or_else(|| Jinja::from(()));
            Ok(if found.is_undefined() { default() } else { found })
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}
