//! The machine: a run is the fold of its events. Pure: times, ids and randomness arrive from
//! outside, nothing is awaited, nothing is logged.
//!
//! [`RunState::apply`] is the only place where a state changes, and it changes by an [`Event`]
//! alone: no expression is evaluated in it, so that a journal folds to the same state on every node
//! and under every later release. [`advance`] looks at what a change made possible, evaluates what
//! has to be evaluated, applies the events that follow and lists the [`Command`]s that may be
//! carried out once those events are committed. Both touch only what the last event affected.

mod apply;
mod approval;
mod attempt;
mod by_hand;
mod close;
mod control;
mod decide;
mod drained;
mod ending;
mod event;
mod fork;
mod halt;
mod holding;
mod input;
mod items;
mod lock;
mod moved;
mod moving;
mod open;
mod owed;
mod pool;
mod progress;
mod ready;
mod repeat;
mod rollout;
mod signal;
mod state;
mod undoing;
mod view;
mod wait;
mod window;

pub use approval::{ApprovalAnswer, ApprovalEvent, Ask, Decided};
pub use control::Control;
pub(crate) use control::{cancellable, order_of};
pub use decide::{Call, Command, Env, Turn, advance};
pub use ending::Ending;
pub use event::{
    Created, Event, Opening, Order, ParentLink, Role, RunError, ScopeRef, SkipReason, StepRef,
    TaskRef, Verdict,
};
pub use fork::{Forked, Recorded, RecordedEnd, fork};
pub use input::{Input, absorb, react};
pub use items::MapState;
pub use lock::{LockBook, LockChange, LockHolding, Queued};
pub use moving::{Ahead, Obstacle, Side, movable};
pub use owed::Obligation;
pub use repeat::RepeatEvent;
pub use rollout::{Halt, RolloutState, Stage, Waves};
pub use signal::{SentSignal, SignalEvent, Signals};
pub use state::{
    Execution, IllegalEvent, Inner, Owed, Phase, RepeatState, RunState, ScopeState, StepState,
    fold, fold_moved,
};
pub use window::{Gates, WindowEvent, WindowInput, WindowWait};
