//! Steps that a person takes out of the run's hands: skipped, or done by other means.

use std::sync::Arc;

use serde_json::Value;

use super::{
    event::{Event, Role, SkipReason, StepRef, TaskRef, Verdict},
    state::{ByHand, IllegalEvent, Inner, Phase, RunState, Todo},
};
use crate::{
    expr::nearest,
    graph::{KindPlan, Plan},
};

/// The task of a path that may be skipped.
///
/// # Errors
/// Why there is none.
pub(super) fn skippable(plan: &Plan, state: &RunState, path: &str) -> Result<TaskRef, String> {
    let task = state.find(plan, path)?;
    if !task.is_main() {
        return match state.execution(task).map(|it| &it.phase) {
            Some(Phase::Attention(_) | Phase::Retrying(_)) => Ok(task),
            phase => Err(format!(
                "`{path}` is {}: an obligation is skipped while it waits for a person or for its \
                 next attempt",
                phase.map_or("not begun", Phase::as_str)
            )),
        };
    }
    takeable(state, path, task.step).map(|()| task)
}

/// The event that marks the step of a path as done.
///
/// # Errors
/// Why it can't be.
pub(super) fn done(
    plan: &Plan,
    state: &RunState,
    path: &str,
    output: &Value,
    (by, reason): (&str, &str),
) -> Result<Event, String> {
    let task = state.find(plan, path)?;
    let (by, reason) = (by.to_owned(), reason.to_owned());
    if matches!(state.execution(task).map(|it| &it.phase), Some(Phase::Attention(_))) {
        let verdict = Verdict::Done(output.clone());
        return Ok(Event::Resolved { task, verdict, by, reason });
    }
    if !task.is_main() {
        return Err(format!("`{path}` is an obligation that does not wait for a person"));
    }
    takeable(state, path, task.step)?;
    Ok(Event::MarkedDone { step: task.step, output: Arc::new(output.clone()), by, reason })
}

/// Whether a step may be taken out of the run's hands.
fn takeable(state: &RunState, path: &str, step: StepRef) -> Result<(), String> {
    let at = state.step(step);
    match &at.main.phase {
        Phase::Pending if state.scope(at.scope).halted => {
            Err(format!("`{path}` does not run any more: what it belongs to has been stopped"))
        }
        Phase::Pending if at.main.decided.is_some() => {
            Err(format!("somebody has decided about `{path}` already"))
        }
        Phase::Pending | Phase::Retrying(_) | Phase::Attention(_) => Ok(()),
        // Nothing happens at a target while time passes.
        Phase::Running if matches!(at.inner, Inner::Wait(_)) => Ok(()),
        phase @ (Phase::Running
        | Phase::Interrupted
        | Phase::Revoking
        | Phase::RevokeRetrying(_)
        | Phase::Observing
        | Phase::ObserveRetrying(_)
        | Phase::Cleared) => Err(format!(
            "`{path}` is under way ({}): cancel the run, or wait until it fails or asks",
            phase.as_str()
        )),
        phase @ (Phase::Completed | Phase::Failed | Phase::Cancelled | Phase::Skipped(_)) => {
            Err(format!("`{path}` is {} for good", phase.as_str()))
        }
    }
}

impl RunState {
    /// The task of a path, among the steps that the run has come to know.
    ///
    /// # Errors
    /// A sentence with the nearest path.
    pub fn find(&self, plan: &Plan, path: &str) -> Result<TaskRef, String> {
        let tasks = || {
            let steps = (0..).map(StepRef).take(self.steps.len());
            steps.flat_map(TaskRef::all_of).filter(|task| self.execution(*task).is_some())
        };
        if let Some(found) = tasks().find(|task| self.task_path(plan, *task) == path) {
            return Ok(found);
        }
        let known: Vec<_> = tasks().map(|task| self.task_path(plan, task)).collect();
        let nearest = nearest(path, known.iter().map(String::as_str));
        let meant = nearest.map_or_else(
            || "; `runs show` lists the steps that it has come to".to_owned(),
            |known| format!("; did you mean `{known}`?"),
        );
        Err(format!("it has no step `{path}`{meant}"))
    }

    pub(super) fn skipped_by(
        &mut self,
        plan: &Plan,
        event: &Event,
        task: TaskRef,
    ) -> Result<(), IllegalEvent> {
        let skipped = Phase::Skipped(SkipReason::Operator);
        match (task.role, self.execution(task).map(|it| &it.phase)) {
            (Role::Main, Some(Phase::Pending)) => self.decide(task.step, ByHand::Skip),
            (Role::Main, Some(Phase::Running)) if !self.is_waiting(task.step) => {
                return Err(self.illegal(event, task));
            }
            (Role::Main, Some(Phase::Running | Phase::Retrying(_) | Phase::Attention(_))) => {
                self.forget_unstarted(task.step);
                self.set_phase(task, skipped);
                self.settle(plan, task.step, true, None);
            }
            (Role::Cleanup | Role::Undo, Some(Phase::Retrying(_) | Phase::Attention(_))) => {
                self.set_phase(task, skipped);
                self.obligation_ended(task);
            }
            (Role::Main | Role::Cleanup | Role::Undo, _) => return Err(self.illegal(event, task)),
        }
        Ok(())
    }

    pub(super) fn marked_done(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
        output: &Arc<Value>,
    ) -> Result<(), IllegalEvent> {
        let task = TaskRef::main(step);
        if self.step(step).main.phase == Phase::Pending {
            self.decide(step, ByHand::Done(Arc::clone(output)));
            return Ok(());
        }
        let waits = self.is_waiting(step);
        self.expect_main(event, step, |phase| waits || matches!(phase, Phase::Retrying(_)))?;
        self.finish(plan, task, output, true);
        Ok(())
    }

    /// A `set` is over at once: it never leaves anything to be cleaned up.
    pub(super) fn is_set(&self, plan: &Plan, step: StepRef) -> bool {
        matches!(self.plan_of(plan, step).kind, KindPlan::Set(_))
    }

    /// Whether a step of this kind lets time pass now.
    fn is_waiting(&self, step: StepRef) -> bool {
        let state = self.step(step);
        state.main.phase == Phase::Running && matches!(state.inner, Inner::Wait(_))
    }

    /// Takes effect when the step's turn comes: what comes after it must not overtake what comes
    /// before it.
    fn decide(&mut self, step: StepRef, decided: ByHand) {
        let state = self.step_mut(step);
        state.main.decided = Some(decided);
        if state.unmet == 0 {
            self.todo.push_back(Todo::Ready(step));
        }
    }
}
