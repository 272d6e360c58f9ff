//! What an attempt brings from outside is bounded before it comes near the journal.

use crate::{
    machine::Call,
    model::{PayloadTooLarge, StepError, check_payload},
    step::Observation,
};

/// An attempt's output, unless it is too large.
pub(super) fn output<T: serde::Serialize>(
    call: &Call,
    output: T,
    max: usize,
) -> Result<T, StepError> {
    check_payload(|| format!("the output of `{}`", call.uses), &output, max)?;
    Ok(output)
}

/// What an observation saw, unless it is too large.
pub(super) fn seen(call: &Call, seen: Observation, max: usize) -> Result<Observation, StepError> {
    let (what, value) = match &seen {
        Observation::NotDone => return Ok(seen),
        Observation::Done(output) => ("output", output),
        Observation::InProgress(progress) => ("progress", progress),
        Observation::Unknown(evidence) => ("evidence", evidence),
    };
    let what = || format!("the {what} that `{}` observed", call.uses);
    check_payload(what, value, max)?;
    Ok(seen)
}

/// The same for what an attempt saves or holds.
pub(super) fn kept(
    what: &str,
    path: &str,
    value: &impl serde::Serialize,
    max: usize,
) -> Result<(), PayloadTooLarge> {
    check_payload(|| format!("the {what} of step `{path}`"), value, max)
}
