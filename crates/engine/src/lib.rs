//! Rackwright's engine: durable workflows whose state is the fold of a journal.

pub mod api;
pub mod calendar;
pub mod expr;
pub mod graph;
pub mod load;
pub mod machine;
pub mod model;
pub mod runtime;
pub mod step;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use api::{
    Client, Engine, EngineBuilder, EngineError, ForkRequest, ForkedRun, Heard, RunHandle,
    RunRequest, Sent,
};
pub use model::{ErrorClass, RunId, RunStatus, StepError, Workflow};
pub use runtime::{Config, Outcome, Worker, WorkerBuilder};
pub use step::{
    Credential, Describe, Effect, Executor, Holding, Observation, Registry, StaticCredentials,
    StepContext, executor_fn,
};
