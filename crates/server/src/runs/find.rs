//! Finding a run by what a person types.

use rackwright_engine::{
    Client, RunId,
    store::{RunFilter, RunRecord},
};

use crate::exit::{Failure, Outcome};

/// How many candidates are told.
const TOLD: usize = 5;

/// The run of an id, of the beginning of one, or the newest at the top (`last`).
pub(crate) async fn find(client: &Client, name: &str) -> Outcome<RunId> {
    if let Ok(run) = name.parse::<RunId>() {
        client.record(run).await?;
        return Ok(run);
    }
    let prefix = name.to_ascii_lowercase();
    let wanted = |record: &RunRecord| match prefix.as_str() {
        "last" => record.parent.is_none(),
        _ => record.id.to_string().starts_with(&prefix),
    };
    // Of runs that begin alike, one more than are told.
    let enough = if prefix == "last" { 1 } else { TOLD + 1 };
    let mut found = Vec::new();
    let mut filter = RunFilter { limit: 1000, ..RunFilter::default() };
    if prefix.is_empty() {
        return Err(Failure::usage("a run's id is missing"));
    }
    loop {
        let page = client.runs(&filter).await?;
        found.extend(page.iter().filter(|record| wanted(record)).map(|record| record.id));
        if prefix == "last" {
            found.truncate(1);
        }
        let full = page.len() == filter.limit as usize;
        match page.last() {
            Some(last) if full && found.len() < enough => {
                filter.before = Some(last.id);
            }
            Some(_) | None => break,
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] if prefix == "last" => Err(Failure::usage("there are no runs yet")),
        [] => Err(Failure::usage(format!("there is no run `{name}`"))
            .hint("`rackwright runs list --all` shows the ids")),
        many => {
            let ids: Vec<_> = many.iter().take(TOLD).map(ToString::to_string).collect();
            let text = format!("several runs begin with `{name}`:\n  {}", ids.join("\n  "));
            Err(Failure::usage(text))
        }
    }
}
