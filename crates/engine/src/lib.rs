//! Rackwright's engine: durable workflows whose state is the fold of a journal.

pub mod load;
pub mod model;
pub mod step;

pub use model::{ErrorClass, RunId, StepError, Workflow};
pub use step::{Describe, Effect, Executor, Observation, Registry, StepContext, executor_fn};
