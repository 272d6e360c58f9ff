//! Expressions, templates and conditions. Pure: an expression sees what its [`Scope`] shows it and
//! nothing else, so it has the same value on every node and at any time.
//!
//! Expressions are Jinja's (minijinja evaluates them), without statements: there is no loop and no
//! assignment, so an expression can't bind a name and always ends. Undefined is an error. What an
//! evaluation may produce is limited ([`Template::eval`] fails beyond 16 MiB), because fuel does
//! not count bytes: operators and filters that make much of little are checked as they run.

mod budget;
mod compare;
mod compiled;
mod convert;
mod environment;
mod error;
mod filters;
mod lexer;
mod methods;
mod path;
mod predicate;
mod scan;
mod scope;
mod split;
mod template;
mod view;

#[cfg(test)]
mod tests;

pub use error::{EvalError, ExprProblem, Reference};
pub use predicate::Predicate;
pub use scope::{Scope, StepView};
pub use template::Template;

/// The known word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &str| strsim::damerau_levenshtein(word, name);
    let (distance, name) = known.map(|name| (distance(name), name)).min()?;
    let limit = match word.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    (distance <= limit && distance < word.chars().count()).then_some(name)
}
