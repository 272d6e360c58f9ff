//! Approvals: a question, bound to what was shown, and its answer.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    decide::{Pass, failed_for_good},
    event::{Event, StepRef, TaskRef},
    state::{IllegalEvent, Inner, Phase, RunState, TimerKind},
};
use crate::{
    graph::{APPROVAL_TIMEOUT, ApprovalPlan, Plan},
    model::{ErrorClass, Moment, OnTimeout, StepError, Timestamp},
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The question.
    pub message: String,
    /// What it is about.
    pub shown: Arc<Value>,
    /// The SHA-256 of both, in hexadecimal: an answer names what it is an answer to.
    pub hash: String,
    /// Who may answer; none: anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What somebody answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalAnswer {
    /// Yes or no.
    pub approved: bool,
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The hash of what they saw; none: they did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
}

/// An answer that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Yes or no.
    pub approved: bool,
    /// Who said so; none: nobody did in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A fact about an approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalEvent {
    /// It is asked for.
    Asked(Arc<Ask>),
    /// It was given or refused.
    Answered(Decided),
}

impl Ask {
    fn new(
        message: String,
        shown: Value,
        approvers: Vec<String>,
        until: Option<Timestamp>,
    ) -> Self {
        let hash = fingerprint(&json!({ "message": message, "show": shown }));
        Self { message, shown: Arc::new(shown), hash, approvers, until }
    }

    /// Whether an answer counts.
    ///
    /// # Errors
    /// Why it does not.
    pub fn accepts(&self, answer: &ApprovalAnswer) -> Result<(), String> {
        if let Some(shown) = answer.shown.as_ref().filter(|shown| **shown != self.hash) {
            return Err(format!(
                "what is shown now is not what the answer is about: its hash is {}, not {shown}; \
                 look at it again",
                self.hash
            ));
        }
        if !self.approvers.is_empty() && !self.approvers.contains(&answer.by) {
            let may = self.approvers.join(", ");
            return Err(format!("`{}` may not answer; who may: {may}", answer.by));
        }
        Ok(())
    }
}

/// The SHA-256 of a value's JSON with sorted keys and without blanks, in hexadecimal.
fn fingerprint(value: &Value) -> String {
    let text = sorted(value).to_string();
    hex::encode(Sha256::digest(text))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().collect();
            fields.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

impl RunState {
    pub(super) fn approval(
        &mut self,
        plan: &Plan,
        event: &Event,
        (step, what): (StepRef, &ApprovalEvent),
        at: Timestamp,
    ) -> Result<(), IllegalEvent> {
        let task = TaskRef::main(step);
        match what {
            ApprovalEvent::Asked(ask) => {
                self.expect_main(event, step, |phase| *phase == Phase::Pending)?;
                self.step_mut(step).inner = Inner::Approval(Arc::clone(ask));
                self.activate(plan, step, at);
                self.timers.extend(ask.until.map(|until| (until, task, TimerKind::Wait)));
            }
            ApprovalEvent::Answered(decided) => {
                self.asked(step).ok_or_else(|| self.illegal(event, task))?;
                let output = Arc::new(json!({
                    "approved": decided.approved,
                    "by": decided.by,
                    "reason": decided.reason,
                    "at": Moment(decided.at),
                }));
                if decided.approved {
                    self.finish(plan, task, &output, true);
                } else {
                    let main = &mut self.step_mut(step).main;
                    main.output = Some(output);
                    main.error = Some(Arc::new(rejected(decided)));
                    self.give_up(plan, task, true);
                }
            }
        }
        Ok(())
    }

    /// What a step asks now.
    pub fn asked(&self, step: StepRef) -> Option<&Arc<Ask>> {
        let state = self.step(step);
        match &state.inner {
            Inner::Approval(ask) if state.main.phase == Phase::Running => Some(ask),
            Inner::Approval(_)
            | Inner::None
            | Inner::Child(_)
            | Inner::Scopes { .. }
            | Inner::Map(_)
            | Inner::Repeat(_)
            | Inner::Wait(_)
            | Inner::Signal => None,
        }
    }

    /// The questions that nobody has answered yet.
    pub fn questions(&self) -> impl Iterator<Item = (StepRef, &Arc<Ask>)> {
        let steps = (0..).map(StepRef).take(self.steps.len());
        steps.filter_map(|step| Some((step, self.asked(step)?)))
    }

    /// The event that an answer leads to; none if it does not count.
    pub(super) fn answered(
        &self,
        plan: &Plan,
        path: &str,
        answer: ApprovalAnswer,
        at: Timestamp,
    ) -> Option<Event> {
        let mut questions = self.questions();
        let (step, ask) = questions.find(|(step, _)| self.path(plan, *step) == path)?;
        ask.accepts(&answer).ok()?;
        let ApprovalAnswer { approved, by, reason, .. } = answer;
        let decided = Decided { approved, by: Some(by), reason, at };
        Some(Event::Approval { step, what: ApprovalEvent::Answered(decided) })
    }
}

fn rejected(decided: &Decided) -> StepError {
    let by = decided.by.as_deref().unwrap_or("nobody");
    let why = decided.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let message = match &decided.by {
        Some(_) => format!("{by} rejected it{why}"),
        None => "nobody answered in time, which counts as a rejection".to_owned(),
    };
    StepError::permanent("engine.rejected", message)
        .hint("`on_error: continue` lets the list go on")
}

impl Pass<'_, '_> {
    pub(super) fn ask(&mut self, step: StepRef, plan: &ApprovalPlan) -> Result<(), IllegalEvent> {
        match self.question(step, plan) {
            Ok(ask) => {
                let what = ApprovalEvent::Asked(Arc::new(ask));
                self.emit(Event::Approval { step, what })
            }
            Err(error) => self.emit(failed_for_good(TaskRef::main(step), error)),
        }
    }

    fn question(&self, step: StepRef, plan: &ApprovalPlan) -> Result<Ask, StepError> {
        let view = self.view(TaskRef::main(step));
        let message = text(plan.message.eval(&view)?);
        let shown = plan.show.as_ref().map(|show| show.eval(&view)).transpose()?;
        let names = plan.approvers.eval(&view)?;
        let approvers = names.as_array().into_iter().flatten().cloned().map(text).collect();
        let timeout = plan.timeout.as_ref().map(|it| APPROVAL_TIMEOUT.eval(it, &view));
        let until = timeout.transpose()?.map(|timeout| self.env.now.after(timeout.0));
        Ok(Ask::new(message, shown.unwrap_or_default(), approvers, until))
    }

    /// Nobody answered in time.
    pub(super) fn unanswered(
        &mut self,
        step: StepRef,
        plan: &ApprovalPlan,
    ) -> Result<(), IllegalEvent> {
        let approved = match plan.on_timeout {
            OnTimeout::Approve => true,
            OnTimeout::Reject => false,
            OnTimeout::Fail => {
                let message = "nobody answered in time";
                let error = StepError::new("engine.timeout", ErrorClass::Timeout, message);
                return self.emit(failed_for_good(TaskRef::main(step), error));
            }
        };
        let reason = Some("nobody answered in time".to_owned());
        let decided = Decided { approved, by: None, reason, at: self.env.now };
        self.emit(Event::Approval { step, what: ApprovalEvent::Answered(decided) })
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_)) => other.to_string(),
    }
}
