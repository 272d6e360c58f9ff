//! Telling a run what its steps wait for: signals and answers.

use serde_json::Value;

use super::{Client, EngineError, RunView};
use crate::{
    expr::nearest,
    graph::validate_payload,
    machine::{ApprovalAnswer, Input, SentSignal},
    model::RunId,
};

impl Client {
    /// Sends a signal to a run. It may come before the step that waits for it: the run keeps it.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if the run has ended, its workflow waits for no such signal, or the
    /// payload does not fit the schema.
    pub async fn signal(
        &self,
        run: RunId,
        name: &str,
        payload: Value,
        by: &str,
    ) -> Result<(), EngineError> {
        self.signal_once(run, name, payload, by, None).await
    }

    /// Sends a signal under an id of the sender's own: a second one of the same id is dropped, so
    /// that it can be sent again by whoever does not know whether it went out.
    ///
    /// # Errors
    /// See [`Client::signal`].
    pub async fn signal_once(
        &self,
        run: RunId,
        name: &str,
        payload: Value,
        by: &str,
        id: Option<&str>,
    ) -> Result<(), EngineError> {
        self.check_size(|| format!("what signal `{name}` carries"), &payload)?;
        let view = self.living(run).await?;
        let mut signals = view.plan().signals();
        let Some(signal) = signals.find(|signal| signal.name == name) else {
            return Err(EngineError::Refused(unknown_signal(&view, run, name)));
        };
        if let Some(schema) = &signal.schema {
            validate_payload(schema, &payload).map_err(|problems| {
                let problems = problems.join("; ");
                EngineError::Refused(format!("this does not fit the signal `{name}`: {problems}"))
            })?;
        }
        let key =
            id.map_or_else(|| format!("{:032x}", rand::random::<u128>()), |id| format!("id {id}"));
        let input = Input::Signal(SentSignal {
            name: name.to_owned(),
            payload: payload.into(),
            by: by.to_owned(),
            id: id.map(str::to_owned),
        });
        self.tell(run, &format!("signal {name} {key}"), &input).await
    }

    /// Answers an approval. `path` is the path of the step that asks.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if nothing of that path asks, what is shown is not what the answer
    /// is about, or whoever answers may not. The run checks it once more when it takes the answer
    /// up: of two answers the first counts, and one that is too late changes nothing.
    pub async fn approve(
        &self,
        run: RunId,
        path: &str,
        answer: ApprovalAnswer,
    ) -> Result<(), EngineError> {
        let questions = self.living(run).await?.questions();
        let Some((_, ask)) = questions.iter().find(|(asking, _)| asking == path) else {
            let paths: Vec<_> = questions.iter().map(|(path, _)| path.as_str()).collect();
            let known = if paths.is_empty() { "none".to_owned() } else { paths.join(", ") };
            return Err(EngineError::Refused(format!(
                "no step `{path}` of run {run} waits for an approval; those that do: {known}"
            )));
        };
        ask.accepts(&answer).map_err(EngineError::Refused)?;
        let key = format!("approve {path} {} {}", answer.by, answer.approved);
        self.tell(run, &key, &Input::Approve { path: path.to_owned(), answer }).await
    }

    async fn living(&self, run: RunId) -> Result<RunView, EngineError> {
        let record = self.record(run).await?;
        if record.status.is_ended() {
            return Err(EngineError::Refused(format!("run {run} has ended: {}", record.status)));
        }
        self.view(run).await
    }
}

fn unknown_signal(view: &RunView, run: RunId, name: &str) -> String {
    let mut known: Vec<_> = view.plan().signals().map(|signal| signal.name.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    let help = match (nearest(name, known.iter().copied()), known.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, true) => "it waits for none".to_owned(),
        (None, false) => format!("it waits for {}", known.join(", ")),
    };
    format!("run {run} waits for no signal `{name}`: {help}")
}
