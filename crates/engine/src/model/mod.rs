//! The workflow as data: what a YAML file or the Rust builder makes, and what the canonical form
//! hashes. Pure: no clock, no randomness, no I/O.

mod amount;
mod asks;
mod builder;
mod calls;
mod condition;
mod duration;
mod error;
mod ids;
mod limit;
mod lists;
mod lock;
mod moment;
mod payload;
#[cfg(feature = "testing")]
pub mod planted;
mod policy;
mod problem;
mod retention;
mod rollout;
mod setting;
mod status;
mod step;
mod undo;
mod waits;
mod window;
mod workflow;

pub use amount::{Amount, InvalidAmount, WaitFor};
pub use asks::{Approval, OnTimeout, Signal};
pub use builder::WorkflowBuilder;
pub use condition::{AllOf, AnyOf, Comparison, Condition, NotOf, Operator};
pub use duration::{HumanDuration, InvalidDuration};
pub use error::{ErrorClass, StepError};
pub use ids::{InvalidRunId, NodeId, RunId, Timestamp, Version};
pub use limit::{Concurrency, Limit};
pub use lock::{InvalidLockPath, LockClaim, LockHolder, LockPath, Slot, out_of_order};
pub use moment::{InvalidMoment, Moment};
pub(crate) use payload::shorten;
pub use payload::{MAX_PAYLOAD, PayloadTooLarge, check_payload, json_size};
pub use policy::{
    Backoff, Cleanup, CleanupPolicy, Defaults, OnError, Retry, Timeout, TimeoutParts,
};
pub use problem::{Pointer, Problem};
pub use retention::Retention;
pub use rollout::{OnHalt, Rollout};
pub use setting::Setting;
pub use status::RunStatus;
pub use step::{Body, Branch, Choice, Map, Next, Otherwise, Step, StepKind, Then};
pub use undo::Undo;
pub use waits::{Repeat, Wait};
pub use window::{WindowNeeds, WindowUse};
pub use workflow::Workflow;
