//! What `--json` prints.

use anyhow::{Context, Result};
use rackwright_tests::{pace::LIMIT, place::Place};
use serde_json::Value;

/// What `runs show` says of the newest run.
pub(crate) async fn last(place: &Place) -> Result<Value> {
    let shown = place.rackwright(&["runs", "show", "last", "--json"])?.run(LIMIT).await?;
    Ok(serde_json::from_str(&shown.expect(0)?.stdout)?)
}

/// The steps of the machine of this number.
pub(crate) fn steps_of(run: &Value, machine: usize) -> Result<&Vec<Value>> {
    let steps = &run["steps"][0]["steps"][machine]["steps"][0]["steps"];
    steps.as_array().with_context(|| format!("machine {machine} has no steps: {run}"))
}

/// A number that has to be there.
pub(crate) fn number(value: &Value) -> Result<i64> {
    value.as_i64().with_context(|| format!("{value} is no number"))
}
