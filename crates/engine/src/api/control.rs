//! Orders to runs: each is checked against the state that the journal tells, sent, and can be
//! followed until the run's journal says what became of it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{Client, EngineError, RunView};
use crate::{
    machine::{Control, Event, Input, Order, Verdict, cancellable},
    model::{RunId, RunStatus},
    store::RunFilter,
};

/// How often the journal is asked what became of an order.
const POLL: Duration = Duration::from_millis(50);

/// An order that is on its way to a run.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The run.
    pub run: RunId,
    input: Input,
    /// The first journal row that can tell of it; none: the run's state tells.
    from: Option<u64>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is recorded, and followed.
    Followed,
    /// The run had moved on; this is why it could not be followed.
    Refused(String),
    /// The run ended before it came.
    Ended(RunStatus),
    /// Nothing is recorded yet: nobody carries the run on, or its node is busy.
    NotYet,
}

impl Client {
    /// Asks a run to stop: attempts are told, nothing more starts, cleanups are performed.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if the run has ended, or was cancelled before.
    pub async fn cancel(
        &self,
        run: RunId,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Sent, EngineError> {
        let (view, from) = self.unended(run).await?;
        cancellable(view.state()).map_err(|why| refused(run, &why))?;
        self.order(run, from, "cancel", Input::Cancel(order(by, reason))).await
    }

    /// Asks for nothing new to start: what runs is finished and recorded, then the run rests as
    /// [`RunStatus::Paused`] until [`Client::resume`]. Child runs are paused with it.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if the run has ended or is paused.
    pub async fn pause(
        &self,
        run: RunId,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Sent, EngineError> {
        self.control(run, Control::Pause(order(by, reason))).await
    }

    /// Lets a paused run and its child runs go on.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if the run is not paused.
    pub async fn resume(
        &self,
        run: RunId,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Sent, EngineError> {
        self.control(run, Control::Resume(order(by, reason))).await
    }

    /// Stops a run at once: what can be interrupted is told, nothing starts, and what it owes waits
    /// for [`Client::release`]. Child runs are stopped with it.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if the run has ended or is stopped already.
    pub async fn emergency_stop(
        &self,
        run: RunId,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Sent, EngineError> {
        self.control(run, Control::EmergencyStop(order(by, reason))).await
    }

    /// Stops all runs at once that match and have not ended; see [`Client::emergency_stop`]. They
    /// are told without a look at their journals: a run that was stopped before refuses. The
    /// filter's limit is the size of a page, not of the whole.
    ///
    /// # Errors
    /// What the store says; runs that were told before stay told.
    pub async fn emergency_stop_all(
        &self,
        filter: &RunFilter,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Vec<Sent>, EngineError> {
        let mut filter = filter.clone();
        filter.limit = filter.limit.max(1);
        filter.status.retain(|status| !status.is_ended());
        if filter.status.is_empty() {
            filter.status = RunStatus::ALL.into_iter().filter(|it| !it.is_ended()).collect();
        }
        let input = Input::Control(Control::EmergencyStop(order(by, reason)));
        let mut sent = Vec::new();
        loop {
            let page = self.store.runs(&filter).await?;
            for record in &page {
                sent.push(self.order(record.id, None, "emergency stop", input.clone()).await?);
            }
            match page.last() {
                Some(last) if page.len() == filter.limit as usize => filter.before = Some(last.id),
                Some(_) | None => return Ok(sent),
            }
        }
    }

    /// Lets a run that was stopped in an emergency meet its obligations; it ends as cancelled.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if the run does not wait for that.
    pub async fn release(
        &self,
        run: RunId,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Sent, EngineError> {
        self.control(run, Control::Release(order(by, reason))).await
    }

    /// Skips a step that is pending, waits for its next attempt or for a person: it counts as met.
    /// One that still waits for others is skipped when its turn comes. Also an obligation
    /// (`…/cleanup`, `…/undo`) that waits for its next attempt or for a person.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if there is no such step, or it is under way or final.
    pub async fn skip(
        &self,
        run: RunId,
        path: &str,
        by: &str,
        reason: &str,
    ) -> Result<Sent, EngineError> {
        let (path, by, reason) = (path.to_owned(), by.to_owned(), reason.to_owned());
        self.control(run, Control::Skip { path, by, reason }).await
    }

    /// Says that a step was done by other means, with this output: it counts as completed, and what
    /// it leaves to be cleaned up is owed. For steps as [`Client::skip`] takes them.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if there is no such step, or it is under way or final.
    pub async fn mark_done(
        &self,
        run: RunId,
        path: &str,
        output: Value,
        by: &str,
        reason: &str,
    ) -> Result<Sent, EngineError> {
        self.check_size(|| format!("the output given to step `{path}`"), &output)?;
        let (path, by, reason) = (path.to_owned(), by.to_owned(), reason.to_owned());
        self.control(run, Control::MarkDone { path, output, by, reason }).await
    }

    /// Gives an order to a run.
    ///
    /// # Errors
    /// [`EngineError::Refused`] with why, if the run as it stands can't follow it.
    pub async fn control(&self, run: RunId, control: Control) -> Result<Sent, EngineError> {
        let (view, from) = self.unended(run).await?;
        control.event(view.plan(), view.state()).map_err(|why| refused(run, &why))?;
        self.order(run, from, control.action(), Input::Control(control)).await
    }

    /// Decides about a step that waits for a person. `path` is the step's path, with `/cleanup` at
    /// its end for a cleanup.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if nothing of that path waits.
    pub async fn resolve(
        &self,
        run: RunId,
        path: &str,
        verdict: Verdict,
        by: &str,
        reason: &str,
    ) -> Result<Sent, EngineError> {
        if let Verdict::Done(output) = &verdict {
            self.check_size(|| format!("the output given to step `{path}`"), output)?;
        }
        let (view, from) = self.unended(run).await?;
        let waiting = view.in_attention();
        if !waiting.iter().any(|it| it == path) {
            let known = if waiting.is_empty() { "none".to_owned() } else { waiting.join(", ") };
            return Err(EngineError::Refused(format!(
                "no step `{path}` of run {run} waits for a person; those that do: {known}"
            )));
        }
        let input = Input::Resolve {
            path: path.to_owned(),
            verdict,
            by: by.to_owned(),
            reason: reason.to_owned(),
        };
        self.order(run, from, "resolve", input).await
    }

    /// Waits up to `patience` for the journal to tell what became of an order.
    ///
    /// # Errors
    /// [`EngineError::Journal`], or what the store says.
    pub async fn heard(&self, sent: &Sent, patience: Duration) -> Result<Heard, EngineError> {
        let run = sent.run;
        let deadline = Instant::now() + patience;
        let Some(mut next) = sent.from else { return self.heard_from_state(run, deadline).await };
        loop {
            let rows = self.journal(run, next).await?;
            for (row, events) in rows.iter().zip(self.events_of(run, &rows).await?) {
                let answer = events.into_iter().find_map(|(_, event)| answer(&sent.input, event));
                if let Some(answer) = answer {
                    return Ok(answer);
                }
                next = row.seq + 1;
            }
            if Instant::now() >= deadline {
                return Ok(Heard::NotYet);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether a run that was told without a look at its journal has been stopped.
    async fn heard_from_state(&self, run: RunId, deadline: Instant) -> Result<Heard, EngineError> {
        loop {
            let view = self.view(run).await?;
            if view.state().status.is_ended() {
                return Ok(Heard::Ended(view.state().status));
            }
            if view.state().waits_for_release() {
                return Ok(Heard::Followed);
            }
            if Instant::now() >= deadline {
                return Ok(Heard::NotYet);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// A run that has not ended, and the number of its next journal row.
    pub(super) async fn unended(&self, run: RunId) -> Result<(RunView, u64), EngineError> {
        let (view, next) = self.view_and_next(run).await?;
        let status = view.state().status;
        if status.is_ended() {
            return Err(EngineError::Refused(format!("run {run} has ended: {status}")));
        }
        Ok((view, next))
    }

    pub(super) async fn order(
        &self,
        run: RunId,
        from: impl Into<Option<u64>>,
        action: &str,
        input: Input,
    ) -> Result<Sent, EngineError> {
        // Each order counts: two that wait must not be taken for one.
        let key = format!("{action} {:016x}", rand::random::<u64>());
        self.tell(run, &key, &input).await?;
        Ok(Sent { run, input, from: from.into() })
    }
}

fn order(by: &str, reason: Option<&str>) -> Order {
    Order { by: by.to_owned(), reason: reason.map(str::to_owned) }
}

fn refused(run: RunId, why: &str) -> EngineError {
    EngineError::Refused(format!("run {run}: {why}"))
}

/// What an event says about an order.
fn answer(input: &Input, event: Event) -> Option<Heard> {
    if let Event::Ended { status, .. } = event {
        return Some(Heard::Ended(status));
    }
    let (action, by, followed) = if let Input::Cancel(order) = input {
        let followed = matches!(&event, Event::CancelRequested(it) if it == order);
        ("cancel", order.by.as_str(), followed)
    } else if let Input::Control(control) = input {
        (control.action(), control.by(), control.is_followed_by(&event))
    } else if let Input::Migrate { version, order } = input {
        let followed = matches!(&event, Event::Migrated { version: v, order: o }
            if (v, o) == (version, order));
        ("migrate", order.by.as_str(), followed)
    } else if let Input::Resolve { verdict, by, reason, .. } = input {
        let followed = matches!(&event, Event::Resolved { verdict: v, by: b, reason: r, .. }
            if (v, b, r) == (verdict, by, reason));
        ("resolve", by.as_str(), followed)
    } else {
        return None;
    };
    if followed {
        return Some(Heard::Followed);
    }
    if let Event::ControlRefused { action: refused, by: whose, why } = event
        && (refused.as_str(), whose.as_str()) == (action, by)
    {
        return Some(Heard::Refused(why));
    }
    None
}
