//! A run in memory: its state, the turn that is being gathered, and its attempts.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use tokio::sync::oneshot;
use tracing::Span;

use super::{
    attempt::Attempt,
    journal,
    message::{Ack, Outcome, Started},
    plans::Deployed,
    random::Random,
    shared::{Identity, Seat, Shared},
    telemetry::{self, StepSpan},
};
use crate::{
    calendar::Windows,
    machine::{
        self, Command, Env, Event, IllegalEvent, Input, Order, RunError, RunState, StepRef,
        TaskRef, Turn, absorb, order_of, react,
    },
    model::{RunId, RunStatus, StepError, Timestamp, Version, check_payload},
    store::{Append, InboxId, LockChange, LockRequest, NewRun, Outgoing, RunUpdate},
};

/// A run in memory.
pub(crate) struct ActiveRun {
    pub(super) deployed: Arc<Deployed>,
    pub(super) state: RunState,
    pub(super) next_seq: u64,
    /// Who this node was when it took the run.
    pub(super) identity: Identity,
    _seat: Seat,
    /// The status in the store's row of the run.
    pub(super) row_status: RunStatus,
    /// Whether this node may act for the run, as far as it knows; attempts hold it too.
    pub(super) owned: Arc<AtomicBool>,
    pub(super) turn: Turn,
    pub(super) consumed: Vec<InboxId>,
    /// Mail that was taken in since the run came into memory: a second look may bring it again.
    pub(super) seen_mail: HashSet<InboxId>,
    pub(super) acks: Vec<Ack>,
    /// Attempts that have ended in this turn.
    pub(super) ended: Vec<Attempt>,
    /// What is under way for a task: one at a time.
    pub(super) attempts: BTreeMap<TaskRef, Attempt>,
    pub(super) span: Span,
    pub(super) steps: BTreeMap<TaskRef, StepSpan>,
    pub(super) create: Option<Box<NewRun>>,
    pub(super) started: Option<oneshot::Sender<Result<Started, StepError>>>,
    /// The epoch at which the run was claimed.
    pub(super) claim_epoch: u64,
    /// How often it was taken from dead owners in a row, by its row in the store.
    pub(super) takeovers: u32,
    /// It is only made here: another node has to take it.
    pub(super) elsewhere: bool,
    pub(super) dirty: bool,
    /// The version that the turn moves the run to.
    pub(super) moved_to: Option<Version>,
    /// When events that were not worth a commit of their own are committed anyway.
    pub(super) flush_at: Option<Timestamp>,
    /// The timer that the shard keeps for the run.
    pub(super) timer: Option<Timestamp>,
}

/// What a turn leads to once its append is committed.
pub(super) struct Pending {
    pub(super) commands: Vec<Command>,
    pub(super) acks: Vec<Ack>,
    /// They give their places up when this is dropped.
    _ended: Vec<Attempt>,
    pub(super) status: RunStatus,
    /// The run leaves the memory.
    pub(super) leaves: bool,
}

impl ActiveRun {
    pub(super) fn new(
        deployed: Arc<Deployed>,
        state: RunState,
        next_seq: u64,
        (identity, seat): (Identity, Seat),
    ) -> Self {
        let span = telemetry::run_span(&state.created);
        Self {
            deployed,
            state,
            next_seq,
            identity,
            _seat: seat,
            row_status: RunStatus::Pending,
            owned: Arc::new(AtomicBool::new(true)),
            turn: Turn::default(),
            consumed: Vec::new(),
            seen_mail: HashSet::new(),
            acks: Vec::new(),
            ended: Vec::new(),
            attempts: BTreeMap::new(),
            span,
            steps: BTreeMap::new(),
            create: None,
            started: None,
            claim_epoch: 1,
            takeovers: 0,
            elsewhere: false,
            dirty: false,
            moved_to: None,
            flush_at: None,
            timer: None,
        }
    }

    pub(super) fn id(&self) -> RunId {
        self.state.created.run
    }

    /// Feeds an input to the machine.
    pub(super) fn feed(
        &mut self,
        input: Input,
        now: Timestamp,
        windows: &Windows,
        draining: bool,
        random: &Random,
    ) -> Result<(), IllegalEvent> {
        let plan = &self.deployed.plan;
        let mut random = || random.bits();
        let mut env = Env { now, random: &mut random, windows };
        if draining {
            absorb(plan, &mut self.state, input, &mut env, &mut self.turn)
        } else {
            react(plan, &mut self.state, input, &mut env, &mut self.turn)
        }
    }

    /// Takes the gathered turn as an append, if there is anything to commit. What is handed over
    /// leaves as soon as no attempt is under way.
    pub(super) fn take_append(
        &mut self,
        shared: &Shared,
        hand_over: bool,
    ) -> (Option<Append>, Pending) {
        let turn = std::mem::take(&mut self.turn);
        self.flush_at = None;
        let status = self.state.visible_status();
        let rests = self.elsewhere || self.parks(shared);
        let goes = hand_over && self.attempts.is_empty() && turn.commands.is_empty();
        let parks = rests || goes;
        let mut pending = Pending {
            commands: turn.commands,
            acks: std::mem::take(&mut self.acks),
            _ended: std::mem::take(&mut self.ended),
            status,
            leaves: status.is_ended() || parks,
        };
        let row_status =
            if parks && status == RunStatus::Running { RunStatus::Waiting } else { status };
        let row_status = if self.elsewhere { RunStatus::Pending } else { row_status };
        // What the store counts against the run is forgotten as soon as it gets on.
        let moved_on = self.takeovers > 0 && turn.events.iter().any(Event::is_progress);
        let version = self.moved_to.take();
        let changes = row_status != self.row_status || parks || moved_on || version.is_some();
        if turn.events.is_empty() && self.consumed.is_empty() && !changes {
            pending.leaves = false;
            return (None, pending);
        }
        let at = shared.clock.now();
        // What is handed over may have something left to decide: the next owner sees.
        let wake_at = if rests { self.state.next_timer() } else { goes.then_some(at) };
        let update = changes.then_some(RunUpdate {
            status: row_status,
            wake_at,
            release: pending.leaves,
            version,
        });
        self.row_status = row_status;
        if update.is_some() {
            self.takeovers = 0;
        }
        let changes = self.state.take_lock_changes();
        let locks = changes.into_iter().map(|change| self.lock_change(change)).collect();
        let (events, blobs) = journal::encode(&turn.events, shared.config.large_value);
        let append = Append {
            run: self.id(),
            seq: self.next_seq,
            epoch: self.state.epoch,
            at,
            events,
            create: self.create.take(),
            update,
            consumed: std::mem::take(&mut self.consumed),
            send: self.messages(&pending.commands, shared.config.max_payload),
            locks,
            tasks: self.task_changes(&pending.commands),
            blobs,
        };
        (Some(append), pending)
    }

    /// Whether the run has nothing to do for long enough to leave the memory. Runs with living
    /// children stay, unless they are paused: the children are about to end.
    fn parks(&self, shared: &Shared) -> bool {
        let state = &self.state;
        if state.status.is_ended() || state.in_flight > 0 {
            return false;
        }
        if state.children > 0 && state.paused.is_none() {
            return false;
        }
        if !self.attempts.is_empty() || state.has_todo() {
            return false;
        }
        let soon = shared.clock.now().after(shared.config.park_after);
        state.next_timer().is_none_or(|due| due > soon)
    }

    /// A change of locks as the store takes it.
    fn lock_change(&self, change: machine::LockChange) -> LockChange {
        match change {
            machine::LockChange::Want { step, request, label, claims, within } => {
                LockChange::Want(Box::new(LockRequest {
                    step: step.map(|step| step.0),
                    label,
                    claims,
                    within,
                    priority: self.state.created.priority,
                    message: journal::json(&Input::LocksGranted { step, request }).into(),
                }))
            }
            machine::LockChange::Release { step } => {
                LockChange::Release { step: step.map(|step| step.0) }
            }
            machine::LockChange::ReleaseAll => LockChange::ReleaseAll,
        }
    }

    /// What other runs are told with this append.
    fn messages(&self, commands: &[Command], max_payload: usize) -> Vec<Outgoing> {
        let mut messages = Vec::new();
        for command in commands {
            match command {
                Command::StopChild { run } => {
                    let input = Input::Cancel(Order {
                        by: order_of(self.id()),
                        reason: self.state.cancel.as_ref().and_then(|it| it.reason.clone()),
                    });
                    messages.push(outgoing(*run, "cancel", &input));
                }
                // Every order counts, in its order: two that wait must not be taken for one.
                Command::TellChild { run, control } => {
                    let key = format!("{} {}", control.action(), self.next_seq);
                    messages.push(outgoing(*run, &key, &Input::Control(control.clone())));
                }
                Command::Ended { status } => {
                    if let Some(parent) = self.state.created.parent {
                        let input = self.end_as_child(parent.step, *status, max_payload);
                        messages.push(outgoing(
                            parent.run,
                            &format!("child {}", self.id()),
                            &input,
                        ));
                    }
                }
                Command::Run(_)
                | Command::Observe(_)
                | Command::Revoke(..)
                | Command::Stop { .. }
                | Command::Recall
                | Command::StartChild { .. }
                | Command::LookForChild { .. } => {}
            }
        }
        messages
    }

    /// What the parent is told. It can't record an output that is too large: for it, the child
    /// failed.
    fn end_as_child(&self, step: StepRef, status: RunStatus, max_payload: usize) -> Input {
        let (run, output, mut errors) = (self.id(), &self.state.output, self.state.errors.clone());
        let what = || format!("the output of the child run {run}");
        if let Err(error) = check_payload(what, output, max_payload) {
            errors.push(RunError { path: "output".to_owned(), attempt: 0, error: error.into() });
            let status = RunStatus::Failed;
            return Input::ChildEnded { step, run, status, output: Value::Null, errors };
        }
        Input::ChildEnded { step, run, status, output: (**output).clone(), errors }
    }

    pub(super) fn outcome(&self) -> Outcome {
        Outcome {
            status: self.state.visible_status(),
            output: Arc::clone(&self.state.output),
            errors: self.state.errors.clone(),
        }
    }

    /// The earliest moment at which something is to be done without anybody asking.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        [self.state.next_timer(), self.flush_at].into_iter().flatten().min()
    }

    /// The same for a run that is about to be handed over.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        [self.state.next_deadline(), self.flush_at].into_iter().flatten().min()
    }

    /// Whether this is the failure of an attempt that was told to stop.
    pub(super) fn was_stopped(&self, input: &Input) -> bool {
        match input {
            Input::AttemptEnded { task, result: Err(_), .. } => {
                self.attempts.get(task).is_some_and(|it| it.stop.is_cancelled())
            }
            Input::AttemptEnded { result: Ok(_), .. }
            | Input::AttemptLost { .. }
            | Input::Observed { .. }
            | Input::Claim { .. }
            | Input::Revoked { .. }
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

    /// An attempt has ended, and the machine knows.
    pub(super) fn attempt_ended(&mut self, task: TaskRef) {
        let phase = self.state.execution(task).map(|it| &it.phase);
        let ended = |step: &StepSpan| phase.is_none_or(|phase| step.ends(phase));
        if self.steps.get(&task).is_some_and(ended) {
            self.steps.remove(&task);
        }
    }

    /// Takes back what waits for its turn on this node and has not begun.
    pub(super) fn recall(&self) {
        self.attempts.values().for_each(Attempt::recall);
    }

    /// Tells an attempt to stop, unless it must not be interrupted.
    pub(super) fn stop(&self, task: TaskRef) {
        if let Some(attempt) = self.attempts.get(&task) {
            attempt.stop();
        }
    }

    /// The run is not ours any more: attempts lose the fence at once, then their life.
    pub(super) fn lose(&self) {
        self.owned.store(false, Ordering::SeqCst);
        for attempt in self.attempts.values() {
            attempt.stop.cancel();
            attempt.abort.abort();
        }
    }

    pub(super) fn labels(&self) -> &BTreeMap<String, String> {
        &self.state.created.labels
    }
}

/// A message to a run: an input of its machine.
pub(crate) fn outgoing(to: RunId, dedup: &str, input: &Input) -> Outgoing {
    Outgoing { to, dedup: dedup.to_owned(), body: journal::json(input).into() }
}
