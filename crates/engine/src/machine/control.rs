//! What operators ask of a run: each order is checked against the state, and recorded with who gave
//! it and why, also when the state has left it behind.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    by_hand,
    decide::Command,
    event::{Event, Order, StepRef, TaskRef},
    state::{Emergency, IllegalEvent, Inner, Pause, Phase, RunState, TimerKind, Todo},
};
use crate::{
    graph::Plan,
    model::{ErrorClass, RunId, StepError, Timestamp},
};

/// An order to a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Nothing new starts; what runs is finished.
    Pause(Order),
    /// A paused run goes on.
    Resume(Order),
    /// What can be interrupted is told to stop at once, nothing starts, and what is owed waits for
    /// [`Control::Release`].
    EmergencyStop(Order),
    /// After an emergency stop: what is owed is performed, and the run ends as cancelled.
    Release(Order),
    /// A step does not run, or an obligation is not performed.
    Skip {
        /// The step's path; ends in `/cleanup` or `/undo` for an obligation.
        path: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A step is done, by other means.
    MarkDone {
        /// The step's path.
        path: String,
        /// What it gave.
        output: Value,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

impl Control {
    /// The word for it, in journals and messages.
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
            Self::EmergencyStop(_) => "emergency stop",
            Self::Release(_) => "release",
            Self::Skip { .. } => "skip",
            Self::MarkDone { .. } => "mark done",
        }
    }

    /// Who gave it.
    pub fn by(&self) -> &str {
        match self {
            Self::Pause(order)
            | Self::Resume(order)
            | Self::EmergencyStop(order)
            | Self::Release(order) => &order.by,
            Self::Skip { by, .. } | Self::MarkDone { by, .. } => by,
        }
    }

    /// Whether this event says that the order is followed.
    pub fn is_followed_by(&self, event: &Event) -> bool {
        match self {
            Self::Pause(order) => matches!(event, Event::Paused(it) if it == order),
            Self::Resume(order) => matches!(event, Event::Resumed(it) if it == order),
            Self::EmergencyStop(order) => {
                matches!(event, Event::EmergencyStopped(it) if it == order)
            }
            Self::Release(order) => matches!(event, Event::EmergencyReleased(it) if it == order),
            Self::Skip { by, reason, .. } => matches!(event,
                Event::SkippedBy { by: b, reason: r, .. } if (b, r) == (by, reason)),
            Self::MarkDone { by, reason, .. } => matches!(event,
                Event::MarkedDone { by: b, reason: r, .. } | Event::Resolved { by: b, reason: r, .. }
                if (b, r) == (by, reason)),
        }
    }

    /// The event that carries the order out.
    ///
    /// # Errors
    /// Why the run, as it stands, can't follow it; a sentence for the operator.
    pub fn event(&self, plan: &Plan, state: &RunState) -> Result<Event, String> {
        if state.status.is_ended() {
            return Err(format!("it has ended: it is {}", state.status));
        }
        let stopped = state.emergency.as_ref().filter(|it| it.released.is_none());
        let stopped = stopped.map(|it| &it.order.by);
        match (self, &state.paused, stopped) {
            (Self::Pause(_) | Self::EmergencyStop(_), _, Some(by)) => Err(format!(
                "it was stopped in an emergency, by {by}: nothing starts until it is released"
            )),
            (Self::Pause(_), Some(pause), None) => {
                Err(format!("it is paused already, by {}", pause.order.by))
            }
            (Self::Pause(order), None, None) => Ok(Event::Paused(order.clone())),
            (Self::Resume(_), None, Some(by)) => Err(format!(
                "it is not paused, it was stopped in an emergency, by {by}: release it"
            )),
            (Self::Resume(_), None, None) => Err("it is not paused".to_owned()),
            (Self::Resume(order), Some(_), _) => Ok(Event::Resumed(order.clone())),
            (Self::EmergencyStop(order), _, None) => Ok(Event::EmergencyStopped(order.clone())),
            (Self::Release(_), _, None) => {
                Err("it was not stopped in an emergency, or is released already".to_owned())
            }
            (Self::Release(order), _, Some(_)) => Ok(Event::EmergencyReleased(order.clone())),
            (Self::Skip { path, by, reason }, ..) => {
                let task = by_hand::skippable(plan, state, path)?;
                Ok(Event::SkippedBy { task, by: by.clone(), reason: reason.clone() })
            }
            (Self::MarkDone { path, output, by, reason }, ..) => {
                by_hand::done(plan, state, path, output, (by, reason))
            }
        }
    }
}

/// Whether a run can be told to stop.
///
/// # Errors
/// Why not; a sentence for the operator.
pub(crate) fn cancellable(state: &RunState) -> Result<(), String> {
    if state.ending.is_some() {
        // What is done however a run ends is not stopped, and its status is settled.
        return Err("its steps have ended, only its `finally` is under way".to_owned());
    }
    match &state.cancel {
        Some(first) => Err(format!("{} has cancelled it already", first.by)),
        None => Ok(()),
    }
}

/// What a cancel leads to.
pub(super) fn cancelled(state: &RunState, order: Order) -> Option<Event> {
    match cancellable(state) {
        Ok(()) => Some(Event::CancelRequested(order)),
        Err(why) => refused(state, "cancel", &order.by, why),
    }
}

/// What any other order leads to.
pub(super) fn followed(plan: &Plan, state: &RunState, control: &Control) -> Option<Event> {
    match control.event(plan, state) {
        Ok(event) => Some(event),
        Err(why) => refused(state, control.action(), control.by(), why),
    }
}

/// What an order that comes too late leaves in the journal. A parent's orders are repeated on
/// recovery, so those leave nothing.
pub(super) fn refused(state: &RunState, action: &str, by: &str, why: String) -> Option<Event> {
    let parent = state.created.parent.map(|parent| order_of(parent.run));
    (parent.as_deref() != Some(by)).then(|| Event::ControlRefused {
        action: action.to_owned(),
        by: by.to_owned(),
        why,
    })
}

/// How a run signs its orders to its children.
pub(crate) fn order_of(run: RunId) -> String {
    format!("run {run}")
}

/// What the living child runs are told of an order that their parent follows. Goes out with the
/// commit that records it, so it is told once.
pub(super) fn pass_on(state: &RunState, event: &Event, commands: &mut Vec<Command>) {
    let of = |order: &Order| Order {
        by: order_of(state.created.run),
        reason: order.reason.clone().or_else(|| Some(format!("by {}", order.by))),
    };
    let control = if let Event::Paused(order) = event {
        commands.push(Command::Recall);
        Control::Pause(of(order))
    } else if let Event::Resumed(order) = event {
        Control::Resume(of(order))
    } else if let Event::EmergencyStopped(order) = event {
        Control::EmergencyStop(of(order))
    } else if let Event::EmergencyReleased(order) = event {
        Control::Release(of(order))
    } else {
        return;
    };
    if state.children == 0 {
        return;
    }
    for step in state.steps.iter().filter(|step| step.main.phase == Phase::Running) {
        if let Inner::Child(run) = step.inner {
            commands.push(Command::TellChild { run, control: control.clone() });
        }
    }
}

impl RunState {
    /// Whether nothing may start for now.
    pub const fn is_held(&self) -> bool {
        self.paused.is_some() || self.waits_for_release()
    }

    /// Whether the run was stopped in an emergency, and what it owes waits for a person's word.
    pub const fn waits_for_release(&self) -> bool {
        match &self.emergency {
            Some(emergency) => emergency.released.is_none(),
            None => false,
        }
    }

    /// Whether a child that was recorded, and perhaps never made, must not be made any more: its run
    /// was stopped in an emergency. Those of a `finally` are owed once it is released.
    pub(super) fn only_looks_for_child(&self, step: StepRef) -> bool {
        let owed = self.in_finally(self.step(step).scope);
        self.waits_for_release() || (self.emergency.is_some() && !owed)
    }

    /// Whether an entry of the worklist may start something, a look at a target included. A scope
    /// that drains is looked at all the same: only its obligations start something.
    pub(super) fn would_start(&self, todo: &Todo) -> bool {
        match todo {
            Todo::Ready(step) => self.step(*step).main.decided.is_none(),
            Todo::Items(_) | Todo::Recover(_) | Todo::Restart(_) => true,
            // After a stop in an emergency a child is only looked for.
            Todo::EnsureChild(step) => !self.only_looks_for_child(*step),
            // A signal that came is taken: that is no more than the end of a wait.
            Todo::Drained(_) | Todo::StopAttempt(_) | Todo::StopChild(_) | Todo::Deliver(_) => {
                false
            }
        }
    }

    /// What a person ordered, and the run follows.
    pub(super) fn ordered(
        &mut self,
        plan: &Plan,
        event: &Event,
        at: Timestamp,
    ) -> Result<(), IllegalEvent> {
        let done = if let Event::CancelRequested(order) = event {
            self.cancel = Some(order.clone());
            self.stop_scope(plan, Self::ROOT);
            Ok(())
        } else if let Event::Paused(order) = event {
            self.paused(order, at)
        } else if let Event::EmergencyStopped(order) = event {
            self.emergency_stopped(plan, order)
        } else if let Event::EmergencyReleased(order) = event {
            self.emergency_released(order)
        } else if let Event::SkippedBy { task, .. } = event {
            return self.skipped_by(plan, event, *task);
        } else if let Event::MarkedDone { step, output, .. } = event {
            return self.marked_done(plan, event, *step, output);
        } else {
            self.resumed(at)
        };
        done.map_err(|state| self.illegal_for_run(event, state))
    }

    fn paused(&mut self, order: &Order, at: Timestamp) -> Result<(), &'static str> {
        if self.paused.is_some() {
            return Err("paused already");
        }
        self.paused = Some(Pause { order: order.clone(), at });
        Ok(())
    }

    /// What was held back is looked at again. The clocks of the run and
    /// of its steps stood still meanwhile: nobody
    /// wants a step to be out of time because somebody took a closer look.
    fn resumed(&mut self, at: Timestamp) -> Result<(), &'static str> {
        let Some(pause) = self.paused.take() else { return Err("not paused") };
        self.let_go();
        let stood = at.since(pause.at);
        self.deadline = self.deadline.map(|due| due.after(stood));
        let totals: Vec<_> =
            self.timers.iter().filter(|(.., kind)| *kind == TimerKind::Total).copied().collect();
        for timer in &totals {
            self.timers.remove(timer);
        }
        for (due, task, kind) in totals {
            let due = due.after(stood);
            self.timers.insert((due, task, kind));
            self.step_mut(task.step).main.deadline = Some(due);
        }
        Ok(())
    }

    fn let_go(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.todo.extend(held);
    }

    /// The run is stopped as if cancelled, and what it owes is told to stop too. A pause is over
    /// with that: nothing starts all the same.
    fn emergency_stopped(&mut self, plan: &Plan, order: &Order) -> Result<(), &'static str> {
        if self.waits_for_release() {
            return Err("stopped already");
        }
        self.paused = None;
        self.emergency = Some(Emergency { order: order.clone(), released: None });
        if self.ending.is_none() {
            self.cancel.get_or_insert_with(|| order.clone());
        }
        self.stop_scope(plan, Self::ROOT);
        // A pause held these back: whether the children are there has to be known now.
        let held = std::mem::take(&mut self.held);
        let (look, held): (VecDeque<_>, VecDeque<_>) =
            held.into_iter().partition(|todo| matches!(todo, Todo::EnsureChild(_)));
        self.held = held;
        self.todo.extend(look);
        for step in (0..).map(StepRef).take(self.steps.len()) {
            let finally = self.in_finally(self.step(step).scope);
            for task in TaskRef::all_of(step).filter(|task| finally || !task.is_main()) {
                if self.is_attempted(task) {
                    self.todo.push_back(Todo::StopAttempt(task));
                }
            }
        }
        Ok(())
    }

    /// Whether an obligation failed because it was told to stop with the run: it begins anew when
    /// the run is released, and is no matter for a person by itself.
    pub(super) fn begins_anew(&self, task: TaskRef, error: &StepError) -> bool {
        let owed = !task.is_main() || self.in_finally(self.step(task.step).scope);
        let told = matches!(error.class, ErrorClass::Cancelled | ErrorClass::UnknownOutcome);
        owed && told && self.waits_for_release()
    }

    /// Whether an attempt of the task is under way.
    fn is_attempted(&self, task: TaskRef) -> bool {
        let calls = !task.is_main() || matches!(self.step(task.step).inner, Inner::None);
        calls && self.execution(task).is_some_and(|it| it.phase == Phase::Running)
    }

    /// What is owed is performed from here on.
    fn emergency_released(&mut self, order: &Order) -> Result<(), &'static str> {
        match &mut self.emergency {
            Some(emergency) if emergency.released.is_none() => {
                emergency.released = Some(order.clone());
            }
            Some(_) | None => return Err("not stopped in an emergency"),
        }
        self.let_go();
        Ok(())
    }
}
