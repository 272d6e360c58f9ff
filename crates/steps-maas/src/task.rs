//! One step at work on one machine: its sub-tasks, its waits, its errors.

use std::time::Duration;

use rackwright_engine::{
    StepContext,
    model::{ErrorClass, HumanDuration, StepError},
};

use crate::{client::Client, register::Maas, view::Machine};

/// How often MAAS is asked, unless the input says otherwise.
pub(crate) const POLL: HumanDuration = HumanDuration(Duration::from_secs(5));

pub(crate) const fn default_poll() -> HumanDuration {
    POLL
}

pub(crate) fn default_credential() -> String {
    "maas".to_owned()
}

/// One step at work on one machine.
pub(crate) struct Task<'a> {
    pub(crate) ctx: &'a StepContext,
    pub(crate) client: Client,
    /// The machine as the input names it; its host name once it is known.
    name: String,
    /// The sub-task under way.
    title: String,
}

impl<'a> Task<'a> {
    /// Takes up the work on the machine of that name, with that credential.
    pub(crate) async fn start(
        maas: &Maas,
        ctx: &'a StepContext,
        name: &str,
        credential: &str,
    ) -> Result<Self, StepError> {
        let at = |error| locate(error, name, "");
        let credential = ctx.credential(credential).await.map_err(at)?;
        let client = Client::new(maas.http().map_err(at)?, &credential).map_err(at)?;
        Ok(Self { ctx, client, name: name.to_owned(), title: String::new() })
    }

    /// Looks the machine up.
    pub(crate) async fn machine(&mut self) -> Result<Machine, StepError> {
        self.begin("Looking up the machine in MAAS");
        let machine = unless_cancelled(self.ctx, self.client.find(&self.name)).await??;
        machine.hostname.clone_into(&mut self.name);
        Ok(machine)
    }

    /// Says of an error which machine and which sub-task it concerns.
    pub(crate) fn end<T>(self, done: Result<T, StepError>) -> Result<T, StepError> {
        done.map_err(|error| locate(error, &self.name, &self.title))
    }

    /// Begins a sub-task, unless it is the one under way.
    pub(crate) fn begin(&mut self, title: impl Into<String>) {
        let title = title.into();
        if title != self.title {
            self.ctx.report(title.clone(), None);
            self.title = title;
        }
    }

    /// Waits until it is time to ask again.
    pub(crate) async fn pause(&self, poll: Duration) -> Result<(), StepError> {
        // Somebody may write 0: MAAS is asked ten times a second at most.
        let poll = poll.max(Duration::from_millis(100));
        let Some(left) = self.ctx.remaining() else { return self.ctx.sleep(poll).await };
        if left < MARGIN {
            return Err(StepError::new(
                "maas.timeout",
                ErrorClass::Timeout,
                format!("time ran out; MAAS's last word: {}", self.title),
            )
            .hint(
                "give the step a longer `timeout`, or see in MAAS why the machine takes so long",
            ));
        }
        self.ctx.sleep(poll.min(left)).await
    }

    /// The machine as MAAS sees it now.
    pub(crate) async fn look(&self, system_id: &str) -> Result<Machine, StepError> {
        Ok(unless_cancelled(self.ctx, self.client.machine(system_id)).await??)
    }
}

/// So long before the deadline a step gives up by itself, to say better than the engine can why.
const MARGIN: Duration = Duration::from_millis(50);

/// A read, given up when the attempt is told to stop.
pub(crate) async fn unless_cancelled<T>(
    ctx: &StepContext,
    read: impl Future<Output = T>,
) -> Result<T, StepError> {
    tokio::select! {
        answer = read => Ok(answer),
        () = ctx.cancelled() => Err(StepError::new(
            "engine.cancelled",
            ErrorClass::Cancelled,
            "the attempt was told to stop",
        )),
    }
}

fn locate(mut error: StepError, machine: &str, subtask: &str) -> StepError {
    error.message = format!("{machine}: {}", error.message);
    if error.subtask.is_none() && !subtask.is_empty() {
        error.subtask = Some(subtask.to_owned());
    }
    error
}
