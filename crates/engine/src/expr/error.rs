//! What can go wrong with an expression: when it is compiled, and when it is evaluated.

use std::ops::Range;

use serde_json::json;
use thiserror::Error;

use super::scan::ScanError;
use crate::model::{Pointer, StepError};

/// Something wrong in a template or a condition, found before anything is evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprProblem {
    /// Where in the value that was compiled.
    pub pointer: Pointer,
    /// Bytes in the string at `pointer`.
    pub range: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl ExprProblem {
    pub(super) fn new(pointer: &Pointer, error: ScanError) -> Self {
        Self {
            pointer: pointer.clone(),
            range: error.range,
            message: error.message,
            help: error.help,
        }
    }
}

/// A name that a template or a condition reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The first name: `input`, `steps`, a map's binding.
    pub root: String,
    /// The attributes behind it, as far as they are fixed: of `steps.flash.output[0]` they are
    /// `flash`, `output` and `0`.
    pub path: Vec<String>,
    /// Where in the value that was compiled.
    pub pointer: Pointer,
    /// Bytes in the string at `pointer`.
    pub range: Range<usize>,
}

/// An expression that has no value: something in it is undefined, of the wrong kind or too large.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{expression}`: {message}")]
pub struct EvalError {
    /// Where in the value that was compiled.
    pub pointer: Pointer,
    /// Bytes in the string at `pointer`, if the place is known.
    pub range: Option<Range<usize>>,
    /// The expression.
    pub expression: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl From<EvalError> for StepError {
    fn from(error: EvalError) -> Self {
        let hint = error.hint.clone().unwrap_or_else(|| {
            "mend the expression in the workflow, or the data that it is given".to_owned()
        });
        Self::permanent("engine.expression", error.to_string())
            .hint(hint)
            .details(json!({ "at": error.pointer, "expression": error.expression }))
    }
}
