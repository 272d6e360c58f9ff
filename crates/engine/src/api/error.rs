//! What the engine answers when it can't.

use thiserror::Error;

use crate::{
    graph::{InputProblem, PlanError},
    machine::IllegalEvent,
    model::{PayloadTooLarge, Problem, RunId, StepError},
    runtime::PlanUnavailable,
    step::DuplicateExecutor,
    store::StoreError,
};

/// Why the engine can't do what it was asked.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The store failed; [`StoreError::is_transient`] tells whether it may work later.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Two executors of one name.
    #[error(transparent)]
    Duplicate(#[from] DuplicateExecutor),
    /// The workflow has problems; [`crate::load`] shows them with their source.
    #[error("workflow `{workflow}` is not valid: {}", join(problems))]
    Invalid {
        /// Its name.
        workflow: String,
        /// All of them.
        problems: Vec<Problem>,
    },
    /// The workflow can't be compiled.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is no plan for a run's version.
    #[error(transparent)]
    Unavailable(#[from] PlanUnavailable),
    /// No workflow of this name was deployed.
    #[error("there is no workflow `{0}`: deploy it first")]
    UnknownWorkflow(String),
    /// The input of a run does not fit the workflow's schema.
    #[error("the input of workflow `{workflow}` is not valid: {}", join(problems))]
    Input {
        /// The workflow.
        workflow: String,
        /// All that is wrong with it.
        problems: Vec<InputProblem>,
    },
    /// What was handed in is larger than a run may record.
    #[error("{0}; {hint}", hint = PayloadTooLarge::HINT)]
    TooLarge(#[from] PayloadTooLarge),
    /// The maintenance window that a run of the workflow would wait for does not exist, or is never
    /// open for long enough.
    #[error("workflow `{workflow}`: {}", reason.message)]
    Window {
        /// The workflow.
        workflow: String,
        /// Why, and how to mend it.
        reason: Box<StepError>,
    },
    /// The run could not be started.
    #[error(transparent)]
    Start(StepError),
    /// There is no such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// The run's journal can't be folded.
    #[error("the journal of run {run} can't be read: {reason}")]
    Journal {
        /// The run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// An archive can't be written or read.
    #[error("the archive: {0}")]
    Archive(String),
    /// What was asked does not fit the run's state.
    #[error("{0}")]
    Refused(String),
    /// The engine has shut down.
    #[error("the engine has shut down")]
    ShutDown,
}

fn join<T: ToString>(problems: &[T]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl EngineError {
    pub(super) fn journal(run: RunId, error: &IllegalEvent) -> Self {
        Self::Journal { run, reason: error.to_string() }
    }
}
