//! Waiting for a maintenance window: a step before it starts, a run before its first step.
//!
//! Whether a window is open is asked when a step could start, when its alarm rings, and when the
//! windows have changed; the answer goes into the journal. Cleanups and other obligations, and
//! what `finally` does, never wait for a window.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    decide::{Pass, failed_for_good},
    event::{Event, ScopeRef, StepRef, TaskRef},
    state::{IllegalEvent, Phase, RunState, TimerKind, Todo},
};
use crate::{
    graph::{Plan, WindowPlan},
    model::{HumanDuration, Moment, StepError, Timestamp},
};

/// How often a window is looked at that is switched off.
const LOOK: Duration = Duration::from_hours(1);

/// What became of waiting for a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowEvent {
    /// It is not open, or not for long enough.
    Awaited(WindowWait),
    /// It is open for long enough.
    Entered {
        /// Its name.
        window: String,
        /// When it closes.
        closes: Timestamp,
    },
    /// A person said not to wait.
    Overridden {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowWait {
    /// The window's name.
    pub window: String,
    /// How long it has to stay open.
    pub needs: HumanDuration,
    /// When it opens for long enough; none: it is switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<Timestamp>,
    /// When it is looked at again.
    pub look_at: Timestamp,
}

/// Something from outside about windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowInput {
    /// Some windows have changed: whoever waits looks again.
    Changed,
    /// A person says not to wait.
    Override {
        /// The step's path; none: the run's own window.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// A step or a run before its window.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Gate {
    Waits(WindowWait),
    /// It may start while this opening lasts; what else it waits for may take longer.
    Entered {
        window: String,
        closes: Timestamp,
    },
    Overridden,
}

/// Who waits for a window, or was let in and has not started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    run: Option<Gate>,
    steps: BTreeMap<StepRef, Gate>,
}

impl Gates {
    /// Whether nothing holds up a step (or, without one, the run) any more: it was let in, or a
    /// person said so.
    pub fn is_let_in(&self, step: Option<StepRef>) -> bool {
        matches!(self.get(step), Some(Gate::Entered { .. } | Gate::Overridden))
    }

    fn get(&self, step: Option<StepRef>) -> Option<&Gate> {
        match step {
            Some(step) => self.steps.get(&step),
            None => self.run.as_ref(),
        }
    }

    fn take(&mut self, step: Option<StepRef>) -> Option<Gate> {
        match step {
            Some(step) => self.steps.remove(&step),
            None => self.run.take(),
        }
    }

    fn put(&mut self, step: Option<StepRef>, gate: Gate) {
        match step {
            Some(step) => drop(self.steps.insert(step, gate)),
            None => self.run = Some(gate),
        }
    }

    /// Whether anybody waits.
    fn is_any_waiting(&self) -> bool {
        let all = self.run.iter().chain(self.steps.values());
        all.into_iter().any(|gate| matches!(gate, Gate::Waits(_)))
    }
}

fn timer(step: Option<StepRef>, at: Timestamp) -> (Timestamp, TaskRef, TimerKind) {
    match step {
        Some(step) => (at, TaskRef::main(step), TimerKind::Window),
        // The workflow's own steps are the first.
        None => (at, TaskRef::main(StepRef(0)), TimerKind::RunWindow),
    }
}

impl RunState {
    /// What the run waits for before its first step.
    pub fn run_window(&self) -> Option<&WindowWait> {
        self.waits(None)
    }

    /// What a step waits for before it starts.
    pub fn step_window(&self, step: StepRef) -> Option<&WindowWait> {
        self.waits(Some(step))
    }

    /// What a step says that waited for its window: which one let it in, and until when it is open;
    /// nothing, if a person did.
    pub(super) fn entered(&self, step: StepRef) -> Value {
        match self.gates.get(Some(step)) {
            Some(Gate::Entered { window, closes }) => {
                json!({ "window": window, "closes": Moment(*closes) })
            }
            Some(Gate::Waits(_) | Gate::Overridden) | None => Value::Null,
        }
    }

    /// Who waits for a window, or was let in and has not started.
    pub fn before_windows(&self) -> &Gates {
        &self.gates
    }

    /// Whether the run or a step of it waits for a window.
    pub fn waits_for_windows(&self) -> bool {
        self.gates.is_any_waiting()
    }

    /// The steps that wait for a window.
    pub fn steps_before_windows(&self) -> impl Iterator<Item = (StepRef, &WindowWait)> {
        self.gates.steps.iter().filter_map(|(step, gate)| match gate {
            Gate::Waits(wait) => Some((*step, wait)),
            Gate::Entered { .. } | Gate::Overridden => None,
        })
    }

    fn waits(&self, step: Option<StepRef>) -> Option<&WindowWait> {
        match self.gates.get(step)? {
            Gate::Waits(wait) => Some(wait),
            Gate::Entered { .. } | Gate::Overridden => None,
        }
    }

    pub(super) fn window_event(
        &mut self,
        event: &Event,
        step: Option<StepRef>,
        what: &WindowEvent,
    ) -> Result<(), IllegalEvent> {
        match step {
            Some(step) => self.expect_main(event, step, |phase| *phase == Phase::Pending)?,
            None if matches!(self.gates.run, None | Some(Gate::Waits(_))) => {}
            None => return Err(self.illegal_for_run(event, "past its window")),
        }
        self.forget_gate(step);
        match what {
            WindowEvent::Awaited(wait) => {
                self.timers.insert(timer(step, wait.look_at));
                self.gates.put(step, Gate::Waits(wait.clone()));
            }
            WindowEvent::Entered { window, closes } => {
                self.gates.put(step, Gate::Entered { window: window.clone(), closes: *closes });
            }
            WindowEvent::Overridden { .. } => self.gates.put(step, Gate::Overridden),
        }
        match (step, what) {
            // What is held would be held until the window opens: it is asked for again then.
            (_, WindowEvent::Awaited(_)) => self.give_up_locks(step),
            (Some(step), _) => self.todo.push_back(Todo::Ready(step)),
            (None, _) => self.look_at_first_steps(),
        }
        Ok(())
    }

    /// A step leaves its beginning, or its scope starts nothing more.
    pub(super) fn forget_gate(&mut self, step: Option<StepRef>) {
        if let Some(Gate::Waits(wait)) = self.gates.take(step) {
            self.timers.remove(&timer(step, wait.look_at));
        }
    }

    /// What else the run had to wait for may have taken longer than its window is open.
    pub(super) fn look_at_run_window_again(&mut self) {
        if matches!(self.gates.run, Some(Gate::Entered { .. })) {
            self.gates.run = None;
        }
    }

    /// Nothing more starts in a scope: nothing of it waits for a window any more.
    pub(super) fn forget_gates_of(&mut self, scope: ScopeRef) {
        if scope == Self::ROOT {
            self.forget_gate(None);
        }
        let waiting: Vec<_> = self.gates.steps.keys().copied().collect();
        for step in waiting {
            if self.step(step).scope == scope {
                self.forget_gate(Some(step));
            }
        }
    }

    /// Whoever waits for a window looks again.
    pub(super) fn look_at_windows(&mut self) {
        if self.waits(None).is_some() {
            self.look_at_first_steps();
        }
        let steps: Vec<_> = self.steps_before_windows().map(|(step, _)| step).collect();
        self.todo.extend(steps.into_iter().map(Todo::Ready));
    }

    /// The run's own window holds up all steps that nothing else does.
    fn look_at_first_steps(&mut self) {
        let own = self.steps.iter().take_while(|state| state.scope == Self::ROOT);
        for (step, state) in (0..).map(StepRef).zip(own) {
            if state.unmet == 0 && state.main.phase == Phase::Pending {
                self.todo.push_back(Todo::Ready(step));
            }
        }
    }

    /// Whether this entry of the worklist is one that a fold need not keep: the step waits for a
    /// window, and is looked at again when the run is claimed.
    pub(super) fn is_before_window(&self, step: StepRef) -> bool {
        self.step_window(step).is_some()
            || (self.step(step).scope == Self::ROOT && self.run_window().is_some())
    }

    /// The event of an override, if anything waits at that path.
    pub(super) fn overridden(
        &self,
        plan: &Plan,
        path: Option<&str>,
        by: String,
        reason: String,
    ) -> Option<Event> {
        let step = match path {
            None => {
                self.run_window()?;
                None
            }
            Some(path) => {
                let mut waiting = self.steps_before_windows();
                Some(waiting.find(|(step, _)| self.path(plan, *step) == path)?.0)
            }
        };
        Some(Event::Window { step, what: WindowEvent::Overridden { by, reason } })
    }
}

impl Pass<'_, '_> {
    /// Whether a step may start as far as windows go: the run's own and the step's. Records what it
    /// waits for, or why it never can start.
    pub(super) fn is_in_window(&mut self, step: StepRef) -> Result<bool, IllegalEvent> {
        if self.state.in_finally(self.state.step(step).scope) {
            return Ok(true);
        }
        if !self.is_in_run_window(step)? {
            return Ok(false);
        }
        let plan = self.plan;
        match &self.state.plan_of(plan, step).window {
            Some(window) => self.enter(Some(step), step, window),
            None => Ok(true),
        }
    }

    /// Whether a step may start as far as the run's own window goes.
    pub(super) fn is_in_run_window(&mut self, step: StepRef) -> Result<bool, IllegalEvent> {
        let plan = self.plan;
        let scope = self.state.step(step).scope;
        if let Some(window) = &plan.window
            && scope == RunState::ROOT
            && !matches!(self.state.gates.run, Some(Gate::Entered { .. } | Gate::Overridden))
            && !self.enter(None, step, window)?
        {
            return Ok(false);
        }
        Ok(true)
    }

    fn enter(
        &mut self,
        gate: Option<StepRef>,
        step: StepRef,
        window: &WindowPlan,
    ) -> Result<bool, IllegalEvent> {
        let present = self.state.gates.get(gate);
        if present == Some(&Gate::Overridden) {
            return Ok(true);
        }
        let task = TaskRef::main(step);
        let now = self.env.now;
        let found = window.eval(&self.view(task)).and_then(|(window, needs)| {
            let fit = self.env.windows.fit(&window, now, needs).map_err(StepError::from)?;
            Ok((window, needs, fit))
        });
        let (next, may_start) = match found {
            Err(error) => {
                self.emit(failed_for_good(task, error))?;
                return Ok(false);
            }
            Ok((window, _, Some(opening))) if opening.contains(now) => {
                (Gate::Entered { window, closes: opening.until }, true)
            }
            Ok((window, needs, opening)) => {
                let opens = opening.map(|opening| opening.from);
                let look_at = opens.unwrap_or_else(|| now.after(LOOK));
                (Gate::Waits(WindowWait { window, needs, opens, look_at }), false)
            }
        };
        let unchanged = match (present, &next) {
            // Only the time of the next look at it is another one.
            (Some(Gate::Waits(before)), Gate::Waits(after)) => {
                before.look_at > now
                    && (&before.window, before.needs, before.opens)
                        == (&after.window, after.needs, after.opens)
            }
            (before, after) => before == Some(after),
        };
        if !unchanged {
            let what = match next {
                Gate::Waits(wait) => WindowEvent::Awaited(wait),
                Gate::Entered { window, closes } => WindowEvent::Entered { window, closes },
                Gate::Overridden => return Ok(may_start),
            };
            self.emit(Event::Window { step: gate, what })?;
        }
        Ok(may_start)
    }

    /// An alarm rang.
    pub(super) fn window_due(&mut self, kind: TimerKind, step: StepRef) {
        match kind {
            TimerKind::RunWindow => self.state.look_at_first_steps(),
            TimerKind::Window => self.state.todo.push_back(Todo::Ready(step)),
            TimerKind::Retry
            | TimerKind::Observe
            | TimerKind::Revoke
            | TimerKind::Soak
            | TimerKind::Total
            | TimerKind::Queue
            | TimerKind::RunQueue
            | TimerKind::Wait
            | TimerKind::Iterate => {}
        }
    }
}
