//! The engine as its users see it: [`Engine`] carries runs on, [`Client`] only asks and tells.

mod archive;
mod asks;
mod calendar;
mod client;
mod control;
mod engine;
mod error;
mod events;
mod fleet;
mod fork;
mod handle;
mod migrate;
mod obligations;
mod quarantine;
mod request;
mod schedules;
mod tree;
mod view;

pub use archive::{ArchiveCount, read_archive};
pub use calendar::WindowInfo;
pub use client::Client;
pub use control::{Heard, Sent};
pub use engine::{Engine, EngineBuilder};
pub use error::EngineError;
pub use events::{RunEvent, RunEvents};
pub use fork::{ForkRequest, ForkedRun};
pub use handle::RunHandle;
pub use obligations::{ObligationKind, ObligationState, ObligationView};
pub use request::RunRequest;
pub use schedules::ScheduleInfo;
pub use tree::{Kind, StepView, Waits, WaveView};
pub use view::{AttemptEnd, AttemptView, RunView, SubtaskView};
