//! Steps that wait for somebody outside.

use serde_json::Value;

use super::{Checker, input::describe, scope::Frame};
use crate::{
    graph::setting::APPROVAL_TIMEOUT,
    model::{Approval, OnTimeout, Pointer, Problem, Signal},
};

impl<'w> Checker<'_, 'w> {
    pub(super) fn signal(&mut self, signal: &'w Signal, at: &Pointer) {
        let at = at.key("signal");
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let starts = signal.name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !signal.name.chars().all(letter) {
            let message = format!("`{}` is not the name of a signal", signal.name);
            self.report(
                Problem::new("bad-name", at.key("name"), message)
                    .help("use letters, digits, `_` and `-`, starting with a letter or `_`"),
            );
        }
        if let Some(schema) = &signal.schema {
            let valid = jsonschema::meta::validate(schema).map_err(|error| describe(&error));
            let valid = valid.and_then(|()| {
                jsonschema::validator_for(schema).map(drop).map_err(|error| describe(&error))
            });
            if let Err(label) = valid {
                let message = "`schema` is not a valid JSON Schema";
                self.report(Problem::new("invalid-schema", at.key("schema"), message).label(label));
            }
        }
        // A sender does not know which step will take it: what fits one has to fit all.
        let (_, first) = self.signals.entry(&signal.name).or_insert((at.clone(), signal));
        if first.schema != signal.schema {
            let other = self.signals[signal.name.as_str()].0.clone();
            let message = format!("another step gives the signal `{}` another schema", signal.name);
            self.report(
                Problem::new("signal-differs", at, message)
                    .related(other, "first used here")
                    .help("give both the same schema, or one of them another name"),
            );
        }
    }

    pub(super) fn approval(&mut self, approval: &Approval, at: &Pointer, frame: &Frame<'_, 'w>) {
        let at = at.key("approval");
        self.template(&Value::from(approval.message.as_str()), &at.key("message"), frame);
        if let Some(show) = &approval.show {
            self.template(show, &at.key("show"), frame);
        }
        for (index, approver) in approval.approvers.iter().enumerate() {
            let place = at.key("approvers").index(index);
            self.template(&Value::from(approver.as_str()), &place, frame);
        }
        match &approval.timeout {
            Some(timeout) => {
                let place = at.key("timeout");
                let time = self.setting(timeout, &APPROVAL_TIMEOUT, &place, frame);
                if time.is_some_and(|time| time.0.is_zero()) {
                    let message = "nobody could answer in no time";
                    self.out_of_range(place, message, "leave it out to wait for ever");
                }
            }
            None if approval.on_timeout != OnTimeout::default() => self.report(
                Problem::new(
                    "misplaced-field",
                    at.key("on_timeout"),
                    "`on_timeout` means nothing without `timeout`",
                )
                .on_key()
                .help("say how long an answer is waited for: `timeout: 24h`"),
            ),
            None => {}
        }
    }
}
