//! The plan: a workflow as arrays. A plan never changes while a run is pinned to it, and is the
//! same for the same canonical form, so that numbers in a journal keep their meaning.

use std::{collections::HashMap, time::Duration};

use serde_json::Value;

use super::{
    locks::LocksPlan,
    setting::{RetryPlan, SettingPlan},
    window::WindowPlan,
};
use crate::{
    expr::{Predicate, Template},
    model::{Amount, CleanupPolicy, HumanDuration, Moment, OnError, OnHalt, OnTimeout, Version},
    step::Effect,
};

/// The number of a scope in a plan; 0 is the workflow's own list of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeIx(pub u32);

/// The number of a step in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlanStep(pub u32);

/// A compiled workflow.
#[derive(Debug)]
pub struct Plan {
    /// The workflow's name.
    pub name: String,
    /// The version that this is the plan of.
    pub version: Version,
    /// How long a run may take.
    pub timeout: Option<Duration>,
    /// What is done however a run ends.
    pub finally: Option<ScopeIx>,
    /// All lists of steps.
    pub scopes: Vec<ScopePlan>,
    /// All steps; those of one scope stand together.
    pub steps: Vec<StepPlan>,
    /// The maintenance window in which a run begins.
    pub window: Option<WindowPlan>,
    /// What a run asks for before its first step.
    pub locks: Option<LocksPlan>,
    /// The priority of runs that are started without one.
    pub priority: u8,
}

impl Plan {
    /// The workflow's own list of steps.
    pub const ROOT: ScopeIx = ScopeIx(0);

    /// The windows that its runs will need, as far as that is known before: the name, and how long
    /// each has to stay open.
    pub fn windows(&self) -> impl Iterator<Item = (&str, HumanDuration)> {
        let of_steps = self.steps.iter().filter_map(|step| step.window.as_ref());
        self.window.iter().chain(of_steps).filter_map(WindowPlan::constant)
    }

    /// Whether its runs may need a window of this name: some names are only known in a run.
    pub fn may_use_window(&self, name: &str) -> bool {
        let of_steps = self.steps.iter().filter_map(|step| step.window.as_ref());
        let mut all = self.window.iter().chain(of_steps);
        all.any(|window| window.constant().is_none_or(|(known, _)| known == name))
    }

    /// A scope by its number.
    pub fn scope(&self, ix: ScopeIx) -> &ScopePlan {
        &self.scopes[ix.0 as usize]
    }

    /// The signals that its steps wait for. Those of one name have one schema.
    pub fn signals(&self) -> impl Iterator<Item = &SignalPlan> {
        self.steps.iter().filter_map(|step| match &step.kind {
            KindPlan::Signal(signal) => Some(signal),
            KindPlan::Task(_)
            | KindPlan::Child(_)
            | KindPlan::Parallel(_)
            | KindPlan::Map(_)
            | KindPlan::Rollout(_)
            | KindPlan::Decision(_)
            | KindPlan::Set(_)
            | KindPlan::Repeat(_)
            | KindPlan::Wait(_)
            | KindPlan::Approval(_)
            | KindPlan::Group(_) => None,
        })
    }

    /// A step by its scope and its place there.
    pub fn step(&self, scope: ScopeIx, position: u32) -> &StepPlan {
        &self.steps[(self.scope(scope).first.0 + position) as usize]
    }
}

/// One list of steps.
#[derive(Debug)]
pub struct ScopePlan {
    /// The branch's name, for a branch of a `parallel`.
    pub label: Option<String>,
    /// Its first step.
    pub first: PlanStep,
    /// How many steps it has.
    pub len: u32,
    /// Its output, if it declares one.
    pub output: Option<Template>,
    /// The places of its steps, by id.
    pub by_id: HashMap<String, u32>,
}

/// One step.
#[derive(Debug)]
pub struct StepPlan {
    /// Its id.
    pub id: String,
    /// The condition.
    pub when: Option<Predicate>,
    /// The maintenance window in which it begins.
    pub window: Option<WindowPlan>,
    /// How many steps of its scope have to be met first.
    pub needs: u32,
    /// The places of the steps that need this one.
    pub needed_by: Vec<u32>,
    /// What it does.
    pub kind: KindPlan,
    /// What it asks for before it starts.
    pub locks: Option<Box<LocksPlan>>,
    /// How long the whole of it may take.
    pub total_timeout: Option<Duration>,
    /// What its failure means.
    pub on_error: OnError,
    /// What is owed once it has started.
    pub cleanup: Option<CleanupPlan>,
    /// What takes back what it completed, when more than it fails.
    pub undo: Option<TaskPlan>,
    /// Where its list continues.
    pub next: Option<Jump>,
}

/// Where a list continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// At this place of the list.
    To(u32),
    /// Nowhere: the list ends.
    End,
}

/// What a step does.
#[derive(Debug)]
pub enum KindPlan {
    /// Calls an executor.
    Task(TaskPlan),
    /// Runs another workflow.
    Child(ChildPlan),
    /// Runs scopes at the same time.
    Parallel(ParallelPlan),
    /// Runs a scope for each element of a list.
    Map(MapPlan),
    /// Runs a scope for each element of a list, in waves.
    Rollout(Box<RolloutPlan>),
    /// Takes the first choice that holds.
    Decision(Vec<ChoicePlan>),
    /// Computes an output.
    Set(Template),
    /// Runs a scope again and again.
    Repeat(Box<RepeatPlan>),
    /// Waits.
    Wait(WaitPlan),
    /// Waits for a signal.
    Signal(SignalPlan),
    /// Asks people.
    Approval(Box<ApprovalPlan>),
    /// Runs a scope.
    Group(ScopeIx),
}

impl KindPlan {
    /// What it goes through, if it goes through a list.
    pub fn items(&self) -> Option<&MapPlan> {
        match self {
            Self::Map(map) => Some(map),
            Self::Rollout(rollout) => Some(&rollout.items),
            Self::Task(_)
            | Self::Child(_)
            | Self::Parallel(_)
            | Self::Decision(_)
            | Self::Set(_)
            | Self::Repeat(_)
            | Self::Wait(_)
            | Self::Signal(_)
            | Self::Approval(_)
            | Self::Group(_) => None,
        }
    }
}

/// A repeat.
#[derive(Debug)]
pub struct RepeatPlan {
    /// Asked after each iteration.
    pub until: Predicate,
    /// The time between two iterations; none: no time.
    pub delay: Option<SettingPlan<HumanDuration>>,
    /// How many iterations at most.
    pub max_iterations: Option<SettingPlan<u32>>,
    /// The steps of an iteration.
    pub body: ScopeIx,
    /// Nothing will ask for what the steps of past iterations gave.
    pub forgets: bool,
}

/// A signal.
#[derive(Debug)]
pub struct SignalPlan {
    /// Its name.
    pub name: String,
    /// The JSON Schema of what may be sent.
    pub schema: Option<Value>,
}

/// An approval.
#[derive(Debug)]
pub struct ApprovalPlan {
    /// The question.
    pub message: Template,
    /// What it is about.
    pub show: Option<Template>,
    /// Who may answer: a list.
    pub approvers: Template,
    /// How long an answer is waited for.
    pub timeout: Option<SettingPlan<HumanDuration>>,
    /// What it means that none came.
    pub on_timeout: OnTimeout,
}

/// What a wait waits for.
#[derive(Debug)]
pub enum WaitPlan {
    /// So long.
    For(SettingPlan<HumanDuration>),
    /// Until then.
    Until(SettingPlan<Moment>),
    /// Until the step's window lets it in.
    Window,
}

/// A call of an executor.
#[derive(Debug)]
pub struct TaskPlan {
    /// The executor.
    pub uses: String,
    /// Its input.
    pub with: Template,
    /// What it does to its target.
    pub effect: Effect,
    /// Its retries; none: it is not tried again.
    pub retry: Option<RetryPlan>,
    /// How long an attempt may take.
    pub attempt_timeout: Option<SettingPlan<HumanDuration>>,
    /// How long an attempt may give no sign.
    pub heartbeat: Option<Duration>,
    /// The pool whose workers make the call; none: the node that has the run.
    pub pool: Option<String>,
}

/// An obligation.
#[derive(Debug)]
pub struct CleanupPlan {
    /// When it is owed.
    pub policy: CleanupPolicy,
    /// The call that meets it.
    pub task: TaskPlan,
}

/// A sub-workflow.
#[derive(Debug)]
pub struct ChildPlan {
    /// Its name.
    pub workflow: String,
    /// Its version.
    pub version: Version,
    /// Its input.
    pub with: Template,
}

/// Branches side by side.
#[derive(Debug)]
pub struct ParallelPlan {
    /// The branches.
    pub branches: Vec<ScopeIx>,
    /// How many of them are enough; none: all are waited for.
    pub enough: Option<u32>,
}

/// A map.
#[derive(Debug)]
pub struct MapPlan {
    /// The list.
    pub over: Template,
    /// The name of the current element.
    pub binding: String,
    /// The name of the current element's index.
    pub index_binding: String,
    /// How many items at once.
    pub max_concurrency: u32,
    /// What a failed item means.
    pub on_error: OnError,
    /// How many may fail.
    pub max_failures: Option<Amount>,
    /// The steps of an item.
    pub body: ScopeIx,
}

/// A roll-out.
#[derive(Debug)]
pub struct RolloutPlan {
    /// What it goes through; its `max_concurrency` and `on_error` mean nothing here.
    pub items: MapPlan,
    /// How many items the first wave has, if it differs.
    pub canary: Option<u32>,
    /// How many items the other waves have; none: all.
    pub wave: Option<Amount>,
    /// How many items may be under way or failed at once; none: no limit.
    pub max_unavailable: Option<Amount>,
    /// How long it waits behind each wave.
    pub soak: Option<Duration>,
    /// The steps behind each wave.
    pub gate: Option<ScopeIx>,
    /// What becomes of what it has done when it halts.
    pub on_halt: OnHalt,
}

/// What the steps of a gate call the number of the wave, from 1.
pub const WAVE: &str = "wave";
/// What the steps of a gate call the items of the wave.
pub const WAVE_ITEMS: &str = "wave_items";

/// A choice.
#[derive(Debug)]
pub struct ChoicePlan {
    /// Its condition; none: otherwise.
    pub when: Option<Predicate>,
    /// Where it leads.
    pub then: ThenPlan,
}

/// Where a choice leads.
#[derive(Clone, Copy, Debug)]
pub enum ThenPlan {
    /// Into a branch.
    Scope(ScopeIx),
    /// Elsewhere in the list.
    Jump(Jump),
}
