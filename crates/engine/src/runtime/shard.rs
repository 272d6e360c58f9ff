//! A shard: one writer and the runs that it writes for.
//!
//! The loop is the group commit: whatever arrives while a batch is being committed is the next
//! batch. Idle, a single turn is committed at once; under load a commit carries a turn of every run
//! that moved. A run has one append in flight at most, because a shard has one batch in flight.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    active::{ActiveRun, Pending},
    message::{Message, Outcome, Start, Started},
    recovery,
    shared::{Live, Shared},
};
use crate::{
    machine::{Created, Event, Input, RunState},
    model::{RunId, RunStatus, StepError, Timestamp},
    store::{Append, AppendOutcome, InboxRow, NewRun, Writer},
};

/// Messages taken per turn of the loop: bounds the size of a batch.
const MESSAGES: usize = 2048;

pub(super) struct Shard {
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Box<dyn Writer>,
    pub(super) messages: mpsc::UnboundedReceiver<Message>,
    pub(super) runs: HashMap<RunId, Box<ActiveRun>>,
    dirty: Vec<RunId>,
    timers: BTreeSet<(Timestamp, RunId)>,
    waiting: HashMap<RunId, Vec<oneshot::Sender<Outcome>>>,
    draining: bool,
}

impl Shard {
    pub(super) fn new(
        shared: Arc<Shared>,
        writer: Box<dyn Writer>,
        messages: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        Self {
            shared,
            writer,
            messages,
            runs: HashMap::new(),
            dirty: Vec::new(),
            timers: BTreeSet::new(),
            waiting: HashMap::new(),
            draining: false,
        }
    }

    /// Works until it is drained.
    pub(super) async fn work(mut self) {
        let mut taken = Vec::new();
        loop {
            let due = self.timers.first().map(|(at, _)| self.shared.clock.instant(*at));
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                count = self.messages.recv_many(&mut taken, MESSAGES) => if count == 0 { return },
                () = timer => {}
            }
            for message in taken.drain(..) {
                self.take(message);
            }
            self.fire_timers();
            self.commit().await;
            if self.draining && self.runs.values().all(|run| run.attempts.is_empty()) {
                return;
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Start(start) => self.start(*start),
            Message::Adopt(run) => self.adopt(run),
            Message::Input { run, input, ack } => self.input(run, input, ack),
            Message::Look(run) => self.look(run),
            Message::Mail { run, rows } => self.mail(run, rows),
            Message::Wait { run, reply } => self.wait(run, reply),
            Message::Abandon => self.abandon(),
            Message::Drain => self.drain(),
            Message::Abort => self.abort_attempts(),
        }
    }

    fn start(&mut self, start: Start) {
        let Start { created, deployed, idempotency_key, reply, wait } = start;
        let id = created.run;
        if self.draining || self.runs.contains_key(&id) {
            // Draining: the caller sees its channel close, and a child is started by the parent's
            // next owner. Here already: a child that was asked for again after a recovery.
            return;
        }
        let node = self.shared.node();
        let new = NewRun {
            workflow: created.workflow.clone(),
            version: created.version,
            idempotency_key,
            parent: created.parent.map(|parent| parent.run),
            root: created.root,
            labels: created.labels.clone(),
            status: RunStatus::Running,
            owner: Some(node),
        };
        if let Err(error) = new.check() {
            let error = StepError::permanent("engine.start", error.to_string());
            if let Some(reply) = reply {
                let _ = reply.send(Err(error));
            }
            return;
        }
        let state = RunState::new(&deployed.plan, created.clone());
        let mut run = Box::new(ActiveRun::new(deployed, state, 0));
        run.turn.events.push(Event::Created(Box::new(created)));
        run.row_status = RunStatus::Running;
        run.create = Some(Box::new(new));
        run.started = reply;
        self.waiting.entry(id).or_default().extend(wait);
        self.runs.insert(id, run);
        self.feed(id, Input::Claim { node, epoch: 1 });
    }

    fn adopt(&mut self, run: Box<ActiveRun>) {
        let id = run.id();
        if self.draining || self.runs.contains_key(&id) {
            return;
        }
        let (node, epoch) = (self.shared.node(), run.claim_epoch);
        self.runs.insert(id, run);
        self.feed(id, Input::Claim { node, epoch });
        self.look(id);
    }

    fn input(&mut self, id: RunId, input: Input, ack: Option<super::message::Ack>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        match &input {
            Input::AttemptEnded { task, .. }
            | Input::AttemptLost { task, .. }
            | Input::Observed { task, .. } => run.remove_attempt(*task),
            Input::Claim { .. }
            | Input::Save { .. }
            | Input::Report { .. }
            | Input::ChildEnded { .. }
            | Input::Cancel(_)
            | Input::Resolve { .. }
            | Input::Tick => {}
        }
        run.acks.extend(ack);
        if matches!(input, Input::Report { .. }) {
            return self.report(id, input);
        }
        if self.draining && is_stopped_by_drain(&input) {
            return;
        }
        self.feed(id, input);
    }

    /// A report waits for the next commit of its run, but not for long.
    fn report(&mut self, id: RunId, input: Input) {
        let now = self.shared.clock.now();
        let Some(run) = self.runs.get_mut(&id) else { return };
        if run.feed(input, now, true).is_ok() && run.flush_at.is_none() && !run.dirty {
            run.flush_at = Some(now.after(self.shared.config.report_delay));
            self.set_timer(id);
        }
    }

    /// Feeds an input and marks the run for the next commit.
    fn feed(&mut self, id: RunId, input: Input) {
        let now = self.shared.clock.now();
        let Some(run) = self.runs.get_mut(&id) else { return };
        if let Err(error) = run.feed(input, now, self.draining) {
            tracing::error!(run = %id, %error, "the run can't go on: its events contradict each other");
            self.lose(id);
            return;
        }
        self.mark(id);
    }

    fn mark(&mut self, id: RunId) {
        if let Some(run) = self.runs.get_mut(&id)
            && !run.dirty
        {
            run.dirty = true;
            self.dirty.push(id);
        }
    }

    fn fire_timers(&mut self) {
        let now = self.shared.clock.now();
        while let Some((at, id)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            if let Some(run) = self.runs.get_mut(&id) {
                run.timer = None;
            }
            if self.draining {
                self.mark(id);
            } else {
                self.feed(id, Input::Tick);
            }
        }
    }

    pub(super) fn set_timer(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let next = run.next_timer();
        if next == run.timer {
            return;
        }
        if let Some(at) = run.timer.take() {
            self.timers.remove(&(at, id));
        }
        run.timer = next;
        if let Some(at) = next {
            self.timers.insert((at, id));
        }
    }

    /// Reads the run's mail beside the loop; it comes back as a message.
    fn look(&mut self, id: RunId) {
        if !self.runs.contains_key(&id) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            match shared.store.inbox(&[id]).await {
                Ok(rows) if rows.is_empty() => {}
                Ok(rows) => shared.tell(id, Message::Mail { run: id, rows }),
                // The keeper looks for mail again.
                Err(error) => tracing::warn!(run = %id, %error, "could not read the inbox"),
            }
        });
    }

    fn mail(&mut self, id: RunId, rows: Vec<InboxRow>) {
        if self.draining {
            return;
        }
        for row in rows {
            let Some(run) = self.runs.get_mut(&id) else { return };
            if !run.seen_mail.insert(row.id) {
                continue;
            }
            run.consumed.push(row.id);
            match serde_json::from_slice::<Input>(&row.body) {
                Ok(input) => self.feed(id, input),
                Err(error) => {
                    tracing::error!(run = %id, %error, "a message can't be read and is dropped");
                    self.mark(id);
                }
            }
        }
    }

    fn wait(&mut self, id: RunId, reply: oneshot::Sender<Outcome>) {
        if let Some(run) = self.runs.get(&id) {
            if run.row_status == RunStatus::Attention && !run.dirty {
                let _ = reply.send(run.outcome());
            } else {
                self.waiting.entry(id).or_default().push(reply);
            }
        }
    }

    /// Commits a turn of every run that moved, then does what the turns lead to.
    async fn commit(&mut self) {
        let mut batch = Vec::with_capacity(self.dirty.len());
        let mut pending = Vec::with_capacity(self.dirty.len());
        for id in std::mem::take(&mut self.dirty) {
            let Some(run) = self.runs.get_mut(&id) else { continue };
            run.dirty = false;
            match run.take_append(&self.shared) {
                (Some(append), after) => {
                    batch.push(append);
                    pending.push(after);
                }
                (None, after) => self.act(id, after),
            }
        }
        if batch.is_empty() {
            return;
        }
        let Some(outcomes) = self.write(&batch).await else { return };
        for ((append, pending), outcome) in batch.iter().zip(pending).zip(outcomes) {
            self.settle(append, pending, outcome);
        }
    }

    /// Commits a batch, for as long as this node may. `None`: it may not any more.
    async fn write(&mut self, batch: &[Append]) -> Option<Vec<AppendOutcome>> {
        let life = self.shared.lease.life();
        let mut pause = Duration::from_millis(20);
        loop {
            match self.writer.commit(batch).await {
                Ok(outcomes) => return Some(outcomes),
                Err(error) if error.is_transient() && self.shared.lease.life() == life => {
                    tracing::warn!(%error, "commit failed; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Err(error) => {
                    tracing::error!(%error, "commit failed; giving up {} runs", batch.len());
                    for append in batch {
                        self.lose(append.run);
                    }
                    return None;
                }
            }
        }
    }

    fn settle(&mut self, append: &Append, pending: Pending, outcome: AppendOutcome) {
        let id = append.run;
        match outcome {
            AppendOutcome::Committed => {
                if let Some(run) = self.runs.get_mut(&id) {
                    run.next_seq += 1;
                    if let Some(started) = run.started.take() {
                        let _ = started.send(Ok(Started { run: id, fresh: true }));
                    }
                }
                self.shared.publish(|| Live::Committed(id));
                for message in &append.send {
                    self.shared.tell(message.to, Message::Look(message.to));
                }
                self.act(id, pending);
            }
            AppendOutcome::Conflict => self.conflict(id),
            AppendOutcome::Duplicate(existing) => {
                let run = self.runs.remove(&id);
                self.waiting.remove(&id);
                if let Some(started) = run.and_then(|mut run| run.started.take()) {
                    let _ = started.send(Ok(Started { run: existing, fresh: false }));
                }
            }
        }
    }

    /// Somebody else wrote where we wanted to: a newer owner, a former one just before our claim,
    /// or whoever created a child before us. If the run is ours all the same, it is read again.
    fn conflict(&mut self, id: RunId) {
        self.lose(id);
        recovery::reload(Arc::clone(&self.shared), id);
    }

    /// Does what a committed turn leads to.
    fn act(&mut self, id: RunId, pending: Pending) {
        for ack in pending.acks {
            let _ = ack.send(Ok(()));
        }
        for command in pending.commands {
            self.perform(id, command);
        }
        let rests = pending.status.is_ended() || pending.status == RunStatus::Attention;
        if rests
            && let Some(waiting) = self.waiting.remove(&id)
            && let Some(run) = self.runs.get(&id)
        {
            let outcome = run.outcome();
            for reply in waiting {
                let _ = reply.send(outcome.clone());
            }
        }
        if pending.leaves && self.runs.get(&id).is_some_and(|run| !run.dirty) {
            self.remove(id);
        } else {
            self.set_timer(id);
        }
    }

    fn remove(&mut self, id: RunId) -> Option<Box<ActiveRun>> {
        let run = self.runs.remove(&id)?;
        if let Some(at) = run.timer {
            self.timers.remove(&(at, id));
        }
        Some(run)
    }

    /// Forgets a run that is not ours any more. Whoever waits for it asks the store.
    pub(super) fn lose(&mut self, id: RunId) {
        if let Some(run) = self.remove(id) {
            run.lose();
        }
        self.waiting.remove(&id);
    }

    fn abandon(&mut self) {
        let all: Vec<_> = self.runs.keys().copied().collect();
        for id in all {
            self.lose(id);
        }
        self.dirty.clear();
    }

    /// Attempts are told to stop; what they still finish is committed, what they leave is taken up
    /// by the next owner.
    fn drain(&mut self) {
        self.draining = true;
        for run in self.runs.values() {
            for attempt in run.attempts.iter().filter(|attempt| !attempt.uninterruptible) {
                attempt.stop.cancel();
            }
        }
    }

    fn abort_attempts(&mut self) {
        for run in self.runs.values_mut() {
            for attempt in run.attempts.drain(..) {
                attempt.abort.abort();
            }
        }
    }

    /// The link of a child to the run that starts it.
    pub(super) fn child_of(&self, parent: RunId, created: Created) -> Created {
        let labels = self.runs.get(&parent).map(|run| run.labels().clone()).unwrap_or_default();
        Created { labels, ..created }
    }
}

/// An attempt that stopped because the node drains has not ended: it was interrupted.
fn is_stopped_by_drain(input: &Input) -> bool {
    match input {
        Input::AttemptEnded { result, .. } => {
            result.as_ref().is_err_and(|error| error.class == crate::model::ErrorClass::Cancelled)
        }
        Input::AttemptLost { .. } | Input::Observed { result: Err(_), .. } => true,
        Input::Observed { result: Ok(_), .. }
        | Input::Claim { .. }
        | Input::Save { .. }
        | Input::Report { .. }
        | Input::ChildEnded { .. }
        | Input::Cancel(_)
        | Input::Resolve { .. }
        | Input::Tick => false,
    }
}
