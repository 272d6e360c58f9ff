//! What a journal may hold, checked without the machine that wrote it: a recorded completion is
//! final, an interrupted attempt of what must not be repeated blindly is looked at first, and what
//! an attempt left on its target is revoked before anything else.

use std::collections::{BTreeMap, HashMap};

use rackwright_engine::{
    machine::{Event, TaskRef, Verdict},
    step::Observation,
};

/// Where a task is, by these laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// May be attempted.
    Open,
    /// An attempt is under way.
    Attempted,
    /// An attempt was under way, and its end is not known.
    Unclear,
    /// The target is being looked at.
    Observing,
    /// The end is recorded.
    Done,
}

/// What a journal was found to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What breaks a law.
    pub breaches: Vec<String>,
    /// Attempts whose end nobody recorded.
    pub interrupted: usize,
    /// Those among them that must not be repeated blindly.
    pub interrupted_verify: usize,
    /// Observations that came to an end.
    pub observed: usize,
    /// Attempts whose traces were revoked.
    pub revoked: usize,
}

/// Reads a journal. `verify` says of a task whether it must not be repeated blindly.
pub fn examine<'e>(
    events: impl IntoIterator<Item = &'e Event>,
    verify: impl Fn(TaskRef) -> bool,
) -> Findings {
    let mut reader = Reader {
        stages: BTreeMap::new(),
        held: HashMap::new(),
        findings: Findings::default(),
        verify,
    };
    for (number, event) in events.into_iter().enumerate() {
        reader.read(number, event);
    }
    reader.findings
}

struct Reader<F> {
    stages: BTreeMap<TaskRef, Stage>,
    /// How many things the attempts of a task hold.
    held: HashMap<TaskRef, usize>,
    findings: Findings,
    verify: F,
}

impl<F: Fn(TaskRef) -> bool> Reader<F> {
    fn read(&mut self, number: usize, event: &Event) {
        self.holdings(number, event);
        let next = match event {
            Event::Claimed { .. } => {
                let tasks: Vec<_> = self.stages.keys().copied().collect();
                for task in tasks {
                    self.interrupt(task);
                }
                return;
            }
            Event::Interrupted { task } => return self.interrupt(*task),
            Event::Started { task, .. } => (*task, Stage::Attempted),
            Event::Completed { task, .. } => (*task, Stage::Done),
            Event::Failed { task, observe: false, .. } => (*task, Stage::Open),
            Event::Failed { task, .. } | Event::ObserveFailed { task, .. } => {
                (*task, Stage::Unclear)
            }
            Event::ObserveStarted { task } => (*task, Stage::Observing),
            Event::Observed { task, seen } => (*task, self.seen(seen)),
            Event::Resolved { task, verdict, .. } => {
                let next = match verdict {
                    Verdict::Retry => Stage::Open,
                    Verdict::Done(_) | Verdict::Failed => Stage::Done,
                };
                return self.is_said(*task, next);
            }
            // What a person says of a task, or an older run.
            Event::SkippedBy { task, .. } => return self.is_said(*task, Stage::Done),
            Event::MarkedDone { step, .. } => {
                return self.is_said(TaskRef::main(*step), Stage::Open);
            }
            Event::Reused { step } => return self.is_said(TaskRef::main(*step), Stage::Done),
            Event::Saved { task, .. } => {
                self.only_while(number, event, *task, &[Stage::Attempted, Stage::Observing]);
                return;
            }
            Event::Held { task, .. } | Event::Released { task, .. } => {
                self.only_while(number, event, *task, &[Stage::Attempted]);
                return;
            }
            Event::Created(_)
            | Event::RevokeStarted { .. }
            | Event::Revoked { .. }
            | Event::RevokeFailed { .. }
            | Event::LocksWanted { .. }
            | Event::LocksGranted { .. }
            | Event::LocksRefused { .. }
            | Event::Reported { .. }
            | Event::Skipped { .. }
            | Event::Opened { .. }
            | Event::ItemsStarted { .. }
            | Event::ScopeFailed { .. }
            | Event::WaveSoaking { .. }
            | Event::GateOpened { .. }
            | Event::WavePassed { .. }
            | Event::RolloutUndone { .. }
            | Event::WaitStarted { .. }
            | Event::Signal { .. }
            | Event::Approval { .. }
            | Event::Repeat { .. }
            | Event::Closed { .. }
            | Event::ChildStarted { .. }
            | Event::ChildEnded { .. }
            | Event::TimedOut { .. }
            | Event::Window { .. }
            | Event::QuarantineReleased { .. }
            | Event::CancelRequested(_)
            | Event::RunTimedOut
            | Event::Finishing { .. }
            | Event::Paused(_)
            | Event::Resumed(_)
            | Event::EmergencyStopped(_)
            | Event::EmergencyReleased(_)
            | Event::ControlRefused { .. }
            | Event::Migrated { .. }
            | Event::Ended { .. } => return,
        };
        self.step(number, event, next.0, next.1);
    }

    /// Where a task is by the word of whoever may say so.
    fn is_said(&mut self, task: TaskRef, stage: Stage) {
        self.stages.insert(task, stage);
    }

    /// Nothing is done to a target, nor looked at there, while an earlier attempt holds something.
    fn holdings(&mut self, number: usize, event: &Event) {
        if let Event::Held { task, .. } = event {
            *self.held.entry(*task).or_default() += 1;
        } else if let Event::Released { task, .. } = event {
            let held = self.held.entry(*task).or_default();
            *held = held.saturating_sub(1);
        } else if let Event::Revoked { task } = event {
            self.findings.revoked += 1;
            self.held.remove(task);
        } else if let Event::Completed { task, .. } | Event::Resolved { task, .. } = event {
            self.held.remove(task);
        } else if let Event::Started { task, .. } | Event::ObserveStarted { task } = event
            && self.held.get(task).is_some_and(|held| *held > 0)
        {
            self.breach(number, event, *task);
        }
    }

    fn seen(&mut self, seen: &Observation) -> Stage {
        self.findings.observed += 1;
        match seen {
            Observation::Done(_) => Stage::Done,
            Observation::NotDone | Observation::InProgress(_) => Stage::Open,
            Observation::Unknown(_) => Stage::Unclear,
        }
    }

    fn stage(&self, task: TaskRef) -> Stage {
        self.stages.get(&task).copied().unwrap_or(Stage::Open)
    }

    fn interrupt(&mut self, task: TaskRef) {
        match self.stage(task) {
            Stage::Attempted => {
                self.findings.interrupted += 1;
                self.findings.interrupted_verify += usize::from((self.verify)(task));
                self.stages.insert(task, Stage::Unclear);
            }
            Stage::Observing => {
                self.stages.insert(task, Stage::Unclear);
            }
            Stage::Open | Stage::Unclear | Stage::Done => {}
        }
    }

    fn step(&mut self, number: usize, event: &Event, task: TaskRef, next: Stage) {
        let blind = [Stage::Open];
        let harmless = [Stage::Open, Stage::Unclear];
        let from: &[Stage] = match next {
            Stage::Attempted if (self.verify)(task) => &blind,
            Stage::Attempted => &harmless,
            Stage::Observing => &[Stage::Unclear],
            // `set` and the like complete without an attempt.
            Stage::Done => &[Stage::Open, Stage::Attempted, Stage::Observing, Stage::Unclear],
            // What may be repeated may also be given up without a look, when its scope is stopped.
            Stage::Open if !(self.verify)(task) => {
                &[Stage::Open, Stage::Attempted, Stage::Observing, Stage::Unclear]
            }
            Stage::Open | Stage::Unclear => &[Stage::Open, Stage::Attempted, Stage::Observing],
        };
        self.only_while(number, event, task, from);
        let unclear = self.stage(task) == Stage::Unclear;
        if unclear && matches!(event, Event::Completed { .. }) {
            self.breach(number, event, task);
        }
        self.stages.insert(task, next);
    }

    fn only_while(&mut self, number: usize, event: &Event, task: TaskRef, stages: &[Stage]) {
        if !stages.contains(&self.stage(task)) {
            self.breach(number, event, task);
        }
    }

    fn breach(&mut self, number: usize, event: &Event, task: TaskRef) {
        let (name, stage) = (event.name(), self.stage(task));
        let breach = format!("event {number}: `{name}` of step {} while {stage:?}", task.step.0);
        self.findings.breaches.push(breach);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rackwright_engine::{
        Holding,
        machine::StepRef,
        model::{NodeId, RunId, Timestamp},
    };
    use serde_json::Value;

    use super::*;

    const TASK: TaskRef = TaskRef::main(StepRef(4));

    fn started() -> Event {
        Event::Started { task: TASK, attempt: 1 }
    }

    fn completed() -> Event {
        Event::Completed { task: TASK, output: Arc::new(Value::Null) }
    }

    fn claimed() -> Event {
        let node = NodeId(RunId::from_parts(Timestamp::from_micros(0), 1).0);
        Event::Claimed { node, epoch: 2 }
    }

    fn look(seen: Observation) -> [Event; 2] {
        [Event::ObserveStarted { task: TASK }, Event::Observed { task: TASK, seen }]
    }

    fn breaches(events: &[Event], verify: bool) -> usize {
        examine(events, |_| verify).breaches.len()
    }

    #[test]
    fn a_recorded_completion_is_final() {
        assert_eq!(breaches(&[started(), completed(), claimed()], true), 0);
        assert_eq!(breaches(&[started(), completed(), claimed(), started()], false), 1);
        assert_eq!(breaches(&[started(), completed(), completed()], false), 1);
        let [begun, seen] = look(Observation::NotDone);
        assert_eq!(breaches(&[started(), completed(), claimed(), begun, seen], true), 1);
        let [begun, seen] = look(Observation::Done(Value::Null));
        assert_eq!(breaches(&[started(), claimed(), begun, seen, started()], true), 1);
    }

    #[test]
    fn what_must_not_be_repeated_blindly_is_looked_at_first() {
        let blind = [started(), claimed(), started(), completed()];
        assert_eq!(breaches(&blind, true), 1);
        assert_eq!(breaches(&blind, false), 0);
        let [begun, seen] = look(Observation::NotDone);
        let looked = [started(), claimed(), begun.clone(), seen.clone(), started(), completed()];
        assert_eq!(breaches(&looked, true), 0);
        let cut = [started(), claimed(), begun.clone(), claimed(), started()];
        assert_eq!(breaches(&cut, true), 1, "an interrupted look is no look");
        let again = [started(), claimed(), begun.clone(), claimed(), begun, seen, started()];
        assert_eq!(breaches(&again, true), 0);
        assert_eq!(breaches(&[started(), claimed(), completed()], true), 1);
        let lost = Event::Failed {
            task: TASK,
            error: Arc::new(rackwright_engine::StepError::transient("x", "y")),
            retry_at: None,
            observe: true,
        };
        assert_eq!(breaches(&[started(), lost, started()], true), 1);
    }

    #[test]
    fn what_may_be_repeated_may_be_given_up_after_an_interruption() {
        let stopped = Event::Failed {
            task: TASK,
            error: Arc::new(rackwright_engine::StepError::transient("x", "stopped")),
            retry_at: None,
            observe: false,
        };
        let events = [started(), claimed(), stopped];
        assert_eq!(breaches(&events, false), 0);
        assert_eq!(breaches(&events, true), 1);
    }

    #[test]
    fn what_an_attempt_held_is_revoked_before_anything_else() {
        let holding = Holding::new("session", "s1");
        let held = Event::Held { task: TASK, holding: holding.clone() };
        let [begun, seen] = look(Observation::NotDone);
        let blind = [started(), held.clone(), claimed(), begun.clone(), seen.clone()];
        assert_eq!(breaches(&blind, true), 1);
        assert_eq!(breaches(&[started(), held.clone(), claimed(), started()], false), 1);
        let revoked = [started(), held.clone(), claimed(), Event::Revoked { task: TASK }];
        let revoked = revoked.into_iter().chain([begun, seen, started()]).collect::<Vec<_>>();
        assert_eq!(breaches(&revoked, true), 0);
        let released = Event::Released { task: TASK, holding };
        assert_eq!(breaches(&[started(), held.clone(), released, claimed(), started()], false), 0);
        assert_eq!(breaches(&[held], true), 1, "nothing is held by nobody");
    }

    #[test]
    fn what_happened_is_counted() {
        let [begun, seen] = look(Observation::NotDone);
        let events = [started(), claimed(), begun, seen, started(), claimed()];
        let found = examine(&events, |_| true);
        assert_eq!((found.interrupted, found.interrupted_verify, found.observed), (2, 2, 1));
        assert_eq!(examine(&events, |_| false).interrupted_verify, 0);
    }
}
