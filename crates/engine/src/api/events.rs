//! A run's events as a stream.

use std::{
    collections::{HashSet, VecDeque},
    pin::Pin,
    time::Duration,
};

use futures::{Stream, StreamExt};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Client, EngineError, RunView};
use crate::{
    machine::{Event, Role, TaskRef},
    model::{RunId, Timestamp},
    runtime::Live,
    step::SubtaskReport,
};

/// How often the journal is read where no node in this process tells of commits.
const POLL: Duration = Duration::from_millis(250);

/// One event of a run, with its place.
#[derive(Clone, Debug)]
pub struct RunEvent {
    /// The run.
    pub run: RunId,
    /// The journal row that holds it; none for a sub-task that is reported ahead of its commit.
    pub seq: Option<u64>,
    /// When.
    pub at: Timestamp,
    /// The path of the step or obligation that it is about.
    pub path: Option<String>,
    /// What happened.
    pub event: Event,
}

type Item = Result<RunEvent, EngineError>;

/// A run's events in order: those of the journal, then new ones as they come. Reports of sub-tasks
/// come as soon as they are made where the run is carried on by this process. Ends after the run's
/// end.
pub struct RunEvents(Pin<Box<dyn Stream<Item = Item> + Send>>);

impl RunEvents {
    pub(super) fn new(client: Client, run: RunId) -> Self {
        let live = client.node.as_ref().map(|node| node.live.subscribe());
        let follower = Follower {
            client,
            run,
            live,
            view: None,
            next_seq: 0,
            shown: HashSet::new(),
            queue: VecDeque::new(),
            ended: false,
        };
        Self(Box::pin(futures::stream::unfold(follower, |mut follower| async move {
            let item = follower.next().await?;
            Some((item, follower))
        })))
    }

    /// The next event; `None` after the run's end.
    pub async fn next(&mut self) -> Option<Item> {
        self.0.next().await
    }
}

impl Stream for RunEvents {
    type Item = Item;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

struct Follower {
    client: Client,
    run: RunId,
    live: Option<broadcast::Receiver<Live>>,
    view: Option<RunView>,
    next_seq: u64,
    /// Reports that were shown before they were committed.
    shown: HashSet<(Timestamp, String)>,
    queue: VecDeque<RunEvent>,
    ended: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(Ok(event));
            }
            if self.ended {
                return None;
            }
            match self.read().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
            if let Some(report) = self.wait().await {
                return Some(Ok(report));
            }
        }
    }

    /// Reads new rows; whether there were any.
    async fn read(&mut self) -> Result<bool, EngineError> {
        let rows = self.client.journal(self.run, self.next_seq).await?;
        if rows.is_empty() && self.next_seq == 0 {
            // Not there yet, unless it does not exist at all: a child's row follows its parent's.
            if self.client.node.is_none() {
                self.client.record(self.run).await?;
            }
            return Ok(false);
        }
        let events = self.client.events_of(self.run, &rows).await?;
        for (row, events) in rows.iter().zip(events) {
            let mut view = match self.view.take() {
                Some(view) => view,
                None => self.client.first_view(self.run, row).await?,
            };
            for (at, event) in events {
                if !matches!(event, Event::Created(_)) {
                    self.client.apply(&mut view, &event, at).await?;
                }
                self.ended |= matches!(event, Event::Ended { .. });
                let path = path_of(&view, &event);
                if let (Event::Reported { at, .. }, Some(path)) = (&event, &path)
                    && self.shown.remove(&(*at, path.clone()))
                {
                    continue;
                }
                let seq = Some(row.seq);
                self.queue.push_back(RunEvent { run: self.run, seq, at, path, event });
            }
            self.view = Some(view);
            self.next_seq = row.seq + 1;
        }
        Ok(!rows.is_empty())
    }

    /// Waits until there may be new rows, or a report comes.
    async fn wait(&mut self) -> Option<RunEvent> {
        let Some(live) = &mut self.live else {
            tokio::time::sleep(POLL).await;
            return None;
        };
        loop {
            match tokio::time::timeout(POLL * 4, live.recv()).await {
                Ok(Ok(Live::Committed(run))) if run == self.run => return None,
                Ok(Ok(Live::Report { run, path, attempt, at, report })) if run == self.run => {
                    return self.report(path, attempt, at, report);
                }
                Ok(Ok(Live::Committed(_) | Live::Report { .. })) => {}
                // Fallen behind, or nothing for a while: the journal has it all.
                Ok(Err(RecvError::Lagged(_))) | Err(_) => return None,
                Ok(Err(RecvError::Closed)) => {
                    self.live = None;
                    return None;
                }
            }
        }
    }

    fn report(
        &mut self,
        path: String,
        attempt: u32,
        at: Timestamp,
        report: SubtaskReport,
    ) -> Option<RunEvent> {
        // The start of the attempt is in the journal before the attempt can report, but this
        // follower may not have read it yet: then the journal's own entry will be shown.
        let view = self.view.as_ref()?;
        let task: TaskRef = view.task_at(&path, attempt)?;
        self.shown.insert((at, path.clone()));
        let event = Event::Reported { task, at, report };
        Some(RunEvent { run: self.run, seq: None, at, path: Some(path), event })
    }
}

fn path_of(view: &RunView, event: &Event) -> Option<String> {
    if let Event::ScopeFailed { scope, .. } = event {
        let owner = view.state().scopes.get(scope.0 as usize)?.owner?;
        return Some(view.state().path(view.plan(), owner));
    }
    let step = event.step()?;
    let role = match event {
        Event::Started { task, .. }
        | Event::Completed { task, .. }
        | Event::Failed { task, .. }
        | Event::Interrupted { task }
        | Event::ObserveStarted { task }
        | Event::Observed { task, .. }
        | Event::ObserveFailed { task, .. }
        | Event::Held { task, .. }
        | Event::Released { task, .. }
        | Event::RevokeStarted { task }
        | Event::Revoked { task }
        | Event::RevokeFailed { task, .. }
        | Event::Resolved { task, .. }
        | Event::Saved { task, .. }
        | Event::SkippedBy { task, .. }
        | Event::Reported { task, .. } => task.role,
        Event::Created(_)
        | Event::Claimed { .. }
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
        | Event::Ended { .. } => Role::Main,
    };
    Some(view.state().task_path(view.plan(), TaskRef { step, role }))
}
