//! The state of a run, and the fold that makes it.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use serde_json::Value;
use thiserror::Error;

use super::{
    approval::Ask,
    ending::Ending,
    event::{Created, Event, Order, Role, RunError, ScopeRef, SkipReason, StepRef, TaskRef},
    items::MapState,
    lock::LockBook,
    owed::Obligation,
    signal::Signals,
    window::Gates,
};

use crate::{
    graph::{Plan, ScopeIx, StepPlan},
    model::{NodeId, RunId, RunStatus, StepError, Timestamp},
    step::Holding,
};

/// An event that can't follow the events before it. A journal that holds one is damaged, or was
/// written by a later release.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("event `{event}` is illegal for {subject}, which is {state}")]
pub struct IllegalEvent {
    /// The event's name.
    pub event: &'static str,
    /// The run, scope or step that it is about.
    pub subject: String,
    /// Its state.
    pub state: &'static str,
}

/// Where an execution is in its life.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Has not started.
    Pending,
    /// An attempt is under way; a container is open; a child run lives.
    Running,
    /// An attempt was under way when its node went away.
    Interrupted,
    /// What an attempt left on its target is being revoked.
    Revoking,
    /// That failed and is tried again at this time.
    RevokeRetrying(Timestamp),
    /// The target is being observed.
    Observing,
    /// The observation failed and is made again at this time.
    ObserveRetrying(Timestamp),
    /// Waits for the next attempt.
    Retrying(Timestamp),
    /// May be performed (again): the observation or a person said so.
    Cleared,
    /// Waits for a person, who needs this evidence.
    Attention(Arc<Value>),
    /// Done.
    Completed,
    /// Failed for good.
    Failed,
    /// Stopped because the run was cancelled.
    Cancelled,
    /// Did not run.
    Skipped(SkipReason),
}

impl Phase {
    /// The name on the screen and in expressions.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Revoking | Self::RevokeRetrying(_) => "revoking",
            Self::Observing | Self::ObserveRetrying(_) => "observing",
            Self::Retrying(_) => "retrying",
            Self::Cleared => "ready",
            Self::Attention(_) => "attention",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped(_) => "skipped",
        }
    }

    /// Whether nothing more will happen.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled | Self::Skipped(_) => true,
            Self::Pending
            | Self::Running
            | Self::Interrupted
            | Self::Revoking
            | Self::RevokeRetrying(_)
            | Self::Observing
            | Self::ObserveRetrying(_)
            | Self::Retrying(_)
            | Self::Cleared
            | Self::Attention(_) => false,
        }
    }
}

/// The life of one step, or of one obligation.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Where it is.
    pub phase: Phase,
    /// The last attempt's number; 0 before the first.
    pub attempt: u32,
    /// What attempts saved.
    pub saved: Option<Arc<Value>>,
    /// What an attempt holds on its target and has not given back.
    pub holdings: Vec<Holding>,
    /// What it gave.
    pub output: Option<Arc<Value>>,
    /// What the last failure said.
    pub error: Option<Arc<StepError>>,
    /// What follows once holdings are revoked and, after a failure with unknown outcome, the
    /// target was seen and the action was not done.
    pub(super) after_look: Option<AfterLook>,
    /// The failure left the outcome unknown: the target has to be observed.
    pub(super) look: bool,
    /// The number that the next attempt gets, where it is not simply the next.
    pub(super) resume_as: u32,
    /// The observation saw the action under way: it is carried on, whatever else happens.
    pub(super) under_way: bool,
    /// How often in a row the observation failed.
    pub(super) observe_failures: u32,
    /// How often in a row revoking failed.
    pub(super) revoke_failures: u32,
    /// What a person said of it before its turn came.
    pub(super) decided: Option<ByHand>,
    /// When the time for all of it is over.
    pub(super) deadline: Option<Timestamp>,
    /// It is over.
    pub(super) timed_out: bool,
}

/// What a person said of a step whose turn had not come.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ByHand {
    Skip,
    Done(Arc<Value>),
}

/// What follows once the traces of an attempt are gone and its action is known not to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterLook {
    /// The next attempt, at this time.
    Retry(Timestamp),
    /// Nothing: the failed attempt was the last.
    GiveUp,
    /// Nothing: the attempt was told to stop.
    Stop,
    /// The next attempt, at once: a person said so.
    Perform,
}

impl Execution {
    /// When the time for all of it is over, if it is bounded and runs.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    pub(super) const NEW: Self = Self {
        phase: Phase::Pending,
        attempt: 0,
        saved: None,
        holdings: Vec::new(),
        output: None,
        error: None,
        after_look: None,
        look: false,
        resume_as: 1,
        under_way: false,
        observe_failures: 0,
        revoke_failures: 0,
        decided: None,
        deadline: None,
        timed_out: false,
    };
}

/// What a step holds beside its execution.
#[derive(Clone, Debug)]
pub enum Inner {
    /// Nothing.
    None,
    /// A child run.
    Child(RunId),
    /// The scopes that a container opened, and how many of them are open.
    Scopes {
        /// The scopes.
        scopes: Vec<ScopeRef>,
        /// How many have not closed.
        open: u32,
    },
    /// A map, or a roll-out.
    Map(Box<MapState>),
    /// A repeat.
    Repeat(Box<RepeatState>),
    /// A wait, until this time.
    Wait(Timestamp),
    /// A wait for a signal.
    Signal,
    /// A question to people.
    Approval(Arc<Ask>),
}

/// A repeat under way.
#[derive(Clone, Debug)]
pub struct RepeatState {
    /// The scope of the present iteration, or of the last one.
    pub scope: ScopeRef,
    /// Its number, from 1.
    pub iteration: u32,
    /// When the next one is due, while it is waited for.
    pub pause: Option<Timestamp>,
    /// When the iteration began.
    pub(super) opened_at: Timestamp,
}

/// The lives of a step's obligations. Few steps have any: they are kept apart, so that all others
/// stay small.
#[derive(Clone, Debug, Default)]
pub struct Owed {
    /// Its cleanup's, once that has begun.
    pub cleanup: Option<Execution>,
    /// Its undo's, once that has begun.
    pub undo: Option<Execution>,
}

/// One instance of a step.
#[derive(Clone, Debug)]
pub struct StepState {
    /// The scope that it stands in.
    pub scope: ScopeRef,
    /// Its place there.
    pub place: u32,
    /// How many steps it still waits for.
    pub unmet: u32,
    /// Its life.
    pub main: Execution,
    /// The lives of what it left to do, once one of them has begun.
    pub owed: Option<Box<Owed>>,
    /// What it holds.
    pub inner: Inner,
}

/// One instance of a scope.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each set once and for all")]
pub struct ScopeState {
    /// Which list of the plan it is.
    pub plan: ScopeIx,
    /// The step that opened it; none for the workflow's own.
    pub owner: Option<StepRef>,
    /// The item that it processes, of a map or a roll-out; the number of an iteration.
    pub item: Option<u32>,
    /// The wave that it is the gate of, from 0.
    pub wave: Option<u32>,
    /// Its first step instance.
    pub first: StepRef,
    /// Its step instances by their places, where they don't follow the first: the run was moved to
    /// another version.
    pub(super) moved: Option<Arc<[StepRef]>>,
    /// Its steps that are not final.
    pub unsettled: u32,
    /// Its steps that have started and are not final.
    pub active: u32,
    /// A step failed and that fails the scope.
    pub failed: bool,
    /// The error that failed it.
    pub error: Option<Arc<StepError>>,
    /// Nothing more starts here.
    pub halted: bool,
    /// Halted from outside: by cancel or a time-out.
    pub stopped: bool,
    /// A step of it was stopped, or could not start any more because of that.
    pub cancelled: bool,
    /// It has ended.
    pub closed: bool,
    /// Its declared output, once it has ended.
    pub output: Option<Arc<Value>>,
    /// What is or may become owed before it ends, in the order in which that arose: cleanups of
    /// its steps, undos of these and of scopes inside of it that completed.
    pub owed: Vec<Obligation>,
}

/// What to look at next; made by [`RunState::apply`], looked at by [`super::advance`]. Entries may
/// be stale: each is checked against the state when its turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Todo {
    Ready(StepRef),
    Items(StepRef),
    Drained(ScopeRef),
    Recover(TaskRef),
    Restart(TaskRef),
    StopAttempt(TaskRef),
    StopChild(StepRef),
    EnsureChild(StepRef),
    Deliver(StepRef),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKind {
    Retry,
    Observe,
    Soak,
    Revoke,
    Total,
    /// A step's maintenance window opens.
    Window,
    /// The run's maintenance window opens.
    RunWindow,
    Wait,
    Iterate,
    /// A step's wait for locks.
    Queue,
    /// The run's.
    RunQueue,
}

/// A pause under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Who asked for it, and why.
    pub order: Order,
    /// Since when.
    pub at: Timestamp,
}

/// An emergency stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// Who stopped the run, and why.
    pub order: Order,
    /// Who let its obligations proceed, and why; none: they wait for that.
    pub released: Option<Order>,
}

/// The state of a run.
#[derive(Clone, Debug)]
pub struct RunState {
    /// How the run came to be.
    pub created: Arc<Created>,
    /// Where it is in its life: running until it has ended.
    pub status: RunStatus,
    /// The number of its present ownership.
    pub epoch: u64,
    /// The node that owns it.
    pub node: Option<NodeId>,
    /// All scopes that ever opened.
    pub scopes: Vec<ScopeState>,
    /// All step instances.
    pub steps: Vec<StepState>,
    /// Who cancelled it, if anybody did.
    pub cancel: Option<Order>,
    /// What went wrong, in the order in which it did.
    pub errors: Vec<RunError>,
    /// What it gave.
    pub output: Arc<Value>,
    /// Attempts and observations that are under way.
    pub in_flight: u32,
    /// Tasks that wait for a person.
    pub attention: u32,
    /// Child runs that have not ended.
    pub children: u32,
    /// How it is about to end, once all but its `finally` is over.
    pub ending: Option<Ending>,
    /// Its time is over.
    pub timed_out: bool,
    /// When its time is over.
    pub(super) deadline: Option<Timestamp>,
    /// How many obligations have arisen.
    pub(super) obligations: u32,
    /// Who waits for a maintenance window.
    pub(super) gates: Gates,
    /// What it and its steps hold or wait for; none: nothing was ever asked for.
    pub(super) locks: Option<Box<LockBook>>,
    /// What was sent to it, and who waits for it.
    pub signals: Signals,
    /// Who paused it, while it is.
    pub paused: Option<Pause>,
    /// Who stopped it in an emergency, if anybody did.
    pub emergency: Option<Emergency>,
    pub(super) todo: VecDeque<Todo>,
    /// Entries that would start something, while nothing may start.
    pub(super) held: VecDeque<Todo>,
    pub(super) timers: BTreeSet<(Timestamp, TaskRef, TimerKind)>,
}

impl RunState {
    /// The state after [`Event::Created`], with the workflow's own scope open.
    pub fn new(plan: &Plan, created: Created) -> Self {
        let mut state = Self {
            created: Arc::new(created),
            status: RunStatus::Running,
            epoch: 0,
            node: None,
            scopes: Vec::new(),
            steps: Vec::with_capacity(plan.scope(Plan::ROOT).len as usize),
            cancel: None,
            errors: Vec::new(),
            output: Arc::new(Value::Null),
            in_flight: 0,
            attention: 0,
            children: 0,
            ending: None,
            timed_out: false,
            deadline: None,
            obligations: 0,
            gates: Gates::default(),
            locks: None,
            signals: Signals::default(),
            paused: None,
            emergency: None,
            todo: VecDeque::new(),
            held: VecDeque::new(),
            timers: BTreeSet::new(),
        };
        state.open_scope(plan, Plan::ROOT, None, None);
        state
    }

    /// A step instance.
    pub fn step(&self, step: StepRef) -> &StepState {
        &self.steps[step.0 as usize]
    }

    /// A scope.
    pub fn scope(&self, scope: ScopeRef) -> &ScopeState {
        &self.scopes[scope.0 as usize]
    }

    pub(super) fn step_mut(&mut self, step: StepRef) -> &mut StepState {
        &mut self.steps[step.0 as usize]
    }

    pub(super) fn scope_mut(&mut self, scope: ScopeRef) -> &mut ScopeState {
        &mut self.scopes[scope.0 as usize]
    }

    /// The plan of a step instance.
    pub fn plan_of<'p>(&self, plan: &'p Plan, step: StepRef) -> &'p StepPlan {
        let state = self.step(step);
        plan.step(self.scope(state.scope).plan, state.place)
    }

    /// The execution that a task reference names, if it has begun to exist.
    pub fn execution(&self, task: TaskRef) -> Option<&Execution> {
        let step = self.steps.get(task.step.0 as usize)?;
        match task.role {
            Role::Main => Some(&step.main),
            Role::Cleanup => step.owed.as_deref()?.cleanup.as_ref(),
            Role::Undo => step.owed.as_deref()?.undo.as_ref(),
        }
    }

    /// When something is due by itself; nothing is while nothing may start.
    pub fn next_timer(&self) -> Option<Timestamp> {
        if self.is_held() {
            return None;
        }
        let timer = self.timers.first().map(|(at, ..)| *at);
        [timer, self.run_deadline()].into_iter().flatten().min()
    }

    /// When the time of the run, or of one of its steps, is over.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let mut totals = self.timers.iter().filter(|(_, _, kind)| *kind == TimerKind::Total);
        [totals.next().map(|(at, ..)| *at), self.run_deadline()].into_iter().flatten().min()
    }

    /// Whether a fold left something to decide: [`super::advance`] has not run since.
    pub fn has_todo(&self) -> bool {
        !self.todo.is_empty()
    }

    /// The status that the store should show: ended, paused, in attention, or running. A paused run
    /// is running until what runs has finished; one that waits for a person is running while
    /// something else is still due: its time has to come all the same.
    pub fn visible_status(&self) -> RunStatus {
        if !self.status.is_ended() && self.paused.is_some() && self.in_flight == 0 {
            return RunStatus::Paused;
        }
        if !self.status.is_ended() && self.waits_for_release() {
            let quiet = self.in_flight == 0 && self.children == 0;
            return if quiet { RunStatus::Attention } else { RunStatus::Running };
        }
        // Asked in each turn: the timers of a large map are looked at only where they decide.
        let retries = || self.timers.iter().any(|(_, _, kind)| *kind != TimerKind::Total);
        let waits = self.attention > 0 && self.in_flight == 0 && self.children == 0 && !retries();
        if !self.status.is_ended() && waits {
            return RunStatus::Attention;
        }
        self.status
    }
}

/// Folds a journal. `events` are all events of the run, in order, each with its row's time.
///
/// # Errors
/// [`IllegalEvent`] if they can't be a run of this plan.
pub fn fold(
    plan: &Plan,
    events: impl IntoIterator<Item = (Timestamp, Event)>,
) -> Result<Option<RunState>, IllegalEvent> {
    fold_moved(&[plan], events)
}

/// Folds the journal of a run that may have been moved: `plans` are those that it lived by, in
/// order.
///
/// # Errors
/// [`IllegalEvent`] if they can't be a run of these plans.
pub fn fold_moved(
    plans: &[&Plan],
    events: impl IntoIterator<Item = (Timestamp, Event)>,
) -> Result<Option<RunState>, IllegalEvent> {
    let mut state: Option<RunState> = None;
    let mut plans = plans.iter().copied();
    let no_plan = |event: &Event| IllegalEvent {
        event: event.name(),
        subject: "the run".to_owned(),
        state: "without its plan",
    };
    let mut present = plans.next();
    for (at, event) in events {
        let Some(plan) = present else { return Err(no_plan(&event)) };
        match (&mut state, event) {
            (Some(state), event @ Event::Migrated { .. }) => {
                let next = plans.next().ok_or_else(|| no_plan(&event))?;
                state.apply_move(plan, next, &event)?;
                state.forget_stale(next);
                present = Some(next);
            }
            (None, Event::Created(created)) => state = Some(RunState::new(plan, *created)),
            (None, event) => {
                return Err(IllegalEvent {
                    event: event.name(),
                    subject: "the run".to_owned(),
                    state: "not created",
                });
            }
            (Some(state), event) => {
                state.apply(plan, &event, at)?;
                state.forget_stale(plan);
            }
        }
    }
    // What the events changed about locks went in with them.
    let _ = state.as_mut().map(RunState::take_lock_changes);
    Ok(state)
}
