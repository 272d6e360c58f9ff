//! What follows from a state: the worklist that [`RunState::apply`] filled is worked off, each
//! entry into events (applied at once) and commands (carried out after the commit).

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    control::Control,
    event::{Event, Role, StepRef, TaskRef},
    halt::stopped,
    lock::LockHolding,
    state::{IllegalEvent, Inner, Phase, RunState, TimerKind, Todo},
    view::View,
};
use crate::{
    calendar::Windows,
    graph::{ATTEMPT_TIMEOUT, CleanupPlan, KindPlan, Plan, TaskPlan},
    model::{RunId, RunStatus, StepError, Timestamp, Version},
    step::{Effect, Holding},
};

/// What comes from outside into a turn.
pub struct Env<'a> {
    /// The time of the turn, by the database's clock.
    pub now: Timestamp,
    /// A source of randomness, for ids and jitter.
    pub random: &'a mut dyn FnMut() -> u64,
    /// The maintenance windows, as the node knows them.
    pub windows: &'a Windows,
}

/// What may be done once the events of a turn are committed.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Make an attempt.
    Run(Call),
    /// Look at the target.
    Observe(Call),
    /// Take away what an attempt left on the target, the last holding first.
    Revoke(Call, Vec<Holding>),
    /// Tell an attempt to stop.
    Stop {
        /// Which.
        task: TaskRef,
    },
    /// Create a child run, unless it exists: the id was recorded before.
    StartChild {
        /// The step that waits for it.
        step: StepRef,
        /// The child's id.
        run: RunId,
        /// Its workflow.
        workflow: String,
        /// Its version.
        version: Version,
        /// Its input.
        input: Value,
        /// What is held around it.
        held: Vec<LockHolding>,
        /// It was asked for before: it may be there already.
        again: bool,
    },
    /// Look whether a child run is there that was recorded and must not begin any more. If it is
    /// not, it ended as cancelled before it began.
    LookForChild {
        /// The step that waits for it.
        step: StepRef,
        /// The child's id.
        run: RunId,
    },
    /// Take back attempts that wait for their turn on this node and have not begun.
    Recall,
    /// Ask a child run to stop; goes into the same commit.
    StopChild {
        /// The child.
        run: RunId,
    },
    /// Pass an order on to a child run; goes into the same commit.
    TellChild {
        /// The child.
        run: RunId,
        /// The order.
        control: Control,
    },
    /// The run has ended; its parent, if any, is told in the same commit.
    Ended {
        /// How.
        status: RunStatus,
    },
}

/// A call of an executor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The step, or what it left to do.
    pub task: TaskRef,
    /// The attempt's number.
    pub attempt: u32,
    /// The step's path.
    pub path: String,
    /// The executor.
    pub uses: String,
    /// Its input.
    pub input: Value,
    /// What earlier attempts saved.
    pub saved: Option<Arc<Value>>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// How long it may give no sign.
    pub heartbeat: Option<Duration>,
    /// The pool whose workers make it; none: the node that has the run.
    pub pool: Option<String>,
}

/// The outcome of a turn.
#[derive(Debug, Default)]
pub struct Turn {
    /// What happened, in order; applied already.
    pub events: Vec<Event>,
    /// What may be done once that is committed.
    pub commands: Vec<Command>,
}

/// One pass over the worklist.
pub(super) struct Pass<'a, 'e> {
    pub(super) plan: &'a Plan,
    pub(super) state: &'a mut RunState,
    pub(super) env: &'a mut Env<'e>,
    pub(super) turn: &'a mut Turn,
}

type Passed = Result<(), IllegalEvent>;

/// Works off what is due and what the last events made possible. Adds to `turn`.
///
/// # Errors
/// [`IllegalEvent`] would be a defect of the machine: it never decides what it can't apply.
pub fn advance(
    plan: &Plan,
    state: &mut RunState,
    env: &mut Env<'_>,
    turn: &mut Turn,
) -> Result<(), IllegalEvent> {
    let mut pass = Pass { plan, state, env, turn };
    pass.due_timers()?;
    while let Some(todo) = pass.state.todo.pop_front() {
        if pass.state.is_held() && pass.state.would_start(&todo) {
            pass.state.held.push_back(todo);
            continue;
        }
        match todo {
            Todo::Ready(step) => pass.ready(step)?,
            Todo::Items(step) => pass.items(step)?,
            Todo::Drained(scope) => pass.drained(scope)?,
            Todo::Recover(task) => pass.recover(task)?,
            Todo::Restart(task) => pass.restart(task)?,
            Todo::StopAttempt(task) => pass.stop_attempt(task),
            Todo::StopChild(step) => pass.stop_child(step),
            Todo::EnsureChild(step) => pass.ensure_child(step),
            Todo::Deliver(step) => pass.deliver(step)?,
        }
    }
    Ok(())
}

impl Pass<'_, '_> {
    /// Applies an event and adds it to the turn.
    pub(super) fn emit(&mut self, event: Event) -> Passed {
        self.state.apply(self.plan, &event, self.env.now)?;
        self.turn.events.push(event);
        Ok(())
    }

    pub(super) fn view(&self, task: TaskRef) -> View<'_> {
        View::of(self.plan, self.state, task)
    }

    fn due_timers(&mut self) -> Passed {
        if self.state.is_held() {
            return Ok(());
        }
        if self.state.run_deadline().is_some_and(|at| at <= self.env.now) {
            self.emit(Event::RunTimedOut)?;
        }
        while let Some((at, task, kind)) = self.state.timers.first().copied() {
            if at > self.env.now {
                break;
            }
            let phase = self.state.execution(task).map(|it| &it.phase);
            match (kind, phase) {
                (TimerKind::Retry, Some(Phase::Retrying(_))) => self.retry(task)?,
                (TimerKind::Observe, Some(Phase::ObserveRetrying(_))) => self.observe(task)?,
                (TimerKind::Revoke, Some(Phase::RevokeRetrying(_))) => self.revoke(task)?,
                (TimerKind::Soak, Some(Phase::Running)) => self.soaked(task.step)?,
                (TimerKind::Total, Some(phase)) if !phase.is_final() => {
                    self.emit(Event::TimedOut { step: task.step })?;
                }
                (TimerKind::Queue, _) => self.waited_too_long(Some(task.step))?,
                (TimerKind::RunQueue, _) => self.waited_too_long(None)?,
                (TimerKind::Window | TimerKind::RunWindow, _) => self.window_due(kind, task.step),
                (TimerKind::Wait, Some(Phase::Running)) => self.wait_over(task.step)?,
                (TimerKind::Iterate, Some(Phase::Running)) => self.pause_over(task.step)?,
                (
                    TimerKind::Retry
                    | TimerKind::Observe
                    | TimerKind::Revoke
                    | TimerKind::Soak
                    | TimerKind::Total
                    | TimerKind::Wait
                    | TimerKind::Iterate,
                    _,
                ) => {}
            }
            // The event took the timer away, unless the timer meant nothing any more.
            self.state.timers.remove(&(at, task, kind));
        }
        Ok(())
    }

    fn retry(&mut self, task: TaskRef) -> Passed {
        let attempt = self.state.execution(task).map_or(1, |it| it.attempt + 1);
        self.start_attempt(task, attempt)
    }

    /// An attempt was under way when its node went away, or ended with unknown outcome, or left
    /// something on its target.
    fn recover(&mut self, task: TaskRef) -> Passed {
        let Some(execution) = self.state.execution(task) else { return Ok(()) };
        if execution.phase != Phase::Interrupted {
            return Ok(());
        }
        if !execution.holdings.is_empty() {
            return self.revoke(task);
        }
        let attempt = execution.attempt;
        let effect = task_plan(self.plan, self.state, task).map(|plan| plan.effect);
        match effect {
            Some(Effect::Verify) => self.observe(task),
            Some(Effect::Read | Effect::Idempotent) if self.state.is_stopped(task) => {
                self.emit(failed_for_good(task, stopped()))
            }
            Some(Effect::Read | Effect::Idempotent) => self.start_attempt(task, attempt),
            None => Ok(()),
        }
    }

    fn observe(&mut self, task: TaskRef) -> Passed {
        self.emit(Event::ObserveStarted { task })?;
        match self.call(task) {
            Ok(Some(call)) => self.turn.commands.push(Command::Observe(call)),
            Ok(None) => {}
            Err(error) => {
                let error = Arc::new(error);
                self.emit(Event::ObserveFailed { task, error, retry_at: None })?;
            }
        }
        Ok(())
    }

    /// The observation or a person cleared a task.
    fn restart(&mut self, task: TaskRef) -> Passed {
        let Some(execution) = self.state.execution(task) else { return Ok(()) };
        if execution.phase != Phase::Cleared {
            return Ok(());
        }
        let (attempt, under_way) = (execution.resume_as, execution.under_way);
        if self.state.is_stopped(task) && !under_way {
            return self.emit(failed_for_good(task, stopped()));
        }
        // One that never had its locks: a step of `finally` that a person lets try again.
        if task.is_main() && !self.holds_locks(task.step)? {
            return Ok(());
        }
        self.start_attempt(task, attempt)
    }

    /// Records that an attempt starts and asks for it, or records why it can't.
    pub(super) fn start_attempt(&mut self, task: TaskRef, attempt: u32) -> Passed {
        let called = self.usable_retry(task).and_then(|()| self.call(task));
        match called {
            Ok(Some(mut call)) => {
                call.attempt = attempt;
                self.emit(Event::Started { task, attempt })?;
                self.turn.commands.push(Command::Run(call));
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => self.emit(failed_for_good(task, error)),
        }
    }

    /// Templates of a retry that give nothing usable are told before the target is touched, not
    /// when the first attempt has failed.
    fn usable_retry(&self, task: TaskRef) -> Result<(), StepError> {
        let retry = task_plan(self.plan, self.state, task).and_then(|plan| plan.retry.as_ref());
        retry.map_or(Ok(()), |retry| retry.eval(&self.view(task)).map(drop))
    }

    /// The call of a task, with its input and its time-out evaluated.
    pub(super) fn call(&self, task: TaskRef) -> Result<Option<Call>, StepError> {
        let Some(plan) = task_plan(self.plan, self.state, task) else { return Ok(None) };
        let input = match plan.with.constant() {
            Some(constant) => constant.clone(),
            None => plan.with.eval(&self.view(task))?,
        };
        let timeout = plan.attempt_timeout.as_ref();
        let timeout = timeout.map(|it| ATTEMPT_TIMEOUT.eval(it, &self.view(task))).transpose()?;
        let execution = self.state.execution(task);
        Ok(Some(Call {
            task,
            attempt: execution.map_or(1, |it| it.attempt.max(1)),
            path: self.state.task_path(self.plan, task),
            uses: plan.uses.clone(),
            input,
            saved: execution.and_then(|it| it.saved.clone()),
            timeout: timeout.map(|timeout| timeout.0),
            heartbeat: plan.heartbeat,
            pool: plan.pool.clone(),
        }))
    }

    fn stop_attempt(&mut self, task: TaskRef) {
        if self.state.execution(task).is_some_and(|it| it.phase == Phase::Running) {
            self.turn.commands.push(Command::Stop { task });
        }
    }

    fn stop_child(&mut self, step: StepRef) {
        if self.state.waits_for_release() {
            // Told of that when it was recorded: a stop in an emergency is more than a cancel.
            return;
        }
        let state = self.state.step(step);
        if let (Phase::Running, Inner::Child(run)) = (&state.main.phase, &state.inner) {
            self.turn.commands.push(Command::StopChild { run: *run });
        }
    }
}

/// The call that a task reference stands for, if its step is of a kind that calls.
pub(super) fn task_plan<'p>(
    plan: &'p Plan,
    state: &RunState,
    task: TaskRef,
) -> Option<&'p TaskPlan> {
    let step = state.plan_of(plan, task.step);
    match task.role {
        Role::Main => {}
        Role::Cleanup => return step.cleanup.as_ref().map(|CleanupPlan { task, .. }| task),
        Role::Undo => return step.undo.as_ref(),
    }
    match &step.kind {
        KindPlan::Task(task) => Some(task),
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

pub(super) fn failed_for_good(task: TaskRef, error: StepError) -> Event {
    Event::Failed { task, error: Arc::new(error), retry_at: None, observe: false }
}

impl RunState {
    /// Drops entries from the front of the worklist that later events have dealt with, so that a
    /// long fold does not keep them all.
    pub(super) fn forget_stale(&mut self, plan: &Plan) {
        while let Some(todo) = self.todo.front() {
            let stale = match *todo {
                Todo::Ready(step) => {
                    self.step(step).main.phase != Phase::Pending
                        || self.is_before_window(step)
                        || self.is_before_locks(step)
                }
                Todo::Items(step) => match &self.step(step).inner {
                    Inner::Repeat(_) => {
                        self.between_iterations(step).is_none_or(|it| it.pause.is_some())
                    }
                    Inner::None
                    | Inner::Child(_)
                    | Inner::Scopes { .. }
                    | Inner::Map(_)
                    | Inner::Wait(_)
                    | Inner::Signal
                    | Inner::Approval(_) => self.step(step).main.phase.is_final(),
                },
                Todo::Drained(scope) => self.scope(scope).closed,
                Todo::Deliver(step) => !self.can_take(plan, step),
                Todo::Recover(task) => self.is_past(task, &Phase::Interrupted),
                Todo::Restart(task) => self.is_past(task, &Phase::Cleared),
                Todo::StopAttempt(task) => self.is_past(task, &Phase::Running),
                Todo::StopChild(step) | Todo::EnsureChild(step) => {
                    self.step(step).main.phase.is_final()
                }
            };
            if !stale {
                break;
            }
            self.todo.pop_front();
        }
    }

    fn is_past(&self, task: TaskRef, phase: &Phase) -> bool {
        self.execution(task).is_none_or(|it| it.phase != *phase)
    }
}
