//! Signals: what comes is kept in the run until a step takes it, the oldest first.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    decide::Pass,
    event::{Event, StepRef, TaskRef},
    state::{IllegalEvent, Inner, Phase, RunState, Todo},
};
use crate::{
    graph::{KindPlan, Plan},
    model::Timestamp,
};

/// Something that was sent to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SentSignal {
    /// Which signal.
    pub name: String,
    /// What was sent.
    pub payload: Arc<Value>,
    /// Who sent it.
    pub by: String,
    /// The sender's id of it: a second one of the same id is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A fact about signals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalEvent {
    /// The step waits for its signal.
    Awaited,
    /// One was sent; it belongs to no step yet.
    Received(Box<SentSignal>),
    /// The step took the oldest one that was there.
    Taken,
}

/// The signals of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signals {
    /// Those that no step has taken yet, by name.
    pub waiting: BTreeMap<String, VecDeque<Arc<SentSignal>>>,
    /// The steps that wait, by the name of the signal, in the order in which they began to.
    awaited: BTreeMap<String, Vec<StepRef>>,
    /// The ids that senders gave.
    seen: BTreeSet<String>,
}

impl Signals {
    /// Whether a signal of this id came before.
    pub(super) fn knows(&self, signal: &SentSignal) -> bool {
        signal.id.as_ref().is_some_and(|id| self.seen.contains(id))
    }

    fn first(&self, name: &str) -> Option<StepRef> {
        self.awaited.get(name)?.first().copied()
    }

    fn is_there(&self, name: &str) -> bool {
        self.waiting.get(name).is_some_and(|waiting| !waiting.is_empty())
    }

    fn forget(&mut self, name: &str, step: StepRef) {
        if let Some(steps) = self.awaited.get_mut(name) {
            steps.retain(|other| *other != step);
            if steps.is_empty() {
                self.awaited.remove(name);
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<Arc<SentSignal>> {
        let waiting = self.waiting.get_mut(name)?;
        let taken = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(name);
        }
        taken
    }
}

/// The signal that a step waits for, if it is of that kind.
fn signal_of<'p>(plan: &'p Plan, state: &RunState, step: StepRef) -> Option<&'p str> {
    match &state.plan_of(plan, step).kind {
        KindPlan::Signal(signal) => Some(&signal.name),
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
    }
}

impl RunState {
    pub(super) fn signalled(
        &mut self,
        plan: &Plan,
        event: &Event,
        (step, what): (Option<StepRef>, &SignalEvent),
        at: Timestamp,
    ) -> Result<(), IllegalEvent> {
        match (step, what) {
            (Some(step), SignalEvent::Awaited) => {
                self.expect_main(event, step, |phase| *phase == Phase::Pending)?;
                let name = signal_of(plan, self, step);
                let name = name.ok_or_else(|| self.illegal(event, TaskRef::main(step)))?;
                self.step_mut(step).inner = Inner::Signal;
                self.activate(plan, step, at);
                self.signals.awaited.entry(name.to_owned()).or_default().push(step);
                self.todo.push_back(Todo::Deliver(step));
                Ok(())
            }
            (None, SignalEvent::Received(signal)) => {
                self.signals.seen.extend(signal.id.clone());
                let waiting = self.signals.waiting.entry(signal.name.clone()).or_default();
                waiting.push_back(Arc::new((**signal).clone()));
                self.todo.extend(self.signals.first(&signal.name).map(Todo::Deliver));
                Ok(())
            }
            (Some(step), SignalEvent::Taken) if self.can_take(plan, step) => {
                let taken = signal_of(plan, self, step).and_then(|name| self.signals.take(name));
                let taken = taken.ok_or_else(|| self.illegal(event, TaskRef::main(step)))?;
                self.finish(plan, TaskRef::main(step), &taken.payload, true);
                Ok(())
            }
            (step, SignalEvent::Awaited | SignalEvent::Received(_) | SignalEvent::Taken) => {
                Err(match step {
                    Some(step) => self.illegal(event, TaskRef::main(step)),
                    None => self.illegal_for_run(event, "not a step"),
                })
            }
        }
    }

    /// The event that a signal leads to; none if no step of the plan ever takes it, or it came
    /// before.
    pub(super) fn received(&self, plan: &Plan, signal: SentSignal) -> Option<Event> {
        let known = plan.signals().any(|it| it.name == signal.name);
        let fresh = known && !self.signals.knows(&signal);
        let what = SignalEvent::Received(Box::new(signal));
        fresh.then_some(Event::Signal { step: None, what })
    }

    /// Whether a step waits for a signal that is there.
    pub(super) fn can_take(&self, plan: &Plan, step: StepRef) -> bool {
        let state = self.step(step);
        state.main.phase == Phase::Running
            && matches!(state.inner, Inner::Signal)
            && signal_of(plan, self, step).is_some_and(|name| self.signals.is_there(name))
    }

    /// A step has ended: it waits for its signal no more.
    pub(super) fn stop_awaiting(&mut self, plan: &Plan, step: StepRef) {
        if let Some(name) = signal_of(plan, self, step) {
            self.signals.forget(name, step);
        }
    }

    /// The signals that steps wait for now.
    pub fn awaited_signals(&self) -> impl Iterator<Item = &str> {
        self.signals.awaited.keys().map(String::as_str)
    }
}

impl Pass<'_, '_> {
    pub(super) fn deliver(&mut self, step: StepRef) -> Result<(), IllegalEvent> {
        if !self.state.can_take(self.plan, step) {
            return Ok(());
        }
        self.emit(Event::Signal { step: Some(step), what: SignalEvent::Taken })
    }
}
