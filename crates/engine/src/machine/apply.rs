//! The transitions: one event, one change. Every legal one is here or in the files that this match
//! leads to; all others are [`IllegalEvent`].

use std::sync::Arc;

use super::{
    event::{Event, Opening, Role, RunError, SkipReason, StepRef, TaskRef},
    state::{Execution, IllegalEvent, Inner, Phase, RunState, TimerKind, Todo},
};
use crate::{
    graph::Plan,
    model::{NodeId, OnError, RunId, RunStatus, StepError, Timestamp},
};

type Applied = Result<(), IllegalEvent>;

impl RunState {
    /// An event is about a run that has not ended and a step that exists.
    fn expect_subject(&self, event: &Event) -> Applied {
        if self.status.is_ended() {
            return Err(self.illegal_for_run(event, self.status.as_str()));
        }
        if let Some(step) = event.step()
            && step.0 as usize >= self.steps.len()
        {
            return Err(self.illegal_for_run(event, "without such a step"));
        }
        Ok(())
    }

    /// Applies one event of the row committed at `at`.
    ///
    /// # Errors
    /// [`IllegalEvent`]; the state is then unusable.
    pub fn apply(&mut self, plan: &Plan, event: &Event, at: Timestamp) -> Applied {
        self.expect_subject(event)?;
        match event {
            Event::Created(_) => Err(self.illegal_for_run(event, "created already")),
            Event::Claimed { node, epoch } => self.claimed(plan, event, (*node, *epoch), at),
            Event::Started { task, attempt } => self.started(plan, event, *task, *attempt, at),
            Event::Completed { task, output } => self.completed(plan, event, *task, output),
            Event::Failed { task, error, retry_at, observe } => {
                self.failed(plan, event, *task, (error, *retry_at, *observe), at)
            }
            Event::Interrupted { task } => self.interrupted(event, *task),
            Event::ObserveStarted { task } => self.observe_started(event, *task),
            Event::Observed { task, seen } => self.observed(plan, event, *task, seen),
            Event::ObserveFailed { task, error, retry_at } => {
                self.observe_failed(event, *task, error, *retry_at)
            }
            Event::Resolved { task, verdict, by, .. } => {
                self.resolved(plan, event, *task, verdict, by)
            }
            Event::Saved { task, progress } => self.saved(event, *task, progress),
            Event::Held { task, holding } => self.held(event, *task, holding),
            Event::Released { task, holding } => self.released(event, *task, holding),
            Event::RevokeStarted { task } => self.revoke_started(event, *task),
            Event::Revoked { task } => self.revoked(plan, event, *task),
            Event::RevokeFailed { task, error, retry_at } => {
                self.revoke_failed(event, *task, error, *retry_at)
            }
            Event::Reported { task, .. } => {
                self.execution(*task).map(|_| ()).ok_or_else(|| self.illegal(event, *task))
            }
            Event::Skipped { step, reason } => self.skipped(plan, event, *step, *reason),
            Event::Opened { step, opening } => self.opened(plan, event, *step, opening, at),
            Event::ItemsStarted { step, upto } => self.items_started(plan, event, *step, *upto),
            Event::WaveSoaking { step, wave, until } => {
                self.wave_soaking(event, *step, *wave, *until)
            }
            Event::GateOpened { step, wave } => self.gate_opened(plan, event, *step, *wave),
            Event::WavePassed { step, wave } => self.wave_passed(plan, event, *step, *wave),
            Event::RolloutUndone { step } => self.rollout_undone(plan, event, *step),
            Event::WaitStarted { step, until } => self.waiting(plan, event, *step, (*until, at)),
            Event::Signal { step, what } => self.signalled(plan, event, (*step, what), at),
            Event::Approval { step, what } => self.approval(plan, event, (*step, what), at),
            Event::Repeat { step, what } => self.repeated(plan, event, (*step, what), at),
            Event::ScopeFailed { scope, error } => self.scope_failed(plan, event, *scope, error),
            Event::Closed { scope, output } => self.closed(plan, event, *scope, output.as_ref()),
            Event::ChildStarted { step, run } => self.child_started(plan, event, (*step, *run), at),
            Event::ChildEnded { step, status, output, errors } => {
                self.child_ended(plan, event, *step, (*status, output, errors))
            }
            Event::TimedOut { step } => self.timed_out(plan, event, *step),
            Event::Window { step, what } => self.window_event(event, *step, what),
            Event::LocksWanted { .. } | Event::LocksGranted { .. } | Event::LocksRefused { .. } => {
                self.locks_event(plan, event, at)
            }
            Event::RunTimedOut => self.run_timed_out(plan, event),
            Event::Finishing { status, output } => {
                self.finishing(plan, event, *status, output.as_ref())
            }
            Event::CancelRequested(_)
            | Event::Paused(_)
            | Event::Resumed(_)
            | Event::EmergencyStopped(_)
            | Event::EmergencyReleased(_)
            | Event::SkippedBy { .. }
            | Event::MarkedDone { .. } => self.ordered(plan, event, at),
            Event::Reused { step } => self.reused(plan, event, *step),
            Event::QuarantineReleased { .. } | Event::ControlRefused { .. } => Ok(()),
            // Whoever has both plans calls `apply_move`.
            Event::Migrated { .. } => Err(self.illegal_for_run(event, "without its new plan")),
            Event::Ended { status, output } => self.ended(plan, event, *status, output.as_ref()),
        }
    }

    fn child_started(
        &mut self,
        plan: &Plan,
        event: &Event,
        (step, run): (StepRef, RunId),
        at: Timestamp,
    ) -> Applied {
        self.expect_main(event, step, |phase| *phase == Phase::Pending)?;
        self.step_mut(step).inner = Inner::Child(run);
        self.children += 1;
        self.activate(plan, step, at);
        Ok(())
    }

    fn claimed(
        &mut self,
        plan: &Plan,
        event: &Event,
        (node, epoch): (NodeId, u64),
        at: Timestamp,
    ) -> Applied {
        // The same owner may take a run up again that it lost from memory.
        if epoch < self.epoch || (epoch == self.epoch && self.node != Some(node)) {
            return Err(self.illegal_for_run(event, "owned at a later epoch"));
        }
        if self.node.is_none() {
            // The time of a run begins when it does.
            self.deadline = plan.timeout.map(|timeout| at.after(timeout));
        }
        self.epoch = epoch;
        self.node = Some(node);
        self.look_at_windows();
        for number in 0..self.steps.len() {
            // Step numbers are made from u32 counts, so they fit.
            let step = StepRef(u32::try_from(number).unwrap_or(u32::MAX));
            for task in TaskRef::all_of(step) {
                let flies =
                    self.execution(task).is_some_and(|it| self.is_in_flight(task, &it.phase));
                // What a worker of a pool does goes on, whoever owns the run.
                if flies && !self.is_pooled(plan, task) {
                    self.set_phase(task, Phase::Interrupted);
                    self.todo.push_back(Todo::Recover(task));
                }
            }
            // The former owner may have gone away between recording a child and creating it.
            let state = self.step(step);
            if state.main.phase == Phase::Running && matches!(state.inner, Inner::Child(_)) {
                self.todo.push_back(Todo::EnsureChild(step));
            }
        }
        Ok(())
    }

    fn skipped(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
        reason: SkipReason,
    ) -> Applied {
        self.expect_main(event, step, |phase| *phase == Phase::Pending)?;
        self.set_phase(TaskRef::main(step), Phase::Skipped(reason));
        self.settle(plan, step, false, None);
        Ok(())
    }

    fn child_ended(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
        (status, output, errors): (RunStatus, &Arc<serde_json::Value>, &[RunError]),
    ) -> Applied {
        self.expect_main(event, step, |phase| *phase == Phase::Running)?;
        self.children -= 1;
        let path = self.path(plan, step);
        let timed_out = self.step(step).main.timed_out;
        let below = errors
            .iter()
            .map(|error| RunError { path: format!("{path}/{}", error.path), ..error.clone() });
        self.errors.extend(below);
        let phase = match status {
            RunStatus::Completed => Phase::Completed,
            RunStatus::Cancelled if !timed_out => Phase::Cancelled,
            RunStatus::Cancelled
            | RunStatus::Failed
            | RunStatus::Pending
            | RunStatus::Running
            | RunStatus::Waiting
            | RunStatus::Paused
            | RunStatus::Attention => Phase::Failed,
        };
        let main = &mut self.step_mut(step).main;
        main.output = Some(Arc::clone(output));
        if phase == Phase::Failed {
            let error = match errors.last() {
                Some(error) => error.error.clone(),
                None => StepError::permanent("engine.child_failed", "the child run failed"),
            };
            main.error = Some(Arc::new(error));
        }
        self.set_phase(TaskRef::main(step), phase);
        if timed_out {
            self.fail_for_time(plan, step);
        }
        self.settle(plan, step, true, None);
        Ok(())
    }

    /// A step becomes final: tells those that need it and its scope.
    pub(super) fn settle(
        &mut self,
        plan: &Plan,
        step: StepRef,
        was_active: bool,
        jump: Option<crate::graph::Jump>,
    ) {
        let step_plan = self.plan_of(plan, step);
        if let Some(deadline) = self.step_mut(step).main.deadline.take() {
            self.timers.remove(&(deadline, TaskRef::main(step), TimerKind::Total));
        }
        self.end_wait(plan, step);
        self.give_up_settled(plan, step, was_active);
        let completed = self.step(step).main.phase == Phase::Completed;
        if completed && step_plan.undo.is_some() && !self.was_undone(plan, step) {
            self.owe(TaskRef::undo(step));
        }
        let state = self.step(step);
        let (scope, place) = (state.scope, state.place);
        let met = match state.main.phase {
            Phase::Completed | Phase::Skipped(_) => true,
            Phase::Failed => step_plan.on_error == OnError::Continue,
            Phase::Cancelled
            | Phase::Pending
            | Phase::Running
            | Phase::Interrupted
            | Phase::Revoking
            | Phase::RevokeRetrying(_)
            | Phase::Observing
            | Phase::ObserveRetrying(_)
            | Phase::Retrying(_)
            | Phase::Cleared
            | Phase::Attention(_) => false,
        };
        let failed = !met && state.main.phase == Phase::Failed;
        let cancelled = state.main.phase == Phase::Cancelled;
        let error = state.main.error.clone();
        // What is done however a run ends is done whatever becomes of the rest of it.
        let carries_on = self.ending.is_some_and(|ending| ending.scope == scope);
        let scope_state = self.scope_mut(scope);
        scope_state.unsettled -= 1;
        scope_state.active -= u32::from(was_active);
        scope_state.cancelled |= cancelled;
        scope_state.halted |= (failed || cancelled) && !carries_on;
        if failed {
            scope_state.failed = true;
            scope_state.error = scope_state.error.take().or(error);
        }
        if failed || cancelled {
            self.forget_gates_of(scope);
        }
        if self.scope(scope).halted {
            self.stop_waiting(scope);
        }
        if let Some(jump) = jump.or(step_plan.next).filter(|_| completed) {
            self.jump(plan, scope, place, jump);
        }
        if met || (carries_on && (failed || cancelled)) {
            self.release(plan, scope, &step_plan.needed_by);
        }
        self.check_drained(scope);
    }

    /// Skips what lies between a step and where its list continues.
    fn jump(&mut self, plan: &Plan, scope: super::ScopeRef, place: u32, jump: crate::graph::Jump) {
        let len = plan.scope(self.scope(scope).plan).len;
        let to = match jump {
            crate::graph::Jump::To(to) => to,
            crate::graph::Jump::End => len,
        };
        let between: Vec<_> = (place + 1..to.min(len))
            .map(|place| self.step_at(scope, place))
            .filter(|step| self.step(*step).main.phase == Phase::Pending)
            .collect();
        for step in &between {
            self.set_phase(TaskRef::main(*step), Phase::Skipped(SkipReason::Jump));
        }
        for step in between {
            self.settle(plan, step, false, None);
        }
    }

    fn release(&mut self, plan: &Plan, scope: super::ScopeRef, needed_by: &[u32]) {
        debug_assert!(needed_by.iter().all(|p| *p < plan.scope(self.scope(scope).plan).len));
        for place in needed_by {
            let step = self.step_at(scope, *place);
            let state = self.step_mut(step);
            state.unmet = state.unmet.saturating_sub(1);
            if state.unmet == 0 && state.main.phase == Phase::Pending {
                self.todo.push_back(Todo::Ready(step));
            }
        }
    }

    /// A step leaves `Pending`: it counts as active, its clock runs, its cleanup is owed.
    pub(super) fn activate(&mut self, plan: &Plan, step: StepRef, at: Timestamp) {
        let step_plan = self.plan_of(plan, step);
        let scope = self.step(step).scope;
        self.scope_mut(scope).active += 1;
        self.owe_cleanup(plan, step);
        if let Some(total) = step_plan.total_timeout {
            let deadline = at.after(total);
            self.step_mut(step).main.deadline = Some(deadline);
            self.timers.insert((deadline, TaskRef::main(step), TimerKind::Total));
        }
        self.set_phase(TaskRef::main(step), Phase::Running);
    }

    /// A step that starts, or is said to be done, leaves its cleanup to its scope.
    pub(super) fn owe_cleanup(&mut self, plan: &Plan, step: StepRef) {
        if self.plan_of(plan, step).cleanup.is_some() {
            self.owe(TaskRef::cleanup(step));
        }
    }

    /// Whether an execution in this phase is an attempt or observation that a node performs.
    pub(crate) fn is_in_flight(&self, task: TaskRef, phase: &Phase) -> bool {
        match phase {
            Phase::Observing | Phase::Revoking => true,
            Phase::Running => !task.is_main() || matches!(self.step(task.step).inner, Inner::None),
            Phase::Pending
            | Phase::Interrupted
            | Phase::RevokeRetrying(_)
            | Phase::ObserveRetrying(_)
            | Phase::Retrying(_)
            | Phase::Cleared
            | Phase::Attention(_)
            | Phase::Completed
            | Phase::Failed
            | Phase::Cancelled
            | Phase::Skipped(_) => false,
        }
    }

    /// Changes a phase and keeps the counters.
    pub(super) fn set_phase(&mut self, task: TaskRef, phase: Phase) {
        let flies = self.is_in_flight(task, &phase);
        let waits = matches!(phase, Phase::Attention(_));
        let Some(execution) = self.execution_mut(task) else { return };
        let before = std::mem::replace(&mut execution.phase, phase);
        self.in_flight -= u32::from(self.is_in_flight(task, &before));
        self.in_flight += u32::from(flies);
        self.attention -= u32::from(matches!(before, Phase::Attention(_)));
        self.attention += u32::from(waits);
        if before == Phase::Pending && task.role == Role::Main {
            self.forget_gate(Some(task.step));
        }
        let timer = match before {
            Phase::Retrying(at) => (at, task, TimerKind::Retry),
            Phase::ObserveRetrying(at) => (at, task, TimerKind::Observe),
            Phase::RevokeRetrying(at) => (at, task, TimerKind::Revoke),
            Phase::Pending
            | Phase::Running
            | Phase::Interrupted
            | Phase::Revoking
            | Phase::Observing
            | Phase::Cleared
            | Phase::Attention(_)
            | Phase::Completed
            | Phase::Failed
            | Phase::Cancelled
            | Phase::Skipped(_) => return,
        };
        self.timers.remove(&timer);
    }

    pub(super) fn execution_mut(&mut self, task: TaskRef) -> Option<&mut Execution> {
        let step = self.steps.get_mut(task.step.0 as usize)?;
        match task.role {
            Role::Main => Some(&mut step.main),
            Role::Cleanup => step.owed.as_deref_mut()?.cleanup.as_mut(),
            Role::Undo => step.owed.as_deref_mut()?.undo.as_mut(),
        }
    }

    pub(super) fn record(&mut self, plan: &Plan, task: TaskRef, error: &StepError) {
        let path = self.task_path(plan, task);
        let attempt = self.execution(task).map_or(0, |it| it.attempt);
        self.errors.push(RunError { path, attempt, error: error.clone() });
    }

    pub(super) fn expect_main(
        &self,
        event: &Event,
        step: StepRef,
        legal: impl Fn(&Phase) -> bool,
    ) -> Applied {
        if legal(&self.step(step).main.phase) {
            Ok(())
        } else {
            Err(self.illegal(event, TaskRef::main(step)))
        }
    }

    pub(super) fn illegal(&self, event: &Event, task: TaskRef) -> IllegalEvent {
        let what = match task.role {
            Role::Main => "step",
            Role::Cleanup => "the cleanup of step",
            Role::Undo => "the undo of step",
        };
        IllegalEvent {
            event: event.name(),
            subject: format!("{what} {}", task.step.0),
            state: self.execution(task).map_or("not there", |it| it.phase.as_str()),
        }
    }

    pub(super) fn illegal_for_run(&self, event: &Event, state: &'static str) -> IllegalEvent {
        IllegalEvent { event: event.name(), subject: format!("run {}", self.created.run), state }
    }

    pub(super) fn opened(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
        opening: &Opening,
        at: Timestamp,
    ) -> Applied {
        self.expect_main(event, step, |phase| *phase == Phase::Pending)?;
        self.open(plan, event, step, opening, at)
    }
}
