//! From the model to what can be run: the plan, with every template compiled and every edge an
//! index.

mod compile;
mod plan;

pub use compile::{PlanError, compile};
pub use plan::{
    ChildPlan, ChoicePlan, CleanupPlan, Jump, KindPlan, MapPlan, Plan, PlanStep, ScopeIx,
    ScopePlan, StepPlan, TaskPlan, ThenPlan,
};
