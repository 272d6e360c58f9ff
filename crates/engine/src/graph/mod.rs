//! From the model to what can be run: the plan, with every template compiled and every edge an
//! index.

pub mod check;
mod compile;
mod locks;
mod plan;
pub mod render;
mod setting;
mod window;

pub use check::{Catalogue, ExecutorInfo, InputProblem, check, validate_input, validate_payload};
pub use compile::{PlanError, compile};
pub use locks::LocksPlan;
pub use plan::{
    ApprovalPlan, ChildPlan, ChoicePlan, CleanupPlan, Jump, KindPlan, MapPlan, ParallelPlan, Plan,
    PlanStep, RepeatPlan, RolloutPlan, ScopeIx, ScopePlan, SignalPlan, StepPlan, TaskPlan,
    ThenPlan, WAVE, WAVE_ITEMS, WaitPlan,
};
pub use render::{Format, render};
pub(crate) use setting::{
    APPROVAL_TIMEOUT, ATTEMPT_TIMEOUT, MAX_ITERATIONS, REPEAT_DELAY, WAIT_FOR, WAIT_UNTIL,
};
pub use setting::{Delays, RetryPlan, SettingPlan};
pub use window::WindowPlan;
