//! A run as people look at it: its state, with what its journal says of attempts and sub-tasks.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;

use crate::{
    graph::Plan,
    machine::{Ask, Created, Event, IllegalEvent, Phase, RunState, StepRef, TaskRef, WindowWait},
    model::{StepError, Timestamp},
    step::Observation,
};

/// A run's state with what its journal says about attempts and sub-tasks. Kept up to date with
/// [`RunView::apply`].
#[derive(Debug)]
pub struct RunView {
    pub(super) plan: Arc<Plan>,
    pub(super) state: RunState,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
    pub(super) attempts: HashMap<TaskRef, Vec<AttemptView>>,
    pub(super) times: HashMap<StepRef, (Timestamp, Option<Timestamp>)>,
}

/// One attempt.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptView {
    /// Its number, from 1.
    pub number: u32,
    /// When it started; again after an interruption.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended; none while it is under way.
    pub end: Option<AttemptEnd>,
    /// What it reported, in order.
    pub subtasks: Vec<SubtaskView>,
    /// How often it was interrupted and what was seen then, in order.
    pub observations: Vec<String>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum AttemptEnd {
    /// It did its work.
    Completed,
    /// It failed.
    Failed {
        /// Why.
        error: Arc<StepError>,
        /// When the next one was due, if there was to be one.
        retry_at: Option<Timestamp>,
    },
}

/// A reported sub-task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubtaskView {
    /// When it was reported first.
    pub started_at: Timestamp,
    /// When it was reported last.
    pub at: Timestamp,
    /// What is done.
    pub title: String,
    /// How far, in percent.
    pub percent: Option<u8>,
}

impl RunView {
    pub(super) fn new(plan: Arc<Plan>, created: Created, at: Timestamp) -> Self {
        let state = RunState::new(&plan, created);
        Self {
            plan,
            state,
            created_at: at,
            ended_at: None,
            attempts: HashMap::new(),
            times: HashMap::new(),
        }
    }

    /// The folded state.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// When the run was created.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When it ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }

    /// Applies the next event. After [`Event::Migrated`] the run has another plan, which
    /// [`RunView::moved`] takes; [`Client::apply`](super::Client::apply) does either.
    ///
    /// # Errors
    /// [`IllegalEvent`] if it can't follow those before it.
    pub fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), IllegalEvent> {
        if matches!(event, Event::Created(_)) {
            return Ok(());
        }
        self.state.apply(&self.plan, event, at)?;
        // Looking changes nothing.
        let _ = self.state.take_lock_changes();
        self.note(event, at);
        // What waits for a window or a lock has not started.
        let waits = matches!(event, Event::Window { .. } | Event::LocksWanted { .. });
        let touched = event.step().filter(|_| !waits);
        if let Some(step) = touched {
            self.note_time(step, at);
        }
        self.note_scopes(event, at);
        Ok(())
    }

    /// What was seen at a target, or taken from it.
    fn note_look(&mut self, event: &Event, at: Timestamp) {
        if let Event::Observed { task, seen } = event {
            if matches!(seen, Observation::Done(_)) {
                self.end(*task, at, AttemptEnd::Completed);
            }
            let text = match seen {
                Observation::Done(_) => "done",
                Observation::NotDone => "not done",
                Observation::InProgress(_) => "under way",
                Observation::Unknown(_) => "unknown",
            };
            self.observation(*task, text.to_owned());
        } else if let Event::ObserveFailed { task, error, .. } = event {
            self.observation(*task, format!("not observable: {error}"));
        } else if let Event::RevokeFailed { task, error, .. } = event {
            self.observation(*task, format!("not revoked: {error}"));
        } else if let Event::Revoked { task } = event {
            self.observation(*task, "revoked".to_owned());
        }
    }

    fn note(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Started { task, attempt } => self.begin(*task, *attempt, at),
            Event::Completed { task, .. } => self.end(*task, at, AttemptEnd::Completed),
            Event::Failed { task, error, retry_at, .. } => {
                let end = AttemptEnd::Failed { error: Arc::clone(error), retry_at: *retry_at };
                self.end(*task, at, end);
            }
            Event::Reported { task, at, report } => {
                if let Some(last) = self.attempts.get_mut(task).and_then(|it| it.last_mut()) {
                    note_report(&mut last.subtasks, *at, &report.title, report.percent);
                }
            }
            Event::Observed { .. }
            | Event::ObserveFailed { .. }
            | Event::RevokeFailed { .. }
            | Event::Revoked { .. } => self.note_look(event, at),
            Event::Ended { .. } => self.ended_at = Some(at),
            Event::Created(_)
            | Event::Claimed { .. }
            | Event::Interrupted { .. }
            | Event::ObserveStarted { .. }
            | Event::Resolved { .. }
            | Event::Saved { .. }
            | Event::Held { .. }
            | Event::Released { .. }
            | Event::RevokeStarted { .. }
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
            | Event::LocksWanted { .. }
            | Event::LocksGranted { .. }
            | Event::LocksRefused { .. }
            | Event::SkippedBy { .. }
            | Event::MarkedDone { .. }
            | Event::QuarantineReleased { .. }
            | Event::Reused { .. }
            | Event::CancelRequested(_)
            | Event::RunTimedOut
            | Event::Finishing { .. }
            | Event::Paused(_)
            | Event::Resumed(_)
            | Event::EmergencyStopped(_)
            | Event::EmergencyReleased(_)
            | Event::ControlRefused { .. }
            | Event::Migrated { .. } => {}
        }
    }

    fn begin(&mut self, task: TaskRef, attempt: u32, at: Timestamp) {
        let attempts = self.attempts.entry(task).or_default();
        if attempts.last().is_none_or(|last| last.number != attempt) {
            attempts.push(AttemptView {
                number: attempt,
                started_at: at,
                ended_at: None,
                end: None,
                subtasks: Vec::new(),
                observations: Vec::new(),
            });
        }
    }

    fn end(&mut self, task: TaskRef, at: Timestamp, end: AttemptEnd) {
        if let Some(last) = self.attempts.get_mut(&task).and_then(|it| it.last_mut()) {
            last.ended_at = Some(at);
            last.end = Some(end);
        }
    }

    fn observation(&mut self, task: TaskRef, text: String) {
        if let Some(last) = self.attempts.get_mut(&task).and_then(|it| it.last_mut()) {
            last.observations.push(text);
        }
    }

    fn note_time(&mut self, step: StepRef, at: Timestamp) {
        let ended = self.state.step(step).main.phase.is_final();
        let times = self.times.entry(step).or_insert((at, None));
        if ended && times.1.is_none() {
            times.1 = Some(at);
        }
    }

    /// A scope that closes ends the container that holds it, and may end those around it.
    fn note_scopes(&mut self, event: &Event, at: Timestamp) {
        let mut scope = match event {
            Event::Closed { scope, .. } | Event::ScopeFailed { scope, .. } => Some(*scope),
            Event::Created(_)
            | Event::Claimed { .. }
            | Event::Started { .. }
            | Event::Completed { .. }
            | Event::Failed { .. }
            | Event::Interrupted { .. }
            | Event::ObserveStarted { .. }
            | Event::Observed { .. }
            | Event::ObserveFailed { .. }
            | Event::Resolved { .. }
            | Event::Saved { .. }
            | Event::Held { .. }
            | Event::Released { .. }
            | Event::RevokeStarted { .. }
            | Event::Revoked { .. }
            | Event::RevokeFailed { .. }
            | Event::Reported { .. }
            | Event::Skipped { .. }
            | Event::Opened { .. }
            | Event::ItemsStarted { .. }
            | Event::WaveSoaking { .. }
            | Event::GateOpened { .. }
            | Event::WavePassed { .. }
            | Event::RolloutUndone { .. }
            | Event::WaitStarted { .. }
            | Event::Signal { .. }
            | Event::Approval { .. }
            | Event::Repeat { .. }
            | Event::ChildStarted { .. }
            | Event::ChildEnded { .. }
            | Event::TimedOut { .. }
            | Event::Window { .. }
            | Event::LocksWanted { .. }
            | Event::LocksGranted { .. }
            | Event::LocksRefused { .. }
            | Event::SkippedBy { .. }
            | Event::MarkedDone { .. }
            | Event::QuarantineReleased { .. }
            | Event::Reused { .. }
            | Event::CancelRequested(_)
            | Event::RunTimedOut
            | Event::Finishing { .. }
            | Event::Paused(_)
            | Event::Resumed(_)
            | Event::EmergencyStopped(_)
            | Event::EmergencyReleased(_)
            | Event::ControlRefused { .. }
            | Event::Migrated { .. }
            | Event::Ended { .. } => None,
        };
        while let Some(owner) = scope.and_then(|scope| self.state.scope(scope).owner) {
            self.note_time(owner, at);
            scope = Some(self.state.step(owner).scope);
        }
    }

    /// The step or obligation of this path whose attempt of this number is the last one.
    pub(super) fn task_at(&self, path: &str, attempt: u32) -> Option<TaskRef> {
        let last = self.attempts.iter().filter(|(_, attempts)| {
            attempts.last().is_some_and(|last| last.number == attempt && last.end.is_none())
        });
        last.map(|(task, _)| *task).find(|task| self.state.task_path(&self.plan, *task) == path)
    }

    /// What waits for a maintenance window: steps by their paths, and the run itself before its
    /// first step (without a path).
    pub fn before_windows(&self) -> Vec<(Option<String>, &WindowWait)> {
        let steps = self.state.steps_before_windows();
        let steps = steps.map(|(step, wait)| (Some(self.state.path(&self.plan, step)), wait));
        self.state.run_window().map(|wait| (None, wait)).into_iter().chain(steps).collect()
    }

    /// The questions that nobody has answered yet, by the paths of the steps that ask.
    pub fn questions(&self) -> Vec<(String, Arc<Ask>)> {
        let questions = self.state.questions();
        questions.map(|(step, ask)| (self.state.path(&self.plan, step), Arc::clone(ask))).collect()
    }

    /// The paths of the steps and obligations that wait for a person.
    pub fn in_attention(&self) -> Vec<String> {
        let steps = (0..).map(StepRef).take(self.state.steps.len());
        steps
            .flat_map(TaskRef::all_of)
            .filter(|task| {
                let execution = self.state.execution(*task);
                execution.is_some_and(|it| matches!(it.phase, Phase::Attention(_)))
            })
            .map(|task| self.state.task_path(&self.plan, task))
            .collect()
    }
}

/// A report of the same sub-task only moves its progress.
fn note_report(subtasks: &mut Vec<SubtaskView>, at: Timestamp, title: &str, percent: Option<u8>) {
    match subtasks.last_mut() {
        Some(last) if last.title == title => {
            last.at = at;
            last.percent = percent;
        }
        Some(_) | None => {
            subtasks.push(SubtaskView { started_at: at, at, title: title.to_owned(), percent });
        }
    }
}
