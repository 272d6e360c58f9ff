//! From the model to what can be run: the plan, with every template compiled and every edge an
//! index.

pub mod check;
mod compile;
mod plan;
pub mod render;

pub use check::{Catalogue, ExecutorInfo, InputProblem, check, validate_input};
pub use compile::{PlanError, compile};
pub use plan::{
    ChildPlan, ChoicePlan, CleanupPlan, Jump, KindPlan, MapPlan, Plan, PlanStep, ScopeIx,
    ScopePlan, Setting, StepPlan, TaskPlan, ThenPlan,
};
pub use render::{Format, render};
