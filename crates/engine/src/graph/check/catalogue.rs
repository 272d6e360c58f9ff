//! What the checks know of executors.

use serde_json::Value;

use crate::step::{Effect, Registry};

/// What an executor says of its input and output.
#[derive(Clone, Copy, Debug)]
pub struct ExecutorInfo<'a> {
    /// The JSON Schema of `with`.
    pub input: &'a Value,
    /// The JSON Schema of the output.
    pub output: &'a Value,
    /// What it does to its target.
    pub effect: Effect,
}

/// The executors that there are.
pub trait Catalogue {
    /// The executor of that name.
    fn executor(&self, name: &str) -> Option<ExecutorInfo<'_>>;
    /// All names.
    fn names(&self) -> Vec<&str>;
}

impl Catalogue for Registry {
    fn executor(&self, name: &str) -> Option<ExecutorInfo<'_>> {
        self.get(name).map(|executor| ExecutorInfo {
            input: executor.input_schema().as_value(),
            output: executor.output_schema().as_value(),
            effect: executor.describe().effect,
        })
    }

    fn names(&self) -> Vec<&str> {
        self.iter().map(|(name, _)| name).collect()
    }
}
