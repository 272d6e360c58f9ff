//! Repeats: a scope after the other, each opened by an event of its own. Past iterations keep
//! their numbers, but not what they gave: nothing can ask for it any more.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::{
    decide::{Pass, failed_for_good},
    event::{Event, ScopeRef, StepRef, TaskRef},
    halt::stopped,
    state::{IllegalEvent, Inner, Phase, RepeatState, RunState, TimerKind},
    view::View,
};
use crate::{
    graph::{KindPlan, MAX_ITERATIONS, Plan, REPEAT_DELAY, RepeatPlan},
    model::{StepError, Timestamp},
};

/// A fact about a repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatEvent {
    /// Its condition did not hold; the next iteration waits for its time.
    Paused {
        /// When the next iteration is due.
        until: Timestamp,
    },
    /// The next iteration is under way.
    Started {
        /// Its number; the first one, 1, is opened with the step.
        iteration: u32,
    },
    /// Its condition held after the last iteration.
    Met,
}

const fn repeated(step: StepRef, what: RepeatEvent) -> Event {
    Event::Repeat { step, what }
}

type Applied = Result<(), IllegalEvent>;

impl RunState {
    pub(super) fn open_repeat(
        &mut self,
        plan: &Plan,
        step: StepRef,
        repeat: &RepeatPlan,
        at: Timestamp,
    ) {
        let scope = self.next_scope();
        let state = RepeatState { scope, iteration: 1, pause: None, opened_at: at };
        self.step_mut(step).inner = Inner::Repeat(Box::new(state));
        self.activate(plan, step, at);
        self.open_scope(plan, repeat.body, Some(step), Some(1));
    }

    /// A repeat goes on, or is done.
    pub(super) fn repeated(
        &mut self,
        plan: &Plan,
        event: &Event,
        (step, what): (StepRef, &RepeatEvent),
        at: Timestamp,
    ) -> Applied {
        match what {
            RepeatEvent::Paused { until } => self.iteration_paused(event, step, *until),
            RepeatEvent::Started { iteration } => {
                self.iteration_started(plan, event, step, (*iteration, at))
            }
            RepeatEvent::Met => self.repeat_met(plan, event, step),
        }
    }

    /// The repeat, if it stands between two iterations.
    pub(super) fn between_iterations(&self, step: StepRef) -> Option<&RepeatState> {
        let state = self.step(step);
        match &state.inner {
            Inner::Repeat(repeat) if state.main.phase == Phase::Running => {
                Some(&**repeat).filter(|repeat| self.scope(repeat.scope).closed)
            }
            Inner::Repeat(_)
            | Inner::None
            | Inner::Child(_)
            | Inner::Scopes { .. }
            | Inner::Map(_)
            | Inner::Wait(_)
            | Inner::Signal
            | Inner::Approval(_) => None,
        }
    }

    pub(super) fn iteration_paused(
        &mut self,
        event: &Event,
        step: StepRef,
        until: Timestamp,
    ) -> Applied {
        let legal = self.between_iterations(step).is_some_and(|it| it.pause.is_none());
        if !legal {
            return Err(self.illegal(event, TaskRef::main(step)));
        }
        if let Inner::Repeat(repeat) = &mut self.step_mut(step).inner {
            repeat.pause = Some(until);
        }
        self.timers.insert((until, TaskRef::main(step), TimerKind::Iterate));
        Ok(())
    }

    pub(super) fn iteration_started(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
        (iteration, at): (u32, Timestamp),
    ) -> Applied {
        let past = self
            .between_iterations(step)
            .filter(|it| it.iteration.checked_add(1) == Some(iteration));
        let (KindPlan::Repeat(repeat), Some(past)) = (&self.plan_of(plan, step).kind, past) else {
            return Err(self.illegal(event, TaskRef::main(step)));
        };
        let past = past.scope;
        self.end_pause(step);
        if repeat.forgets {
            self.forget(plan, past);
        }
        let scope = self.next_scope();
        let state = RepeatState { scope, iteration, pause: None, opened_at: at };
        self.step_mut(step).inner = Inner::Repeat(Box::new(state));
        self.open_scope(plan, repeat.body, Some(step), Some(iteration));
        Ok(())
    }

    pub(super) fn repeat_met(&mut self, plan: &Plan, event: &Event, step: StepRef) -> Applied {
        if self.between_iterations(step).is_none() {
            return Err(self.illegal(event, TaskRef::main(step)));
        }
        self.end_pause(step);
        self.close_container(plan, step);
        Ok(())
    }

    /// The timer of a pause goes with it.
    pub(super) fn end_pause(&mut self, step: StepRef) {
        if let Inner::Repeat(repeat) = &mut self.step_mut(step).inner
            && let Some(until) = repeat.pause.take()
        {
            self.timers.remove(&(until, TaskRef::main(step), TimerKind::Iterate));
        }
    }

    /// Drops what the steps of a closed scope gave, and of those below it.
    fn forget(&mut self, plan: &Plan, scope: ScopeRef) {
        let state = self.scope_mut(scope);
        state.output = None;
        for step in self.steps_of(plan, scope) {
            let state = self.step_mut(step);
            state.main.output = None;
            state.main.saved = None;
            let scopes = match &mut state.inner {
                Inner::Scopes { scopes, .. } => scopes.clone(),
                Inner::Map(map) => {
                    map.items = Arc::default();
                    map.report = OnceLock::new();
                    map.scopes.clone()
                }
                Inner::Repeat(repeat) => vec![repeat.scope],
                Inner::None
                | Inner::Child(_)
                | Inner::Wait(_)
                | Inner::Signal
                | Inner::Approval(_) => Vec::new(),
            };
            for scope in scopes {
                self.forget(plan, scope);
            }
        }
    }
}

impl Pass<'_, '_> {
    /// An iteration has ended well: was it the last?
    pub(super) fn iterate(&mut self, step: StepRef, plan: &RepeatPlan) -> Applied {
        let Some(repeat) = self.state.between_iterations(step) else { return Ok(()) };
        if repeat.pause.is_some() {
            return Ok(());
        }
        let (scope, iteration, opened_at) = (repeat.scope, repeat.iteration, repeat.opened_at);
        let task = TaskRef::main(step);
        match plan.until.eval(&View { plan: self.plan, state: self.state, scope }) {
            Ok(true) => return self.emit(repeated(step, RepeatEvent::Met)),
            Ok(false) if self.state.is_stopped(task) => {
                return self.emit(failed_for_good(task, stopped()));
            }
            Ok(false) => {}
            Err(error) => return self.emit(failed_for_good(task, error.into())),
        }
        match self.pause_before(task, plan, iteration) {
            // An iteration that takes no time must not keep the turn from ending.
            Ok(due) if due > self.env.now || opened_at >= self.env.now => {
                self.emit(repeated(step, RepeatEvent::Paused { until: due }))
            }
            Ok(_) => self.emit(repeated(step, RepeatEvent::Started { iteration: iteration + 1 })),
            Err(error) => self.emit(failed_for_good(task, error)),
        }
    }

    /// When the next iteration is due, if there is one.
    fn pause_before(
        &self,
        task: TaskRef,
        plan: &RepeatPlan,
        iteration: u32,
    ) -> Result<Timestamp, StepError> {
        let view = self.view(task);
        let most = plan.max_iterations.as_ref().map(|it| MAX_ITERATIONS.eval(it, &view));
        let most = most.transpose()?.unwrap_or(u32::MAX);
        if iteration >= most {
            let message = format!("what it waits for was not so after {iteration} iterations");
            return Err(StepError::permanent("engine.repeat_exhausted", message).hint(
                "see what its steps gave in the last iteration; raise `max_iterations` or \
                 `delay` if it only needs longer",
            ));
        }
        let delay = plan.delay.as_ref().map(|delay| REPEAT_DELAY.eval(delay, &view)).transpose()?;
        Ok(self.env.now.after(delay.map_or(std::time::Duration::ZERO, |delay| delay.0)))
    }

    pub(super) fn pause_over(&mut self, step: StepRef) -> Applied {
        let Some(repeat) = self.state.between_iterations(step) else { return Ok(()) };
        let iteration = repeat.iteration + 1;
        self.emit(repeated(step, RepeatEvent::Started { iteration }))
    }
}
