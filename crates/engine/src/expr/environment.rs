//! The one environment in which all expressions run: which filters, tests and functions there are.

use std::sync::LazyLock;

use minijinja::{
    Environment, Error, State, UndefinedBehavior, filters as builtin,
    value::{Kwargs, Rest, Value as Jinja},
};

use super::{budget, filters, methods};

/// Behind each operand of `*`: it has to be a number.
pub(super) const NUMBER_CHECK: &str = "|__number";
/// Behind each operand of `+`: its size counts.
pub(super) const SIZE_CHECK: &str = "|__sized";
/// Behind each operand of `~`: its size counts, and it becomes the text that it is elsewhere.
pub(super) const TEXT_CHECK: &str = "|__text";
/// The functions that can be called.
pub(super) const FUNCTIONS: [&str; 1] = ["dict"];
/// Instructions of one evaluation. There are no loops, so this is far from a real expression.
const FUEL: u64 = 50_000;

/// Filters that cost no more than what they are given.
const PLAIN: [&str; 21] = [
    "abs",
    "attr",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "last",
    "length",
    "count",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "round",
    "select",
    "selectattr",
];
/// Filters that turn a text into a new one, or into a list.
const METERED: [&str; 15] = [
    "batch",
    "capitalize",
    "format",
    "indent",
    "lines",
    "list",
    "lower",
    "replace",
    "reverse",
    "sort",
    "split",
    "sum",
    "title",
    "trim",
    "upper",
];
/// Filters of our own.
const OWN: [&str; 8] =
    ["bool", "combine", "from_json", "join", "string", "tojson", "to_json", "unique"];
/// The tests that can stand behind `is`.
const TESTS: [&str; 29] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "false",
    "undefined",
    "upper",
];

/// The filters that can stand behind `|`.
pub(super) fn filters() -> impl Iterator<Item = &'static str> + Clone {
    PLAIN.into_iter().chain(METERED).chain(OWN)
}

/// The tests that can stand behind `is`.
pub(super) fn tests() -> impl Iterator<Item = &'static str> + Clone {
    TESTS.into_iter()
}

/// The environment. Nothing in it knows the time, chance or the machine.
pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_debug(true); // errors then name what was undefined
    env.set_unknown_method_callback(methods::call);
    for function in ["range", "debug", "namespace"] {
        env.remove_global(function);
    }
    meter(&mut env);
    filters::add(&mut env);
    env
});

/// Puts a meter before each filter that makes new texts or lists.
fn meter(env: &mut Environment<'static>) {
    env.add_filter("__batch", builtin::batch);
    env.add_filter("__capitalize", builtin::capitalize);
    env.add_filter("__format", builtin::format);
    env.add_filter("__indent", builtin::indent);
    env.add_filter("__lines", builtin::lines);
    env.add_filter("__list", builtin::list);
    env.add_filter("__lower", builtin::lower);
    env.add_filter("__replace", builtin::replace);
    env.add_filter("__reverse", builtin::reverse);
    env.add_filter("__sort", builtin::sort);
    env.add_filter("__split", builtin::split);
    env.add_filter("__sum", builtin::sum);
    env.add_filter("__title", builtin::title);
    env.add_filter("__trim", builtin::trim);
    env.add_filter("__upper", builtin::upper);
    for name in METERED {
        let inner = format!("__{name}");
        let metered = move |state: &mut State<'_, '_>,
                            args: Rest<Jinja>,
                            kwargs: Kwargs|
              -> Result<Jinja, Error> {
            let mut args = args.0;
            if kwargs.args().next().is_some() {
                args.push(Jinja::from(kwargs));
            }
            budget::charge(state, filters::cost(name, &args)?)?;
            state.apply_filter(&inner, &args)
        };
        env.add_filter(name, metered);
    }
}
