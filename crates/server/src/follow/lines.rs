//! One line per event, for files and pipes.

use std::{collections::HashMap, fmt::Write};

use rackwright_engine::{
    api::RunEvent,
    machine::{
        ApprovalEvent, Event, Opening, Order, RepeatEvent, SignalEvent, SkipReason, Verdict,
        WindowEvent,
    },
    model::{LockClaim, RunId, StepError, Timestamp},
    step::{Holding, Observation},
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
        Some((subject, self.text(family, event, path)?))
    }

    fn text(&mut self, family: &Family, event: &RunEvent, path: &str) -> Option<String> {
        let run = event.run;
        Some(match &event.event {
            Event::Created(created) if run == family.root() => {
                format!("run {run} of {} begins", created.workflow)
            }
            Event::Ended { status, .. } if run == family.root() => format!("run {run} {status}"),
            Event::Claimed { epoch, .. } if *epoch > 1 => "taken over".to_owned(),
            Event::QuarantineReleased { by, reason, .. } => {
                format!("let out of quarantine by {by}: {}", one_line(reason))
            }
            Event::CancelRequested(order) => said("cancelled", order),
            Event::Paused(order) => said("paused", order),
            Event::Resumed(order) => said("resumed", order),
            Event::EmergencyStopped(order) => said("stopped at once", order),
            Event::EmergencyReleased(order) => said("released", order),
            Event::Migrated { version, order } => {
                format!("{}, to version {version:?}", said("moved", order))
            }
            Event::ControlRefused { action, by, why } => {
                format!("{by} wanted to {action}, too late: {why}")
            }
            Event::SkippedBy { by, reason, .. } => format!("{by} skips it: {}", one_line(reason)),
            Event::MarkedDone { by, reason, .. } => marked_done(by, reason),
            Event::Reused { .. } => "as the run before left it".to_owned(),
            Event::Skipped { reason: SkipReason::Condition, .. } => "skipped".to_owned(),
            Event::Skipped { reason: SkipReason::Jump, .. } => "skipped by a jump".to_owned(),
            Event::Skipped { reason: SkipReason::Operator, .. } => "skipped as told".to_owned(),
            Event::Opened { opening, .. } => of_opening(opening)?,
            Event::WaveSoaking { wave, until, .. } => {
                let time = elapsed(until.since(event.at));
                format!("wave {} is done; going on in {time}", wave + 1)
            }
            Event::GateOpened { wave, .. } => format!("gate of wave {}", wave + 1),
            Event::WavePassed { wave, .. } => format!("wave {} has passed", wave + 1),
            Event::RolloutUndone { .. } => "what it had done is taken back".to_owned(),
            Event::ChildStarted { run, .. } => format!("child run {run}"),
            Event::ChildEnded { status, .. } => status.to_string(),
            Event::TimedOut { .. } => "ran out of time".to_owned(),
            Event::RunTimedOut => "the run ran out of time: it is stopped".to_owned(),
            Event::Finishing { status, .. } => format!("is about to end: {status}"),
            Event::LocksWanted { claims, .. } => wants(claims),
            Event::LocksRefused { error } => failed(error, None),
            Event::ScopeFailed { error, .. } => {
                format!("its output can't be computed: {}", one_line(&error.message))
            }
            Event::Window { what, .. } => of_window(what, event.at),
            Event::WaitStarted { until, .. } => {
                format!("waits {}, until {until}", elapsed(until.since(event.at)))
            }
            Event::Repeat { what, .. } => of_repeat(what, event.at)?,
            Event::Signal { what, .. } => of_signal(what),
            Event::Approval { what, .. } => of_approval(what),
            Event::Started { .. }
            | Event::Completed { .. }
            | Event::Failed { .. }
            | Event::Interrupted { .. }
            | Event::ObserveStarted { .. }
            | Event::Observed { .. }
            | Event::ObserveFailed { .. }
            | Event::Held { .. }
            | Event::Released { .. }
            | Event::RevokeStarted { .. }
            | Event::Revoked { .. }
            | Event::RevokeFailed { .. }
            | Event::Resolved { .. }
            | Event::Reported { .. } => self.of_attempt(event, path)?,
            Event::Created(_)
            | Event::Claimed { .. }
            | Event::Saved { .. }
            | Event::Skipped { reason: SkipReason::ScopeEnded, .. }
            | Event::ItemsStarted { .. }
            | Event::Closed { .. }
            | Event::LocksGranted { .. }
            | Event::Ended { .. } => return None,
        })
    }

    /// What happens to an attempt.
    fn of_attempt(&mut self, event: &RunEvent, path: &str) -> Option<String> {
        let key = (event.run, path.to_owned());
        Some(match &event.event {
            Event::Started { attempt, .. } => {
                self.started.insert(key, event.at);
                format!("attempt {attempt} started")
            }
            Event::Completed { .. } => match self.started.remove(&key) {
                Some(started) => format!("completed in {}", elapsed(event.at.since(started))),
                None => "completed".to_owned(),
            },
            Event::Failed { error, retry_at, .. } => {
                let again = retry_at.map(|at| elapsed(at.since(event.at)));
                failed(error, again.as_deref())
            }
            Event::Interrupted { .. } => "interrupted".to_owned(),
            Event::ObserveStarted { .. } => "looking at the target".to_owned(),
            Event::Observed { seen, .. } => observed(seen).to_owned(),
            Event::ObserveFailed { error, retry_at, .. } => {
                let again = if retry_at.is_some() { "; looking again" } else { "" };
                format!("can't look at the target: {}{again}", one_line(&error.message))
            }
            Event::Held { holding, .. } => format!("holds {}", one_line(&holding.to_string())),
            Event::Released { holding, .. } => gave_back(holding),
            Event::RevokeStarted { .. } => "revoking what an attempt held".to_owned(),
            Event::Revoked { .. } => "revoked".to_owned(),
            Event::RevokeFailed { error, retry_at, .. } => {
                let again = if retry_at.is_some() { "; trying again" } else { "" };
                format!("can't revoke: {}{again}", one_line(&error.message))
            }
            Event::Resolved { verdict, by, reason, .. } => {
                format!("{by} says {}: {}", of_verdict(verdict), one_line(reason))
            }
            Event::Reported { report, .. } => {
                let mut text = format!("- {}", one_line(&report.title));
                if let Some(percent) = report.percent {
                    let _ = write!(text, " {percent}%");
                }
                let before = self.reported.insert(key, text.clone());
                return (before.as_ref() != Some(&text)).then_some(text);
            }
            Event::Created(_)
            | Event::Claimed { .. }
            | Event::Saved { .. }
            | Event::Skipped { .. }
            | Event::Opened { .. }
            | Event::ItemsStarted { .. }
            | Event::ScopeFailed { .. }
            | Event::WaveSoaking { .. }
            | Event::GateOpened { .. }
            | Event::WavePassed { .. }
            | Event::RolloutUndone { .. }
            | Event::WaitStarted { .. }
            | Event::Signal { .. }
            | Event::Approval { .. }
            | Event::Repeat { .. }
            | Event::Closed { .. }
            | Event::ChildStarted { .. }
            | Event::ChildEnded { .. }
            | Event::TimedOut { .. }
            | Event::Window { .. }
            | Event::LocksWanted { .. }
            | Event::LocksGranted { .. }
            | Event::LocksRefused { .. }
            | Event::QuarantineReleased { .. }
            | Event::CancelRequested(_)
            | Event::RunTimedOut
            | Event::Finishing { .. }
            | Event::Paused(_)
            | Event::Resumed(_)
            | Event::EmergencyStopped(_)
            | Event::EmergencyReleased(_)
            | Event::SkippedBy { .. }
            | Event::MarkedDone { .. }
            | Event::Reused { .. }
            | Event::ControlRefused { .. }
            | Event::Migrated { .. }
            | Event::Ended { .. } => return None,
        })
    }
}

fn of_window(what: &WindowEvent, at: Timestamp) -> String {
    match what {
        WindowEvent::Awaited(wait) => match wait.opens {
            Some(opens) => format!(
                "waits for window {}, which opens in {} ({opens})",
                wait.window,
                elapsed(opens.since(at))
            ),
            None => format!("waits for window {}, which is switched off", wait.window),
        },
        WindowEvent::Entered { window, closes } => {
            format!("in window {window}, for {}", elapsed(closes.since(at)))
        }
        WindowEvent::Overridden { by, reason } => {
            format!("{by} says not to wait for the window: {}", one_line(reason))
        }
    }
}

fn wants(claims: &[LockClaim]) -> String {
    let names: Vec<_> = claims.iter().map(ToString::to_string).collect();
    format!("wants {}", names.join(", "))
}

fn of_repeat(what: &RepeatEvent, at: Timestamp) -> Option<String> {
    match what {
        RepeatEvent::Paused { until } => {
            Some(format!("not yet; again in {}", elapsed(until.since(at))))
        }
        RepeatEvent::Started { iteration } => Some(format!("iteration {iteration}")),
        RepeatEvent::Met => None,
    }
}

fn of_signal(what: &SignalEvent) -> String {
    match what {
        SignalEvent::Awaited => "waits for its signal".to_owned(),
        SignalEvent::Received(signal) => {
            format!("signal `{}` from {}", signal.name, one_line(&signal.by))
        }
        SignalEvent::Taken => "has its signal".to_owned(),
    }
}

fn of_approval(what: &ApprovalEvent) -> String {
    match what {
        ApprovalEvent::Asked(ask) => format!("waits for an approval: {}", one_line(&ask.message)),
        ApprovalEvent::Answered(decided) => {
            let word = if decided.approved { "approved" } else { "rejected" };
            let by = decided.by.as_deref().unwrap_or("the time that ran out");
            let why = decided.reason.as_ref().map(|why| format!(": {}", one_line(why)));
            format!("{word} by {}{}", one_line(by), why.unwrap_or_default())
        }
    }
}

/// An order, with who gave it and why.
fn said(what: &str, order: &Order) -> String {
    let why = order.reason.as_ref().map(|why| format!(": {}", one_line(why)));
    format!("{what} by {}{}", order.by, why.unwrap_or_default())
}

/// A hint is for who has to act: nobody, while there are attempts left.
fn failed(error: &StepError, again: Option<&str>) -> String {
    let text = format!("failed: {}: {}", error.code, one_line(&error.message));
    match (again, &error.hint) {
        (Some(delay), _) => format!("{text}; next attempt in {delay}"),
        (None, Some(hint)) => format!("{text} (hint: {})", one_line(hint)),
        (None, None) => text,
    }
}

const fn observed(seen: &Observation) -> &'static str {
    match seen {
        Observation::Done(_) => "the target shows that it is done",
        Observation::NotDone => "the target shows that it is not done",
        Observation::InProgress(_) => "the target shows that it is under way",
        Observation::Unknown(_) => {
            "the target does not show whether it is done: waits for a person"
        }
    }
}

/// What a container goes through; nothing of one that just opens.
fn of_opening(opening: &Opening) -> Option<String> {
    match opening {
        Opening::Map(items) => Some(format!("goes through {} items", items.len())),
        Opening::Rollout(waves) => {
            let (items, waves) = (waves.items.len(), waves.ends.len());
            Some(format!("goes through {items} items in {waves} waves"))
        }
        Opening::Scopes | Opening::Repeat | Opening::Choice(_) => None,
    }
}

fn of_verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Retry => "retry",
        Verdict::Done(_) => "done",
        Verdict::Failed => "failed",
    }
}

fn marked_done(by: &str, reason: &str) -> String {
    format!("{by} says it is done: {}", one_line(reason))
}

fn gave_back(holding: &Holding) -> String {
    format!("gave back {}", one_line(&holding.to_string()))
}
