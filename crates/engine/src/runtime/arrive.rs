//! What reaches a shard: starts, adoptions, results of attempts, mail.

use std::sync::{Arc, atomic::AtomicBool};

use tokio::sync::oneshot;

use super::{
    active::ActiveRun,
    message::{Ack, Message, Outcome, Start},
    recovery,
    shard::Shard,
};
use crate::{
    machine::{Event, Input, Phase, RunState},
    model::{ErrorClass, RunId, RunStatus, StepError},
    step::Fenced,
    store::{InboxRow, NewRun},
};

impl Shard {
    pub(super) fn start(&mut self, start: Start) {
        let Start { created, deployed, idempotency_key, reply, wait } = start;
        let id = created.run;
        if self.draining || self.runs.contains_key(&id) {
            // Draining: the caller sees its channel close, and a child is started by the parent's
            // next owner. Here already: a child that was asked for again after a recovery.
            return;
        }
        let identity = self.shared.identity();
        if !self.shared.is_current(identity) {
            // Between two lives: a child is started by whoever takes its parent over.
            let error = StepError::transient("engine.no_lease", "this node has lost its lease")
                .hint("it is joining anew: try again");
            let _ = reply.map(|reply| reply.send(Err(error)));
            return;
        }
        let node = identity.node;
        // Durable here, carried on by a node that has what the run asks for and takes something.
        let here = self.shared.begins(&created);
        let new = NewRun {
            workflow: created.workflow.clone(),
            version: created.version,
            idempotency_key,
            parent: created.parent.map(|parent| parent.run),
            root: created.root,
            labels: created.labels.clone(),
            requires: created.requires.clone(),
            status: if here { RunStatus::Running } else { RunStatus::Pending },
            owner: here.then_some(node),
        };
        if let Err(error) = new.check() {
            let error = StepError::permanent("engine.start", error.to_string());
            if let Some(reply) = reply {
                let _ = reply.send(Err(error));
            }
            return;
        }
        let state = RunState::new(&deployed.plan, created.clone());
        let mut run = Box::new(ActiveRun::new(deployed, state, 0, (identity, self.shared.seat())));
        run.turn.events.push(Event::Created(Box::new(created)));
        run.row_status = new.status;
        run.elsewhere = !here;
        run.create = Some(Box::new(new));
        run.started = reply;
        self.waiting.entry(id).or_default().extend(wait);
        self.runs.insert(id, run);
        if here {
            self.feed(id, Input::Claim { node, epoch: 1 });
        } else {
            self.mark(id);
        }
    }

    pub(super) fn adopt(&mut self, run: Box<ActiveRun>, mail: &[InboxRow]) {
        let id = run.id();
        let current = self.shared.is_current(run.identity);
        if self.draining || !current || self.runs.contains_key(&id) {
            return;
        }
        let (node, epoch) = (run.identity.node, run.claim_epoch);
        self.runs.insert(id, run);
        let claim = Input::Claim { node, epoch };
        if mail.is_empty() {
            return self.feed(id, claim);
        }
        // In the same turn: a run that was parked until its mail came would park again. And before
        // anything starts: the mail may say that nothing should.
        self.absorb(id, claim);
        for row in mail {
            self.read(id, row, Self::absorb);
        }
        self.feed(id, Input::Tick);
    }

    pub(super) fn input(
        &mut self,
        id: RunId,
        input: Input,
        (ack, from): (Option<Ack>, Option<Arc<AtomicBool>>),
    ) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        if from.is_some_and(|from| !Arc::ptr_eq(&from, &run.owned)) {
            // An attempt of an earlier ownership, which ended in spite of being broken off.
            return;
        }
        let stopped = self.draining && run.was_stopped(&input);
        let mut ended = None;
        match &input {
            Input::AttemptEnded { task, .. }
            | Input::AttemptLost { task, .. }
            | Input::Observed { task, .. }
            | Input::Revoked { task, .. } => {
                run.ended.extend(run.attempts.remove(task));
                ended = Some(*task);
            }
            Input::Claim { .. }
            | Input::Save { .. }
            | Input::Hold { .. }
            | Input::Release { .. }
            | Input::Report { .. }
            | Input::ChildEnded { .. }
            | Input::LocksGranted { .. }
            | Input::QuarantineReleased { .. }
            | Input::Cancel(_)
            | Input::Control(_)
            | Input::Migrate { .. }
            | Input::Resolve { .. }
            | Input::Signal(_)
            | Input::Approve { .. }
            | Input::Window(_)
            | Input::Tick => {}
        }
        if let Input::Save { task, attempt, .. }
        | Input::Hold { task, attempt, .. }
        | Input::Release { task, attempt, .. } = &input
        {
            let under_way = run
                .state
                .execution(*task)
                .is_some_and(|it| it.phase == Phase::Running && it.attempt == *attempt);
            if !under_way {
                // An attempt that time has passed by must not believe that it saved anything.
                let _ = ack.map(|ack| ack.send(Err(Fenced.into())));
                return;
            }
        }
        run.acks.extend(ack);
        if matches!(input, Input::Report { .. }) {
            return self.report(id, input);
        }
        if self.draining && (stopped || is_stopped_by_drain(&input)) {
            return;
        }
        self.feed(id, input);
        if let (Some(task), Some(run)) = (ended, self.runs.get_mut(&id)) {
            run.attempt_ended(task);
        }
    }

    /// A report waits for the next commit of its run, but not for long.
    fn report(&mut self, id: RunId, input: Input) {
        let now = self.shared.clock.now();
        let windows = Arc::clone(&self.windows);
        let Some(run) = self.runs.get_mut(&id) else { return };
        if run.feed(input, now, &windows, true, &self.shared.random).is_ok()
            && run.flush_at.is_none()
            && !run.dirty
        {
            run.flush_at = Some(now.after(self.shared.config.report_delay));
            self.set_timer(id);
        }
    }

    /// Reads the run's mail beside the loop; it comes back as a message.
    pub(super) fn look(&mut self, id: RunId) {
        if self.draining {
            return;
        }
        if !self.runs.contains_key(&id) {
            // Ours by the store's word, perhaps: then it has to be here.
            return recovery::reload(Arc::clone(&self.shared), id);
        }
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            match shared.store.inbox(&[id]).await {
                Ok(rows) if rows.is_empty() => {}
                Ok(rows) => {
                    if let Err(error) = shared.windows_for(&rows).await {
                        tracing::warn!(run = %id, %error, "could not read the windows");
                    }
                    shared.plans_for(&rows).await;
                    shared.tell(id, Message::Mail { run: id, rows });
                }
                // The keeper looks for mail again.
                Err(error) => tracing::warn!(run = %id, %error, "could not read the inbox"),
            }
        });
    }

    pub(super) fn mail(&mut self, id: RunId, rows: &[InboxRow]) {
        if self.draining {
            return;
        }
        for row in rows {
            self.read(id, row, Self::feed);
        }
    }

    /// Takes a message in, once.
    fn read(&mut self, id: RunId, row: &InboxRow, take: fn(&mut Self, RunId, Input)) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        if !run.seen_mail.insert(row.id) {
            return;
        }
        run.consumed.push(row.id);
        match serde_json::from_slice::<Input>(&row.body) {
            Ok(Input::Migrate { version, order }) => {
                self.migrate(id, version, order);
                take(self, id, Input::Tick);
            }
            Ok(input) => take(self, id, input),
            Err(error) => {
                tracing::error!(run = %id, %error, "a message can't be read and is dropped");
                self.mark(id);
            }
        }
    }

    pub(super) fn wait(&mut self, id: RunId, reply: oneshot::Sender<Outcome>) {
        if let Some(run) = self.runs.get(&id) {
            if run.row_status == RunStatus::Attention && !run.dirty {
                let _ = reply.send(run.outcome());
            } else {
                self.waiting.entry(id).or_default().push(reply);
            }
        }
    }
}

/// An attempt that stopped because the node drains has not ended: it was interrupted.
fn is_stopped_by_drain(input: &Input) -> bool {
    match input {
        Input::AttemptEnded { result, .. } => {
            result.as_ref().is_err_and(|error| error.class == ErrorClass::Cancelled)
        }
        Input::AttemptLost { .. }
        | Input::Observed { result: Err(_), .. }
        | Input::Revoked { result: Err(_), .. } => true,
        Input::Observed { result: Ok(_), .. }
        | Input::Revoked { result: Ok(()), .. }
        | Input::Claim { .. }
        | Input::Save { .. }
        | Input::Hold { .. }
        | Input::Release { .. }
        | Input::Report { .. }
        | Input::ChildEnded { .. }
        | Input::LocksGranted { .. }
        | Input::QuarantineReleased { .. }
        | Input::Cancel(_)
        | Input::Control(_)
        | Input::Migrate { .. }
        | Input::Resolve { .. }
        | Input::Signal(_)
        | Input::Approve { .. }
        | Input::Window(_)
        | Input::Tick => false,
    }
}
