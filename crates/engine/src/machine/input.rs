//! What happens to a run from outside: the results of its attempts, messages, time.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    approval::ApprovalAnswer,
    control::{Control, cancelled, followed, pass_on, refused},
    decide::{Env, Turn, advance, task_plan},
    event::{Event, Order, RunError, StepRef, TaskRef, Verdict},
    holding::{holds, revoke_ended},
    lock::Queued,
    signal::SentSignal,
    state::{IllegalEvent, Inner, Phase, RunState},
    view::View,
    window::WindowInput,
};
#[cfg(feature = "testing")]
use crate::model::planted;
use crate::{
    graph::{Delays, Plan},
    model::{Backoff, ErrorClass, NodeId, RunId, RunStatus, StepError, Version},
    step::{Effect, Holding, Observation, SubtaskReport},
};

/// Something that happened. Inputs that the state has left behind (the result of an attempt that
/// is not under way, the end of a child that nobody waits for) change nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A node takes the run over.
    Claim {
        /// The node.
        node: NodeId,
        /// The number of the ownership.
        epoch: u64,
    },
    /// An attempt ended.
    AttemptEnded {
        /// Of what.
        task: TaskRef,
        /// Its number.
        attempt: u32,
        /// How.
        result: Result<Value, StepError>,
    },
    /// An attempt was broken off on this node; nobody knows how far it came.
    AttemptLost {
        /// Of what.
        task: TaskRef,
        /// Its number.
        attempt: u32,
    },
    /// An observation ended.
    Observed {
        /// For what.
        task: TaskRef,
        /// How.
        result: Result<Observation, StepError>,
    },
    /// An attempt saves progress.
    Save {
        /// Of what.
        task: TaskRef,
        /// Its number.
        attempt: u32,
        /// The progress.
        progress: Value,
    },
    /// An attempt is about to act with something that can be taken from it.
    Hold {
        /// Of what.
        task: TaskRef,
        /// Its number.
        attempt: u32,
        /// With what.
        holding: Holding,
    },
    /// An attempt gave a holding back.
    Release {
        /// Of what.
        task: TaskRef,
        /// Its number.
        attempt: u32,
        /// Which.
        holding: Holding,
    },
    /// Revoking ended.
    Revoked {
        /// Of what.
        task: TaskRef,
        /// How.
        result: Result<(), StepError>,
    },
    /// An attempt reports a sub-task.
    Report {
        /// Of what.
        task: TaskRef,
        /// When, by the database's clock.
        at: crate::model::Timestamp,
        /// What.
        report: SubtaskReport,
    },
    /// A child run ended.
    ChildEnded {
        /// The step that waits for it.
        step: StepRef,
        /// The child.
        run: RunId,
        /// How.
        status: RunStatus,
        /// What it gave.
        output: Value,
        /// The errors it gathered.
        errors: Vec<RunError>,
    },
    /// What was asked for is held: the store's word.
    LocksGranted {
        /// The step; none: the run itself.
        step: Option<StepRef>,
        /// The number of the request.
        request: u32,
    },
    /// A person lets the run go on although its owners died again and again.
    QuarantineReleased {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// How often it had been taken from dead owners in a row.
        takeovers: u32,
    },
    /// Somebody wants the run to stop.
    Cancel(Order),
    /// An operator gives another order.
    Control(Control),
    /// Somebody wants the run to be one of another version. It takes two plans, so that whoever
    /// has them sees to it ([`movable`](super::movable), [`RunState::apply_move`]).
    Migrate {
        /// The version.
        version: Version,
        /// Who, and why.
        order: Order,
    },
    /// A person decided about a task in attention.
    Resolve {
        /// The step's path; ends in `/cleanup` or `/undo` for an obligation.
        path: String,
        /// What.
        verdict: Verdict,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Something about maintenance windows.
    Window(WindowInput),
    /// Somebody sent a signal.
    Signal(SentSignal),
    /// Somebody answered an approval.
    Approve {
        /// The path of the step that asks.
        path: String,
        /// What they say.
        answer: ApprovalAnswer,
    },
    /// Time has passed.
    Tick,
}

/// Applies an input and everything that follows from it. Adds to `turn`.
///
/// # Errors
/// [`IllegalEvent`] would be a defect of the machine.
pub fn react(
    plan: &Plan,
    state: &mut RunState,
    input: Input,
    env: &mut Env<'_>,
    turn: &mut Turn,
) -> Result<(), IllegalEvent> {
    absorb(plan, state, input, env, turn)?;
    advance(plan, state, env, turn)
}

/// Applies an input without deciding what follows, but for orders that child runs are told: for a
/// node that is about to stop, or takes in more before it decides. The next owner's fold finds
/// what is left to decide.
///
/// # Errors
/// [`IllegalEvent`] would be a defect of the machine.
pub fn absorb(
    plan: &Plan,
    state: &mut RunState,
    input: Input,
    env: &mut Env<'_>,
    turn: &mut Turn,
) -> Result<(), IllegalEvent> {
    if input == Input::Window(WindowInput::Changed) {
        state.look_at_windows();
    }
    if let Some(event) = event_of(plan, state, input, env) {
        state.apply(plan, &event, env.now)?;
        pass_on(state, &event, &mut turn.commands);
        turn.events.push(event);
    }
    Ok(())
}

fn event_of(plan: &Plan, state: &RunState, input: Input, env: &mut Env<'_>) -> Option<Event> {
    if state.status.is_ended() {
        return None;
    }
    match input {
        Input::Claim { node, epoch } => Some(Event::Claimed { node, epoch }),
        Input::AttemptEnded { task, attempt, result } => {
            if !is_under_way(state, task, attempt) {
                return None;
            }
            Some(match result {
                Ok(output) => Event::Completed { task, output: Arc::new(output) },
                Err(error) => attempt_failed(plan, state, task, error, env),
            })
        }
        Input::AttemptLost { task, attempt } => {
            is_under_way(state, task, attempt).then_some(Event::Interrupted { task })
        }
        Input::Observed { task, result } => observed(state, task, result, env),
        Input::Save { task, attempt, progress } => is_under_way(state, task, attempt)
            .then(|| Event::Saved { task, progress: Arc::new(progress) }),
        Input::Hold { task, attempt, holding } => (is_under_way(state, task, attempt)
            && !holds(state, task, &holding))
        .then_some(Event::Held { task, holding }),
        Input::Release { task, attempt, holding } => (is_under_way(state, task, attempt)
            && holds(state, task, &holding))
        .then_some(Event::Released { task, holding }),
        Input::Revoked { task, result } => revoke_ended(state, task, result, env),
        Input::Report { task, at, report } => {
            state.execution(task).map(|_| Event::Reported { task, at, report })
        }
        Input::ChildEnded { step, run, status, output, errors } => {
            let waiting = state.steps.get(step.0 as usize)?;
            let waits = matches!(waiting.inner, Inner::Child(child) if child == run)
                && waiting.main.phase == Phase::Running;
            let output = Arc::new(output);
            waits.then_some(Event::ChildEnded { step, status, output, errors })
        }
        Input::LocksGranted { step, request } => {
            let queued = match step {
                Some(step) => state.queued(step),
                None => state.run_queued(),
            };
            let waits = |queued: &&Queued| !queued.granted && queued.request == request;
            queued.filter(waits).map(|_| Event::LocksGranted { step })
        }
        Input::QuarantineReleased { by, reason, takeovers } => {
            Some(Event::QuarantineReleased { by, reason, takeovers })
        }
        Input::Cancel(order) => cancelled(state, order),
        Input::Control(control) => followed(plan, state, &control),
        Input::Resolve { path, verdict, by, reason } => {
            let Some(task) = task_in_attention(plan, state, &path) else {
                let why = format!("`{path}` does not wait for a person any more");
                return refused(state, "resolve", &by, why);
            };
            Some(Event::Resolved { task, verdict, by, reason })
        }
        Input::Window(WindowInput::Override { path, by, reason }) => {
            state.overridden(plan, path.as_deref(), by, reason)
        }
        Input::Signal(signal) => state.received(plan, signal),
        Input::Approve { path, answer } => state.answered(plan, &path, answer, env.now),
        Input::Migrate { order, .. } => {
            refused(state, "migrate", &order.by, "nobody has its new plan".to_owned())
        }
        Input::Window(WindowInput::Changed) | Input::Tick => None,
    }
}

/// What a look at the target leads to.
fn observed(
    state: &RunState,
    task: TaskRef,
    result: Result<Observation, StepError>,
    env: &Env<'_>,
) -> Option<Event> {
    let execution = state.execution(task)?;
    if execution.phase != Phase::Observing {
        return None;
    }
    let failures = execution.observe_failures;
    Some(match result {
        Ok(seen) => Event::Observed { task, seen },
        Err(error) => {
            let again = failures + 1 < OBSERVATIONS;
            let delay = OBSERVE.after(failures + 1, 0.5);
            let retry_at = again.then(|| env.now.after(delay));
            Event::ObserveFailed { task, error: Arc::new(error), retry_at }
        }
    })
}

/// How a failed observation, or revoke, is repeated before a person is asked.
pub(super) const OBSERVATIONS: u32 = 6;
pub(super) const OBSERVE: Delays = Delays {
    backoff: Backoff::Exponential,
    delay: Duration::from_secs(2),
    max_delay: Some(Duration::from_secs(30)),
    jitter: 0.0,
};

fn is_under_way(state: &RunState, task: TaskRef, attempt: u32) -> bool {
    let execution = state.execution(task);
    execution.is_some_and(|it| it.phase == Phase::Running && it.attempt == attempt)
}

/// What a failed attempt leads to: another one, a look at the target, or the end of it.
fn attempt_failed(
    plan: &Plan,
    state: &RunState,
    task: TaskRef,
    error: StepError,
    env: &mut Env<'_>,
) -> Event {
    let attempt = state.execution(task).map_or(1, |it| it.attempt);
    let called = task_plan(plan, state, task);
    let retry = called.and_then(|called| called.retry.as_ref());
    let retry = retry.filter(|retry| retry.covers(error.class) && !state.is_stopped(task));
    let unknown = match error.class {
        ErrorClass::Timeout | ErrorClass::UnknownOutcome => true,
        // It stopped, but nobody knows how far it had come; unless it had not begun.
        ErrorClass::Cancelled => {
            let touched = state.execution(task).is_some_and(|it| it.saved.is_some());
            let told = state.is_stopped(task) || state.waits_for_release();
            told && (touched || error.code != StepError::NOT_BEGUN)
        }
        ErrorClass::Transient
        | ErrorClass::Permanent
        | ErrorClass::Unauthorized
        | ErrorClass::Conflict => false,
    };
    let observe = unknown && called.is_some_and(|called| called.effect == Effect::Verify);
    let mut error = error;
    let retry_at = match retry.map(|retry| retry.eval(&View::of(plan, state, task))) {
        Some(Ok((attempts, delays))) => (attempt < allowed(attempts)).then(|| {
            #[expect(clippy::cast_precision_loss, reason = "53 random bits are plenty for jitter")]
            let random = ((env.random)() >> 11) as f64 / (1u64 << 53) as f64;
            env.now.after(delays.after(attempt, random))
        }),
        // The attempt started with a usable policy, so this is not expected; what the attempt
        // failed of is kept.
        Some(Err(unusable)) => {
            let failed = json!({ "failed": error, "details": unusable.details });
            error = unusable.details(failed);
            None
        }
        None => None,
    };
    Event::Failed { task, error: Arc::new(error), retry_at, observe }
}

/// How many attempts a policy of so many allows: so many, if the engine is sound.
fn allowed(attempts: u32) -> u32 {
    #[cfg(feature = "testing")]
    if planted::is_planted(planted::Defect::Retry) {
        return attempts + 1;
    }
    attempts
}

/// Finds what waits for a person by its path; there are few of them.
fn task_in_attention(plan: &Plan, state: &RunState, path: &str) -> Option<TaskRef> {
    let steps = (0..).map(StepRef).take(state.steps.len());
    steps.flat_map(TaskRef::all_of).find(|task| {
        state.execution(*task).is_some_and(|it| matches!(it.phase, Phase::Attention(_)))
            && state.task_path(plan, *task) == path
    })
}
