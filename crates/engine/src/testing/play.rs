//! What a scripted executor does in one attempt.

use std::time::Duration;

use serde_json::Value;

use crate::model::{ErrorClass, StepError};

/// One thing that a scripted executor does.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// Saves progress.
    Save(Value),
    /// Reports a sub-task.
    Report(String, Option<u8>),
    /// Waits, unless it is told to stop.
    Wait(Duration),
    /// Checks the fence and changes the device; the change takes effect after so long.
    Write(Duration),
    /// Does nothing for ever, whatever it is told.
    Hang,
    /// Panics.
    Panic,
}

/// What a scripted executor does in one attempt: some moves, then its end.
///
/// ```
/// # use std::time::Duration;
/// # use serde_json::json;
/// use rackwright_engine::{ErrorClass, testing::Play};
///
/// let flashes = Play::ok(json!({ "version": 2 })).save(json!({ "task": 7 })).write();
/// let drops_the_line = Play::fail(ErrorClass::UnknownOutcome).wait(Duration::from_secs(60)).write();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// What it does, in this order.
    pub moves: Vec<Move>,
    /// How it ends.
    pub end: Result<Value, StepError>,
}

impl Play {
    /// Ends well.
    pub fn ok(output: Value) -> Self {
        Self { moves: Vec::new(), end: Ok(output) }
    }

    /// Fails with an error of this class. A failure whose outcome is known takes back what the
    /// attempt changed; a time-out or an unknown outcome leaves it as it is.
    pub fn fail(class: ErrorClass) -> Self {
        let error = StepError::new("scripted.failed", class, "the script says that it fails");
        Self { moves: Vec::new(), end: Err(error) }
    }

    /// Saves progress.
    #[must_use]
    pub fn save(self, progress: Value) -> Self {
        self.then(Move::Save(progress))
    }

    /// Reports a sub-task.
    #[must_use]
    pub fn report(self, title: impl Into<String>, percent: Option<u8>) -> Self {
        self.then(Move::Report(title.into(), percent))
    }

    /// Waits, unless it is told to stop.
    #[must_use]
    pub fn wait(self, time: Duration) -> Self {
        self.then(Move::Wait(time))
    }

    /// Checks the fence and changes the device.
    #[must_use]
    pub fn write(self) -> Self {
        self.then(Move::Write(Duration::ZERO))
    }

    /// Checks the fence and starts a change that takes so long, and waits for it.
    #[must_use]
    pub fn start_job(self, takes: Duration) -> Self {
        self.then(Move::Write(takes)).then(Move::Wait(takes))
    }

    /// Does nothing for ever, whatever it is told.
    #[must_use]
    pub fn hang(self) -> Self {
        self.then(Move::Hang)
    }

    /// Panics.
    #[must_use]
    pub fn panic(self) -> Self {
        self.then(Move::Panic)
    }

    /// One move more.
    #[must_use]
    pub fn then(mut self, next: Move) -> Self {
        self.moves.push(next);
        self
    }
}
