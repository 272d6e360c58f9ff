//! One line per event, for files and pipes.

use std::{collections::HashMap, fmt::Write};

use rackwright_engine::{
    api::RunEvent,
    machine::{Event, Opening, SkipReason},
    model::{RunId, Timestamp},
    step::Observation,
};

use super::Family;
use crate::tree::{elapsed, one_line};

/// Says what happens in lines. Remembers when attempts started and what was reported.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    started: HashMap<(RunId, String), Timestamp>,
    /// The last report of each step: the same again is not worth a line.
    reported: HashMap<(RunId, String), String>,
    /// Several runs are shown: lines begin with the run.
    named: bool,
}

impl Lines {
    /// `named`: lines begin with the run.
    pub(crate) fn new(named: bool) -> Self {
        Self { named, ..Self::default() }
    }

    /// The line of an event; not every event is worth one.
    pub(crate) fn line(&mut self, family: &Family, event: &RunEvent) -> Option<String> {
        let begun = family.view(family.root())?.created_at();
        let path = event.path.as_deref().unwrap_or_default();
        let (subject, text) = self.told(family, event, path)?;
        let mut line = format!("{:>8}  ", elapsed(event.at.since(begun)));
        if self.named {
            let _ = write!(line, "{}  ", family.root());
        }
        line.push_str(&subject);
        if !subject.is_empty() {
            line.push_str("  ");
        }
        line.push_str(&text);
        Some(line)
    }

    fn told(&mut self, family: &Family, event: &RunEvent, path: &str) -> Option<(String, String)> {
        let run = event.run;
        let subject = match event.path {
            Some(_) => family.path(run, path),
            None => family.prefix(run).unwrap_or_default().to_owned(),
        };
        let text = match &event.event {
            Event::Created(created) if run == family.root() => {
                format!("run {run} of {} begins", created.workflow)
            }
            Event::Claimed { epoch, .. } if *epoch > 1 => "taken over".to_owned(),
            Event::Started { attempt, .. } => {
                self.started.insert((run, path.to_owned()), event.at);
                format!("attempt {attempt} started")
            }
            Event::Completed { .. } => match self.started.remove(&(run, path.to_owned())) {
                Some(started) => format!("completed in {}", elapsed(event.at.since(started))),
                None => "completed".to_owned(),
            },
            Event::Failed { error, retry_at, .. } => {
                let mut text = format!("failed: {}: {}", error.code, one_line(&error.message));
                match retry_at {
                    Some(at) => {
                        let delay = elapsed(at.since(event.at));
                        let _ = write!(text, "; next attempt in {delay}");
                    }
                    None => {
                        if let Some(hint) = &error.hint {
                            let _ = write!(text, " (hint: {})", one_line(hint));
                        }
                    }
                }
                text
            }
            Event::Interrupted { .. } => "interrupted".to_owned(),
            Event::ObserveStarted { .. } => "looking at the target".to_owned(),
            Event::Observed { seen, .. } => observed(seen).to_owned(),
            Event::ObserveFailed { error, retry_at, .. } => {
                let again = if retry_at.is_some() { "; looking again" } else { "" };
                format!("can't look at the target: {}{again}", one_line(&error.message))
            }
            Event::Resolved { verdict, by, reason, .. } => {
                let verdict = match verdict {
                    rackwright_engine::machine::Verdict::Retry => "retry",
                    rackwright_engine::machine::Verdict::Done(_) => "done",
                    rackwright_engine::machine::Verdict::Failed => "failed",
                };
                format!("{by} says {verdict}: {}", one_line(reason))
            }
            Event::Reported { report, .. } => {
                let mut text = format!("- {}", one_line(&report.title));
                if let Some(percent) = report.percent {
                    let _ = write!(text, " {percent}%");
                }
                if self.reported.insert((run, path.to_owned()), text.clone()).as_ref() == Some(&text)
                {
                    return None;
                }
                text
            }
            Event::Skipped { reason, .. } => match reason {
                SkipReason::Condition => "skipped".to_owned(),
                SkipReason::Jump => "skipped by a jump".to_owned(),
                SkipReason::ScopeEnded => return None,
            },
            Event::Opened { opening: Opening::Map(items), .. } => {
                format!("goes through {} items", items.len())
            }
            Event::ChildStarted { run, .. } => format!("child run {run}"),
            Event::ChildEnded { status, .. } => status.to_string(),
            Event::TimedOut { .. } => "ran out of time".to_owned(),
            Event::CancelRequested(cancel) => {
                let why = cancel.reason.as_ref().map(|why| format!(": {}", one_line(why)));
                format!("cancelled by {}{}", cancel.by, why.unwrap_or_default())
            }
            Event::Ended { status, .. } if run == family.root() => format!("run {run} {status}"),
            Event::Created(_)
            | Event::Claimed { .. }
            | Event::Saved { .. }
            | Event::Opened { .. }
            | Event::ItemsStarted { .. }
            | Event::Closed { .. }
            | Event::Ended { .. } => return None,
        };
        Some((subject, text))
    }
}

const fn observed(seen: &Observation) -> &'static str {
    match seen {
        Observation::Done(_) => "the target shows that it is done",
        Observation::NotDone => "the target shows that it is not done",
        Observation::InProgress(_) => "the target shows that it is under way",
        Observation::Unknown(_) => "the target does not show whether it is done: waits for a person",
    }
}
