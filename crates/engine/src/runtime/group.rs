//! The group commit: a turn of every run that moved, in one batch; then what the turns lead to.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    active::Pending,
    message::{Message, Started},
    recovery,
    shard::Shard,
    shared::Live,
    telemetry,
};
use crate::{
    model::{RunId, RunStatus},
    store::{Append, AppendOutcome, StoreError},
};

impl Shard {
    /// Commits a turn of every run that moved, then does what the turns lead to.
    pub(super) async fn commit(&mut self) {
        let mut batch = Vec::with_capacity(self.dirty.len());
        let mut pending = Vec::with_capacity(self.dirty.len());
        for id in std::mem::take(&mut self.dirty) {
            let Some(run) = self.runs.get_mut(&id) else { continue };
            run.dirty = false;
            match run.take_append(&self.shared, self.handing_over) {
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
        // Mail that this batch made in other runs by letting go of locks.
        for run in self.writer.take_granted() {
            self.shared.tell(run, Message::Look(run));
        }
        for ((append, pending), outcome) in batch.iter().zip(pending).zip(outcomes) {
            self.settle(append, pending, outcome);
        }
    }

    /// Commits a batch, for as long as this node may. `None`: it may not any more.
    async fn write(&mut self, batch: &[Append]) -> Option<Vec<AppendOutcome>> {
        match self.insist(batch).await {
            Ok(outcomes) => Some(outcomes),
            // One append that the store can't take must not drag the others along.
            Err(error) if !error.is_transient() && batch.len() > 1 => {
                let mut outcomes = Vec::with_capacity(batch.len());
                for append in batch {
                    match self.insist(std::slice::from_ref(append)).await {
                        Ok(outcome) => outcomes.extend(outcome),
                        Err(error) => {
                            self.give_up(append.run, &error);
                            outcomes.push(AppendOutcome::Conflict);
                        }
                    }
                }
                Some(outcomes)
            }
            Err(error) => {
                for append in batch {
                    self.give_up(append.run, &error);
                }
                None
            }
        }
    }

    /// Commits again and again while the store is away and the lease has not been lost over it.
    async fn insist(&mut self, batch: &[Append]) -> Result<Vec<AppendOutcome>, StoreError> {
        let life = self.shared.lease.life();
        let mut pause = Duration::from_millis(20);
        loop {
            let began = Instant::now();
            match self.writer.commit(batch).await {
                Err(error) if error.is_transient() && self.may_insist(life) => {
                    tracing::warn!(%error, "commit failed; trying again");
                    telemetry::commit_retried();
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                outcome => {
                    telemetry::committed(began.elapsed(), batch.len());
                    return outcome;
                }
            }
        }
    }

    /// For as long as nobody else can have the runs; a node that drains does not wait for ever.
    fn may_insist(&self, life: u64) -> bool {
        let lease = &self.shared.lease;
        lease.life() == life && (!self.draining || lease.allows(life))
    }

    /// A run that can't be written is left alone, and said to be stuck.
    fn give_up(&mut self, id: RunId, error: &StoreError) {
        self.lose(id);
        if !error.is_transient() {
            self.shared.set_stuck(id, error.to_string());
        }
    }

    fn settle(&mut self, append: &Append, pending: Pending, outcome: AppendOutcome) {
        let id = append.run;
        match outcome {
            AppendOutcome::Committed => {
                if let Some(run) = self.runs.get_mut(&id) {
                    run.next_seq += 1;
                    if append.create.is_some() {
                        telemetry::run_started(&run.state.created.workflow);
                    }
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
                let run = self.remove(id);
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
        if self.handing_over
            && !pending.leaves
            && self.runs.get(&id).is_some_and(|run| run.attempts.is_empty())
        {
            self.mark(id);
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
            let parked = self.remove(id);
            let soon = self.shared.clock.now().after(self.shared.config.poll);
            let due = parked.and_then(|run| run.next_timer());
            let next = !pending.status.is_ended() && due.is_some_and(|due| due < soon);
            // Its place is free for what was started beyond the node's room.
            if next || self.shared.left.load(Ordering::SeqCst) {
                self.shared.parked.notify_one();
            }
            // Another node may carry a parked run on: whoever waits for it asks the store.
            self.waiting.remove(&id);
        } else {
            self.set_timer(id);
        }
    }
}
