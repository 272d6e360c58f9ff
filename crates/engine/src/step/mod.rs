//! What a step library sees: the executor it writes, the context it is given, the registry it
//! fills. Knows the model; knows nothing of plans, journals or stores.

mod context;
mod credential;
mod effect;
mod executor;
mod holding;
mod registry;

pub use context::{AttemptInfo, Fenced, StepContext, StepHost, SubtaskReport};
pub use credential::{Credential, CredentialSource, NoCredentials, StaticCredentials};
pub use effect::{Effect, Observation};
pub use executor::{Describe, DynExecutor, Executor, FnExecutor, erase, executor_fn};
pub use holding::Holding;
pub use registry::{DuplicateExecutor, Registry};
