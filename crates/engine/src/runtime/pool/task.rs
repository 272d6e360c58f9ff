//! A call on its way to a worker.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    machine::{Call, Input, TaskRef},
    model::{ErrorClass, StepError},
    runtime::{attempt::Purpose, journal},
    store::{NewTask, TaskChange},
};

/// What a worker is given.
#[derive(Serialize, Deserialize)]
pub(super) struct PoolCall<'a> {
    pub(super) call: Cow<'a, Call>,
    pub(super) purpose: Purpose,
}

/// The name of a task in its run.
pub(crate) fn name(task: TaskRef) -> String {
    let number = task.step.0;
    task.role.name().map_or_else(|| number.to_string(), |role| format!("{number}/{role}"))
}

/// Puts a call into the queue of its pool, if it has one.
pub(super) fn put(call: &Call, purpose: Purpose) -> Option<TaskChange> {
    let pool = call.pool.clone()?;
    let (task, attempt) = (call.task, call.attempt);
    let told = "told to stop before a worker took it";
    let told = StepError::new(StepError::NOT_BEGUN, ErrorClass::Cancelled, told);
    let refused = purpose.refused(task, attempt, told);
    let lost = lost(call, &purpose);
    let call = PoolCall { call: Cow::Borrowed(call), purpose };
    Some(TaskChange::Put(Box::new(NewTask {
        task: name(task),
        pool,
        call: journal::json(&call).into(),
        lost: journal::json(&lost).into(),
        refused: journal::json(&refused).into(),
    })))
}

/// What is said of a call whose worker was lost, or gave it back: nobody knows how far it came.
pub(super) fn lost(call: &Call, purpose: &Purpose) -> Input {
    let (task, attempt) = (call.task, call.attempt);
    let error = || StepError::transient("engine.worker_lost", "the worker that looked was lost");
    match purpose {
        Purpose::Run => Input::AttemptLost { task, attempt },
        Purpose::Observe | Purpose::Revoke(_) => purpose.refused(task, attempt, error()),
    }
}
