//! What a journal holds. Names and fields are for ever: old journals must fold.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    approval::ApprovalEvent, fork::Forked, lock::LockHolding, repeat::RepeatEvent, rollout::Waves,
    signal::SignalEvent, window::WindowEvent,
};
use crate::{
    model::{LockClaim, NodeId, RunId, RunStatus, StepError, Timestamp, Version},
    step::{Holding, Observation, SubtaskReport},
};

/// The number of a step instance in its run, given in the order in which scopes open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepRef(pub u32);

/// The number of an open or closed scope in its run; 0 is the workflow's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeRef(pub u32);

/// Which of a step's tasks: the step itself, or an obligation that it left.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The step itself.
    #[default]
    Main,
    /// What is owed once it has started.
    Cleanup,
    /// What takes back what it completed.
    Undo,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Main, Self::Cleanup, Self::Undo];

    /// Whether it is the step itself.
    pub const fn is_main(&self) -> bool {
        match self {
            Self::Main => true,
            Self::Cleanup | Self::Undo => false,
        }
    }

    /// What an obligation is called; it stands behind the step's path.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Main => None,
            Self::Cleanup => Some("cleanup"),
            Self::Undo => Some("undo"),
        }
    }
}

/// What is executed: a step, or an obligation that it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskRef {
    /// The step.
    pub step: StepRef,
    /// It itself, or what it left.
    #[serde(default, skip_serializing_if = "Role::is_main")]
    pub role: Role,
}

impl TaskRef {
    /// The step itself.
    pub const fn main(step: StepRef) -> Self {
        Self { step, role: Role::Main }
    }

    /// The step's cleanup.
    pub const fn cleanup(step: StepRef) -> Self {
        Self { step, role: Role::Cleanup }
    }

    /// The step's undo.
    pub const fn undo(step: StepRef) -> Self {
        Self { step, role: Role::Undo }
    }

    /// All that a step may have executed.
    pub fn all_of(step: StepRef) -> impl Iterator<Item = Self> {
        Role::ALL.into_iter().map(move |role| Self { step, role })
    }

    /// Whether it is the step itself, and not an obligation.
    pub const fn is_main(self) -> bool {
        self.role.is_main()
    }
}

/// The run and step that wait for a child run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentLink {
    /// The parent run.
    pub run: RunId,
    /// Its step.
    pub step: StepRef,
}

/// How a run came to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    /// The run.
    pub run: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The version that the run is pinned to.
    pub version: Version,
    /// The input, checked, defaults filled in.
    pub input: Arc<Value>,
    /// Who waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentLink>,
    /// The run at the top of the family.
    pub root: RunId,
    /// What is held around it: by the step that started it, and whatever that stands in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<LockHolding>,
    /// Which of those that wait comes first: higher before lower.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: u8,
    /// Labels that its node has to have; child runs inherit it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<String, String>,
    /// For people and queries.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The run that it goes on from, and what it need not do again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<Box<Forked>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
const fn is_zero(priority: &u8) -> bool {
    *priority == 0
}

/// Who gave an order, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// A person, or the parent run.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why a step did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its condition did not hold.
    Condition,
    /// A `next` jumped over it.
    Jump,
    /// Its scope ended before it could start.
    ScopeEnded,
    /// A person said so.
    Operator,
}

/// What a container step opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    /// The steps of a group, or the branches of a parallel.
    Scopes,
    /// The first iteration of a repeat.
    Repeat,
    /// A map over these items.
    Map(Arc<Vec<Value>>),
    /// A roll-out over these items, in these waves.
    Rollout(Box<Waves>),
    /// A decision took this choice; none held without it.
    Choice(Option<u32>),
}

/// What a person decided about a task in attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Perform it again.
    Retry,
    /// It is done; this is its output.
    Done(Value),
    /// It failed.
    Failed,
}

/// An error that a run gathered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// The step's path; of a child run's step, through the step that started the child.
    pub path: String,
    /// The attempt that failed last.
    pub attempt: u32,
    /// What it said.
    pub error: StepError,
}

/// One fact about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The run exists.
    Created(Box<Created>),
    /// A node took the run over; what was under way has been interrupted.
    Claimed {
        /// The node.
        node: NodeId,
        /// The number of the ownership.
        epoch: u64,
    },
    /// An attempt may be made from here on.
    Started {
        /// Of what.
        #[serde(flatten)]
        task: TaskRef,
        /// Its number; the same again after an interruption.
        attempt: u32,
    },
    /// A task or a `set` is done.
    Completed {
        /// Which.
        #[serde(flatten)]
        task: TaskRef,
        /// What it gave.
        output: Arc<Value>,
    },
    /// An attempt failed, or could not be made.
    Failed {
        /// Of what.
        #[serde(flatten)]
        task: TaskRef,
        /// Why.
        error: Arc<StepError>,
        /// When the next attempt is due; none: it was the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
        /// The target has to be observed before anything else.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        observe: bool,
    },
    /// An attempt came to nothing on this node, and its end is not known: the node lost its lease,
    /// or broke the attempt off.
    Interrupted {
        /// Of what.
        #[serde(flatten)]
        task: TaskRef,
    },
    /// The target is being observed.
    ObserveStarted {
        /// For what.
        #[serde(flatten)]
        task: TaskRef,
    },
    /// What the observation saw.
    Observed {
        /// For what.
        #[serde(flatten)]
        task: TaskRef,
        /// What.
        seen: Observation,
    },
    /// The observation itself failed.
    ObserveFailed {
        /// For what.
        #[serde(flatten)]
        task: TaskRef,
        /// Why.
        error: Arc<StepError>,
        /// When it is made again; none: a person has to look.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// A person decided about a task in attention.
    Resolved {
        /// Which.
        #[serde(flatten)]
        task: TaskRef,
        /// What.
        verdict: Verdict,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// An attempt saved progress.
    Saved {
        /// Of what.
        #[serde(flatten)]
        task: TaskRef,
        /// The progress.
        progress: Arc<Value>,
    },
    /// An attempt is about to act with something that can be taken from it.
    Held {
        /// Of what.
        #[serde(flatten)]
        task: TaskRef,
        /// With what.
        holding: Holding,
    },
    /// An attempt gave a holding back.
    Released {
        /// Of what.
        #[serde(flatten)]
        task: TaskRef,
        /// Which.
        holding: Holding,
    },
    /// What an attempt that is over held on its target is being taken away.
    RevokeStarted {
        /// Of what.
        #[serde(flatten)]
        task: TaskRef,
    },
    /// All of it is gone.
    Revoked {
        /// Of what.
        #[serde(flatten)]
        task: TaskRef,
    },
    /// Not all of it could be taken away.
    RevokeFailed {
        /// Of what.
        #[serde(flatten)]
        task: TaskRef,
        /// Why.
        error: Arc<StepError>,
        /// When it is tried again; none: a person has to look.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// An attempt reported a sub-task.
    Reported {
        /// Of what.
        #[serde(flatten)]
        task: TaskRef,
        /// When.
        at: Timestamp,
        /// What.
        #[serde(flatten)]
        report: SubtaskReport,
    },
    /// A step does not run.
    Skipped {
        /// Which.
        step: StepRef,
        /// Why.
        reason: SkipReason,
    },
    /// A container step started.
    Opened {
        /// Which.
        step: StepRef,
        /// What it opened.
        opening: Opening,
    },
    /// The items of a map or roll-out below this number are under way.
    ItemsStarted {
        /// The map or roll-out.
        step: StepRef,
        /// One more than the last of them.
        upto: u32,
    },
    /// What a halted roll-out had done is taken back: it ends.
    RolloutUndone {
        /// The roll-out.
        step: StepRef,
    },
    /// All steps of a scope went well, but its output can't be computed. Comes before its
    /// obligations are met, because they depend on how the scope ends.
    ScopeFailed {
        /// Which.
        scope: ScopeRef,
        /// Why.
        error: Arc<StepError>,
    },
    /// The items of a wave have ended; the roll-out waits until this time.
    WaveSoaking {
        /// The roll-out.
        step: StepRef,
        /// The wave, from 0.
        wave: u32,
        /// When it goes on.
        until: Timestamp,
    },
    /// The gate behind a wave runs.
    GateOpened {
        /// The roll-out.
        step: StepRef,
        /// The wave, from 0.
        wave: u32,
    },
    /// A wave is done: the next one may start.
    WavePassed {
        /// The roll-out.
        step: StepRef,
        /// The wave, from 0.
        wave: u32,
    },
    /// A step waits.
    WaitStarted {
        /// Which.
        step: StepRef,
        /// Until when.
        until: Timestamp,
    },
    /// About signals; without a step where one was received.
    Signal {
        /// The step that waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepRef>,
        /// What.
        what: SignalEvent,
    },
    /// About an approval.
    Approval {
        /// The step that asks.
        step: StepRef,
        /// What.
        what: ApprovalEvent,
    },
    /// A repeat goes on, or is done.
    Repeat {
        /// The repeat.
        step: StepRef,
        /// What.
        what: RepeatEvent,
    },
    /// A scope ended; not used for the workflow's own, which ends with [`Event::Ended`].
    Closed {
        /// Which.
        scope: ScopeRef,
        /// Its output, where the workflow declares one; otherwise it follows from its steps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Arc<Value>>,
    },
    /// A child run was created with this commit.
    ChildStarted {
        /// The step that waits for it.
        step: StepRef,
        /// The child.
        run: RunId,
    },
    /// A child run ended.
    ChildEnded {
        /// The step that waited for it.
        step: StepRef,
        /// How.
        status: RunStatus,
        /// What it gave.
        output: Arc<Value>,
        /// The errors it gathered.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        errors: Vec<RunError>,
    },
    /// A step ran out of the time for all of it.
    TimedOut {
        /// Which.
        step: StepRef,
    },
    /// Something about the maintenance window that a step or the run waits for.
    Window {
        /// The step; none: the run, before its first step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepRef>,
        /// What.
        #[serde(flatten)]
        what: WindowEvent,
    },
    /// Something has to be held before the step, or the run, can start; from here on it waits.
    LocksWanted {
        /// The step; none: the run itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepRef>,
        /// What.
        claims: Vec<LockClaim>,
    },
    /// It is held.
    LocksGranted {
        /// The step; none: the run itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepRef>,
    },
    /// The run can't have what it needs before its first step, or not in time.
    LocksRefused {
        /// Why.
        error: Arc<StepError>,
    },
    /// A person let the run go on although its owners died again and again.
    QuarantineReleased {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// How often it had been taken from dead owners in a row.
        takeovers: u32,
    },
    /// Somebody wants the run to stop.
    CancelRequested(Order),
    /// Somebody wants nothing more to start for now.
    Paused(Order),
    /// Somebody wants a paused run to go on.
    Resumed(Order),
    /// Somebody wants everything to stop at once. What is owed waits for [`Event::EmergencyReleased`].
    EmergencyStopped(Order),
    /// Somebody lets the obligations of a run proceed that was stopped in an emergency.
    EmergencyReleased(Order),
    /// A person says that a step does not run, or that an obligation is not performed. A step that
    /// still waits for others is skipped when its turn comes.
    SkippedBy {
        /// Which.
        #[serde(flatten)]
        task: TaskRef,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person says that a step is done. One that still waits for others counts as done when its
    /// turn comes. ([`Event::Resolved`] says it of a task in attention.)
    MarkedDone {
        /// Which.
        step: StepRef,
        /// What it gave.
        output: Arc<Value>,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A step is not performed: the run that this one was forked from says how it ends.
    Reused {
        /// Which.
        step: StepRef,
    },
    /// An order came when the run had moved on; nothing else happened.
    ControlRefused {
        /// Which order.
        action: String,
        /// Who gave it.
        by: String,
        /// Why the run could not follow it any more.
        why: String,
    },
    /// From here on the run is one of this version of its workflow.
    Migrated {
        /// The version.
        version: Version,
        /// Who moved it, and why.
        #[serde(flatten)]
        order: Order,
    },
    /// The time of the run is over: it stops as if it had been cancelled.
    RunTimedOut,
    /// All steps have ended and what they left is met: what is done however a run ends begins.
    Finishing {
        /// What the run is about to end as.
        status: RunStatus,
        /// Its output, where the workflow declares one; otherwise it follows from its steps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Arc<Value>>,
    },
    /// The run ended.
    Ended {
        /// How.
        status: RunStatus,
        /// Its output, where the workflow declares one; otherwise it follows from its steps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Arc<Value>>,
    },
}

impl Event {
    /// The name in journals and messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
            Self::Claimed { .. } => "claimed",
            Self::Started { .. } => "started",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::Interrupted { .. } => "interrupted",
            Self::ObserveStarted { .. } => "observe_started",
            Self::Observed { .. } => "observed",
            Self::ObserveFailed { .. } => "observe_failed",
            Self::Resolved { .. } => "resolved",
            Self::Saved { .. } => "saved",
            Self::Held { .. } => "held",
            Self::Released { .. } => "released",
            Self::RevokeStarted { .. } => "revoke_started",
            Self::Revoked { .. } => "revoked",
            Self::RevokeFailed { .. } => "revoke_failed",
            Self::Reported { .. } => "reported",
            Self::Skipped { .. } => "skipped",
            Self::Opened { .. } => "opened",
            Self::ItemsStarted { .. } => "items_started",
            Self::ScopeFailed { .. } => "scope_failed",
            Self::WaveSoaking { .. } => "wave_soaking",
            Self::GateOpened { .. } => "gate_opened",
            Self::WavePassed { .. } => "wave_passed",
            Self::RolloutUndone { .. } => "rollout_undone",
            Self::WaitStarted { .. } => "wait_started",
            Self::Signal { what: SignalEvent::Awaited, .. } => "signal_awaited",
            Self::Signal { what: SignalEvent::Received(_), .. } => "signal_received",
            Self::Signal { what: SignalEvent::Taken, .. } => "signal_taken",
            Self::Approval { what: ApprovalEvent::Asked(_), .. } => "approval_asked",
            Self::Approval { what: ApprovalEvent::Answered(_), .. } => "approval_answered",
            Self::Repeat { what: RepeatEvent::Paused { .. }, .. } => "iteration_paused",
            Self::Repeat { what: RepeatEvent::Started { .. }, .. } => "iteration_started",
            Self::Repeat { what: RepeatEvent::Met, .. } => "repeat_met",
            Self::Closed { .. } => "closed",
            Self::ChildStarted { .. } => "child_started",
            Self::ChildEnded { .. } => "child_ended",
            Self::TimedOut { .. } => "timed_out",
            Self::Window { .. } => "window",
            Self::LocksWanted { .. } => "locks_wanted",
            Self::LocksGranted { .. } => "locks_granted",
            Self::LocksRefused { .. } => "locks_refused",
            Self::QuarantineReleased { .. } => "quarantine_released",
            Self::CancelRequested(_) => "cancel_requested",
            Self::RunTimedOut => "run_timed_out",
            Self::Finishing { .. } => "finishing",
            Self::Paused(_) => "paused",
            Self::Resumed(_) => "resumed",
            Self::EmergencyStopped(_) => "emergency_stopped",
            Self::EmergencyReleased(_) => "emergency_released",
            Self::SkippedBy { .. } => "skipped_by",
            Self::MarkedDone { .. } => "marked_done",
            Self::Reused { .. } => "reused",
            Self::ControlRefused { .. } => "control_refused",
            Self::Migrated { .. } => "migrated",
            Self::Ended { .. } => "ended",
        }
    }

    /// The step that the event is about, if it is about one.
    pub const fn step(&self) -> Option<StepRef> {
        match self {
            Self::Started { task, .. }
            | Self::Completed { task, .. }
            | Self::Failed { task, .. }
            | Self::Interrupted { task }
            | Self::ObserveStarted { task }
            | Self::Observed { task, .. }
            | Self::ObserveFailed { task, .. }
            | Self::Resolved { task, .. }
            | Self::Saved { task, .. }
            | Self::Held { task, .. }
            | Self::Released { task, .. }
            | Self::RevokeStarted { task }
            | Self::Revoked { task }
            | Self::RevokeFailed { task, .. }
            | Self::SkippedBy { task, .. }
            | Self::Reported { task, .. } => Some(task.step),
            Self::Skipped { step, .. }
            | Self::Opened { step, .. }
            | Self::MarkedDone { step, .. }
            | Self::Reused { step }
            | Self::ItemsStarted { step, .. }
            | Self::WaveSoaking { step, .. }
            | Self::GateOpened { step, .. }
            | Self::WavePassed { step, .. }
            | Self::RolloutUndone { step }
            | Self::WaitStarted { step, .. }
            | Self::Approval { step, .. }
            | Self::Repeat { step, .. }
            | Self::ChildStarted { step, .. }
            | Self::ChildEnded { step, .. }
            | Self::TimedOut { step } => Some(*step),
            Self::Window { step, .. }
            | Self::Signal { step, .. }
            | Self::LocksWanted { step, .. }
            | Self::LocksGranted { step } => *step,
            Self::LocksRefused { .. }
            | Self::Created(_)
            | Self::Claimed { .. }
            | Self::ScopeFailed { .. }
            | Self::Closed { .. }
            | Self::QuarantineReleased { .. }
            | Self::CancelRequested(_)
            | Self::RunTimedOut
            | Self::Finishing { .. }
            | Self::Paused(_)
            | Self::Resumed(_)
            | Self::EmergencyStopped(_)
            | Self::EmergencyReleased(_)
            | Self::ControlRefused { .. }
            | Self::Migrated { .. }
            | Self::Ended { .. } => None,
        }
    }
}
