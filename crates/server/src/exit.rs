//! How a command ends.

use std::{fmt::Display, process::ExitCode};

use rackwright_engine::{EngineError, RunStatus, store::StoreError};

/// The exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All is done.
    Completed,
    /// A run failed.
    Failed,
    /// Wrong usage or an invalid file.
    Usage,
    /// A run was cancelled.
    Cancelled,
    /// A run waits for a person.
    Attention,
    /// The store or the network is not available.
    Unavailable,
    /// Interrupted: runs go on when they are resumed. 128 and the number of the signal, as shells
    /// have it.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Completed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Cancelled => 3,
            Self::Attention => 4,
            Self::Unavailable => 5,
            Self::Interrupted => 130,
        }
    }

    /// What the process returns.
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(self.number())
    }

    /// Of a run that has ended, or waits.
    pub(crate) const fn of(status: RunStatus) -> Self {
        match status {
            RunStatus::Completed => Self::Completed,
            RunStatus::Failed => Self::Failed,
            RunStatus::Cancelled => Self::Cancelled,
            RunStatus::Attention => Self::Attention,
            RunStatus::Pending | RunStatus::Running | RunStatus::Waiting | RunStatus::Paused => {
                Self::Interrupted
            }
        }
    }
}

/// Why a command can't do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What is wrong; may have several lines.
    pub(crate) message: String,
    /// The message is complete as it is, with its own `error:` lines.
    pub(crate) rendered: bool,
    /// How to mend it.
    pub(crate) hint: Option<String>,
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string(), rendered: false, hint: None }
    }

    /// Wrong usage or an invalid file.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn unavailable(message: impl Display) -> Self {
        Self::new(Exit::Unavailable, message)
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The error and those behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::UnknownUrl { .. } | StoreError::Invalid(_) => Exit::Usage,
            StoreError::Unavailable { .. }
            | StoreError::Held { .. }
            | StoreError::Setup { .. }
            | StoreError::Corrupt(_)
            | StoreError::Refused { .. } => Exit::Unavailable,
        };
        let hint = match &error {
            StoreError::Held { .. } => {
                Some("`rackwright runs watch last` shows what that process does".to_owned())
            }
            StoreError::UnknownUrl { .. }
            | StoreError::Invalid(_)
            | StoreError::Unavailable { .. }
            | StoreError::Setup { .. }
            | StoreError::Corrupt(_)
            | StoreError::Refused { .. } => None,
        };
        Self { exit, message: chain(&error), rendered: false, hint }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            EngineError::Journal { .. } | EngineError::ShutDown => Self::unavailable(chain(&error)),
            EngineError::Start(error) => {
                Self { hint: error.hint.clone(), ..Self::unavailable(&error.message) }
            }
            EngineError::Window { ref reason, .. } => {
                Self { hint: reason.hint.clone(), ..Self::usage(chain(&error)) }
            }
            EngineError::Duplicate(_)
            | EngineError::Invalid { .. }
            | EngineError::Plan(_)
            | EngineError::Unavailable(_)
            | EngineError::UnknownWorkflow(_)
            | EngineError::TooLarge(_)
            | EngineError::Archive(_)
            | EngineError::Input { .. }
            | EngineError::UnknownRun(_)
            | EngineError::Refused(_) => Self::usage(chain(&error)),
        }
    }
}
