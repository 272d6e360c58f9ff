//! What a run owes: cleanups, undos, and what is done at its end.

use serde::Serialize;

use super::view::RunView;
use crate::{
    graph::{KindPlan, StepPlan},
    machine::{Phase, Role, RunState, StepRef, TaskRef},
    model::CleanupPolicy,
};

/// What kind of obligation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObligationKind {
    /// A cleanup of a step.
    Cleanup,
    /// The undo of a step.
    Undo,
    /// A step of the workflow's `finally`.
    Finally,
}

/// How far an obligation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObligationState {
    /// Will be performed only if the list that it stands in, or one around it, fails or is
    /// cancelled.
    IfFails,
    /// Will be performed only if its list goes well.
    IfCompletes,
    /// Will be performed.
    Owed,
    /// Is being performed, or about to be tried again.
    UnderWay,
    /// Waits for a person.
    Attention,
    /// Was performed, or a person said that it was; a step of `finally` may also have been skipped
    /// by its condition.
    Met,
    /// Could not be met, and a person said to leave it.
    Failed,
}

impl ObligationState {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IfFails => "if it fails",
            Self::IfCompletes => "if it completes",
            Self::Owed => "owed",
            Self::UnderWay => "under way",
            Self::Attention => "waits for a person",
            Self::Met => "met",
            Self::Failed => "failed",
        }
    }
}

/// One obligation of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObligationView {
    /// Its address: `flash/undo`, `evacuate/cleanup`, `finally/report`.
    pub path: String,
    /// What kind it is.
    pub kind: ObligationKind,
    /// The executor that meets it; none for a step of `finally` that calls none itself.
    pub uses: Option<String>,
    /// How far it is.
    pub state: ObligationState,
}

impl RunView {
    /// What the run owes and owed: first what has begun, in the order of the steps, then what is
    /// still to come, as it would be performed if everything stopped now, `finally` last.
    pub fn obligations(&self) -> Vec<ObligationView> {
        let steps = (0..).map(StepRef).take(self.state.steps.len());
        let mut all: Vec<_> = steps
            .flat_map(|step| [TaskRef::undo(step), TaskRef::cleanup(step)])
            .filter_map(|task| Some(self.owed(task, begun(&self.state.execution(task)?.phase))))
            .collect();
        for scope in self.state.scopes.iter().rev() {
            let stopped = scope.stopped || scope.failed || scope.cancelled;
            for obligation in scope.owed.iter().rev() {
                let task = obligation.task;
                if self.state.execution(task).is_none()
                    && let Some(state) = self.prospect(task, stopped)
                {
                    all.push(self.owed(task, state));
                }
            }
        }
        all.extend(self.finally());
        all
    }

    fn owed(&self, task: TaskRef, state: ObligationState) -> ObligationView {
        let plan = self.state.plan_of(&self.plan, task.step);
        let (kind, called) = match task.role {
            Role::Main => (ObligationKind::Finally, call_of(plan)),
            Role::Cleanup => (ObligationKind::Cleanup, plan.cleanup.as_ref().map(|it| &it.task)),
            Role::Undo => (ObligationKind::Undo, plan.undo.as_ref()),
        };
        let uses = called.map(|call| call.uses.clone());
        ObligationView { path: self.state.task_path(&self.plan, task), kind, uses, state }
    }

    /// What will become of an obligation that has not begun.
    fn prospect(&self, task: TaskRef, stopped: bool) -> Option<ObligationState> {
        let cleanup = self.state.plan_of(&self.plan, task.step).cleanup.as_ref();
        let policy = match task.role {
            Role::Main => return None,
            Role::Undo => CleanupPolicy::OnFailure,
            Role::Cleanup => cleanup?.policy,
        };
        let phase = &self.state.step(task.step).main.phase;
        let failed = stopped || matches!(phase, Phase::Failed | Phase::Cancelled);
        match policy {
            CleanupPolicy::Always => Some(ObligationState::Owed),
            CleanupPolicy::OnFailure if failed => Some(ObligationState::Owed),
            CleanupPolicy::OnFailure => Some(ObligationState::IfFails),
            CleanupPolicy::OnSuccess if failed => None,
            CleanupPolicy::OnSuccess => Some(ObligationState::IfCompletes),
            CleanupPolicy::Never => None,
        }
    }

    /// The steps of `finally`, before and while they run.
    fn finally(&self) -> Vec<ObligationView> {
        let Some(ix) = self.plan.finally else { return Vec::new() };
        let places = 0..self.plan.scope(ix).len;
        if let Some(ending) = self.state.ending {
            let tasks = places.map(|place| TaskRef::main(self.state.step_at(ending.scope, place)));
            return tasks
                .map(|task| self.owed(task, begun(&self.state.step(task.step).main.phase)))
                .collect();
        }
        let to_come = |place| {
            let step = self.plan.step(ix, place);
            ObligationView {
                path: format!("{}{}", RunState::FINALLY, step.id),
                kind: ObligationKind::Finally,
                uses: call_of(step).map(|call| call.uses.clone()),
                state: ObligationState::Owed,
            }
        };
        places.map(to_come).collect()
    }
}

fn call_of(step: &StepPlan) -> Option<&crate::graph::TaskPlan> {
    match &step.kind {
        KindPlan::Task(call) => Some(call),
        KindPlan::Child(_)
        | KindPlan::Parallel(_)
        | KindPlan::Map(_)
        | KindPlan::Rollout(_)
        | KindPlan::Decision(_)
        | KindPlan::Set(_)
        | KindPlan::Repeat(_)
        | KindPlan::Wait(_)
        | KindPlan::Signal(_)
        | KindPlan::Approval(_)
        | KindPlan::Group(_) => None,
    }
}

/// The state of an obligation that has a life.
fn begun(phase: &Phase) -> ObligationState {
    match phase {
        Phase::Pending => ObligationState::Owed,
        Phase::Running
        | Phase::Interrupted
        | Phase::Revoking
        | Phase::RevokeRetrying(_)
        | Phase::Observing
        | Phase::ObserveRetrying(_)
        | Phase::Retrying(_)
        | Phase::Cleared => ObligationState::UnderWay,
        Phase::Attention(_) => ObligationState::Attention,
        Phase::Completed | Phase::Skipped(_) => ObligationState::Met,
        Phase::Failed | Phase::Cancelled => ObligationState::Failed,
    }
}
