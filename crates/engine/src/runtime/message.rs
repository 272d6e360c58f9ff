//! What shards are told.

use std::sync::{Arc, atomic::AtomicBool};

use serde_json::Value;
use tokio::sync::oneshot;

use super::active::ActiveRun;
use crate::{
    calendar::Windows,
    machine::{Created, Input, RunError},
    model::{RunId, RunStatus, StepError},
    store::InboxRow,
};

/// How a run stands when it has ended or waits for a person.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Ended, or [`RunStatus::Attention`].
    pub status: RunStatus,
    /// What the run gave; null unless it completed.
    pub output: Arc<Value>,
    /// What went wrong, in the order in which it did.
    pub errors: Vec<RunError>,
}

/// A run to be started.
pub(crate) struct Start {
    pub(crate) created: Created,
    pub(crate) deployed: Arc<super::plans::Deployed>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) reply: Option<oneshot::Sender<Result<Started, StepError>>>,
    pub(crate) wait: Option<oneshot::Sender<Outcome>>,
}

/// A run that is durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) run: RunId,
    /// Whether this call made it; otherwise an earlier one with the same key did.
    pub(crate) fresh: bool,
}

pub(crate) type Ack = oneshot::Sender<Result<(), StepError>>;

pub(crate) enum Message {
    Start(Box<Start>),
    /// A claimed run with its folded state, and the mail that waits for it.
    Adopt {
        run: Box<ActiveRun>,
        mail: Vec<InboxRow>,
    },
    /// The result of an attempt, saved progress, a report.
    Input {
        run: RunId,
        input: Input,
        ack: Option<Ack>,
        /// The ownership that the sender acted under; none: the node itself.
        from: Option<Arc<AtomicBool>>,
    },
    /// There may be mail for the run.
    Look(RunId),
    /// Mail that was read for the run.
    Mail {
        run: RunId,
        rows: Vec<InboxRow>,
    },
    /// Tell me when the run has ended or waits for a person. Answered by dropping the sender if
    /// the run is not here.
    Wait {
        run: RunId,
        reply: oneshot::Sender<Outcome>,
    },
    /// The maintenance windows have changed.
    Windows(Arc<Windows>),
    /// The node is drained, or not any more.
    HandOver(bool),
    /// The lease is lost: forget all runs.
    Abandon,
    /// Finish or checkpoint what runs, then end.
    Drain,
    /// The time for draining is over: break off what still runs.
    Abort,
}
