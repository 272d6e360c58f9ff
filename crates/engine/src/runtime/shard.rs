//! A shard: one writer and the runs that it writes for.
//!
//! The loop is the group commit: whatever arrives while a batch is being committed is the next
//! batch. Idle, a single turn is committed at once; under load a commit carries a turn of every run
//! that moved. A run has one append in flight at most, because a shard has one batch in flight.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    active::ActiveRun,
    attempt::Attempt,
    message::{Message, Outcome},
    shared::Shared,
};
use crate::{
    calendar::Windows,
    machine::{Created, Input, WindowInput},
    model::{RunId, Timestamp},
    store::Writer,
};

/// Messages taken per turn of the loop: bounds the size of a batch.
const MESSAGES: usize = 2048;

/// How often a batch waits for the tasks that are ready.
const ROUNDS: usize = 4;

pub(super) struct Shard {
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Box<dyn Writer>,
    pub(super) messages: mpsc::UnboundedReceiver<Message>,
    pub(super) runs: HashMap<RunId, Box<ActiveRun>>,
    pub(super) dirty: Vec<RunId>,
    timers: BTreeSet<(Timestamp, RunId)>,
    /// The maintenance windows, as the node read them last.
    pub(super) windows: Arc<Windows>,
    pub(super) waiting: HashMap<RunId, Vec<oneshot::Sender<Outcome>>>,
    pub(super) draining: bool,
    /// The node is drained: runs go when they come to rest.
    pub(super) handing_over: bool,
}

impl Shard {
    pub(super) fn new(
        shared: Arc<Shared>,
        writer: Box<dyn Writer>,
        messages: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        let windows = shared.windows();
        Self {
            windows,
            shared,
            writer,
            messages,
            runs: HashMap::new(),
            dirty: Vec::new(),
            timers: BTreeSet::new(),
            waiting: HashMap::new(),
            draining: false,
            handing_over: false,
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
            let room = MESSAGES - taken.len();
            for message in taken.drain(..) {
                self.take(message);
            }
            self.gather(room).await;
            self.fire_timers();
            self.commit().await;
            if self.handing_over {
                // What only started child runs goes now.
                self.commit().await;
            }
            if self.draining && self.runs.values().all(|run| run.attempts.is_empty()) {
                return;
            }
        }
    }

    /// Lets tasks run that are ready to, and takes what they say: attempts that the last batch
    /// began and that are quick would otherwise end in several small batches. Idle, this costs the
    /// wait for a commit nothing that could be measured.
    async fn gather(&mut self, mut room: usize) {
        for _ in 0..ROUNDS {
            tokio::task::yield_now().await;
            let before = room;
            while room > 0
                && let Ok(message) = self.messages.try_recv()
            {
                self.take(message);
                room -= 1;
            }
            if room == before {
                return;
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Start(start) => self.start(*start),
            Message::Adopt { run, mail } => self.adopt(run, &mail),
            Message::Input { run, input, ack, from } => self.input(run, input, (ack, from)),
            Message::Look(run) => self.look(run),
            Message::Mail { run, rows } => self.mail(run, &rows),
            Message::Wait { run, reply } => self.wait(run, reply),
            Message::Windows(windows) => self.windows_changed(windows),
            Message::HandOver(begin) => self.hand_over(begin),
            Message::Abandon => self.abandon(),
            Message::Drain => self.drain(),
            Message::Abort => self.abort_attempts(),
        }
    }

    /// Feeds an input and marks the run for the next commit.
    pub(super) fn feed(&mut self, id: RunId, input: Input) {
        let absorb = self.leaves(id, &input);
        self.take_in(id, input, absorb);
    }

    /// Feeds an input whose consequences are not decided yet.
    pub(super) fn absorb(&mut self, id: RunId, input: Input) {
        self.take_in(id, input, true);
    }

    fn take_in(&mut self, id: RunId, input: Input, absorb: bool) {
        let now = self.shared.clock.now();
        let Some(run) = self.runs.get_mut(&id) else { return };
        if let Err(error) = run.feed(input, now, &self.windows, absorb, &self.shared.random) {
            tracing::error!(run = %id, %error, "the run can't go on: its events contradict each other");
            self.lose(id);
            return;
        }
        self.mark(id);
    }

    pub(super) fn mark(&mut self, id: RunId) {
        if let Some(run) = self.runs.get_mut(&id)
            && !run.dirty
        {
            run.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Whoever waits for a window looks again.
    fn windows_changed(&mut self, windows: Arc<Windows>) {
        self.windows = windows;
        if self.draining {
            return;
        }
        let waiting = self.runs.iter().filter(|(_, run)| run.state.waits_for_windows());
        for id in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.feed(id, Input::Window(WindowInput::Changed));
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
        let next = if self.handing_over { run.next_deadline() } else { run.next_timer() };
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

    pub(super) fn remove(&mut self, id: RunId) -> Option<Box<ActiveRun>> {
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
        let mut all: Vec<_> = self.runs.keys().copied().collect();
        // In an order that a seed decides.
        all.sort_unstable();
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
            run.attempts.values().for_each(Attempt::stop);
        }
    }

    fn abort_attempts(&mut self) {
        for run in self.runs.values_mut() {
            run.attempts.retain(|_, attempt| {
                if !attempt.uninterruptible {
                    attempt.abort.abort();
                }
                attempt.uninterruptible
            });
        }
    }

    /// The link of a child to the run that starts it.
    pub(super) fn child_of(&self, parent: RunId, created: Created) -> Created {
        let labels = self.runs.get(&parent).map(|run| run.labels().clone()).unwrap_or_default();
        Created { labels, ..created }
    }
}
