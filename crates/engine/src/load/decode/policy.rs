//! Retry, time-outs, cleanup.

use serde_json::Value;

use super::{Decoder, fields::wrong_type, shapes};
use crate::{
    load::yaml::{Kind, Node},
    model::{
        Attempts, Backoff, Cleanup, CleanupPolicy, ErrorClass, HumanDuration, OnError, Pointer,
        Problem, Retry, Timeout, TimeoutParts,
    },
};

const BACKOFFS: [(&str, Backoff); 3] = [
    ("constant", Backoff::Constant),
    ("linear", Backoff::Linear),
    ("exponential", Backoff::Exponential),
];
const ON_ERROR: [(&str, OnError); 2] = [("fail", OnError::Fail), ("continue", OnError::Continue)];
const CLEANUPS: [(&str, CleanupPolicy); 4] = [
    ("always", CleanupPolicy::Always),
    ("on_success", CleanupPolicy::OnSuccess),
    ("on_failure", CleanupPolicy::OnFailure),
    ("never", CleanupPolicy::Never),
];

/// The text of a value that is computed when it is needed.
fn template(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Text(text, _) if text.contains("{{") => Some(text.to_string()),
        Kind::Text(..)
        | Kind::Null
        | Kind::Bool(_)
        | Kind::Number(_)
        | Kind::Seq(_)
        | Kind::Map(_) => None,
    }
}

impl Decoder<'_> {
    pub(super) fn retry(&mut self, node: &Node, at: &Pointer) -> Option<Retry> {
        if let Kind::Number(count) = &node.kind {
            self.report(
                wrong_type(node, at, "a mapping with `max_attempts`")
                    .help(format!("write `retry: {{ max_attempts: {count} }}`")),
            );
            return None;
        }
        let fields = self.fields(node, at, &shapes::RETRY)?;
        let max_attempts = self.required(&fields, "max_attempts", Self::attempts);
        let backoff = self
            .optional(&fields, "backoff", |this, node, at| this.word(node, at, &BACKOFFS))
            .unwrap_or_default();
        let delay = self.optional(&fields, "delay", Self::duration);
        let max_delay = self.optional(&fields, "max_delay", Self::duration);
        let jitter = self.optional(&fields, "jitter", Self::fraction).unwrap_or_default();
        let on = self.optional(&fields, "on", Self::error_classes);
        if let (Some(delay), Some(max_delay)) = (delay, max_delay)
            && max_delay < delay
        {
            self.report(
                Problem::new("out-of-range", at.key("max_delay"), "`max_delay` is below `delay`")
                    .label("the shortest delay is longer")
                    .related(at.key("delay"), "`delay`"),
            );
        }
        let delay = delay.unwrap_or(Retry::DEFAULT_DELAY);
        Some(Retry { max_attempts: max_attempts?, backoff, delay, max_delay, jitter, on })
    }

    fn attempts(&mut self, node: &Node, at: &Pointer) -> Option<Attempts> {
        match template(node) {
            Some(text) => Some(Attempts::Template(text)),
            None => self.count(node, at).map(Attempts::Number),
        }
    }

    fn error_classes(&mut self, node: &Node, at: &Pointer) -> Option<Vec<ErrorClass>> {
        let known = ErrorClass::ALL.map(|class| (class.as_str(), class));
        let list = self.list(node, at, "a list of error classes", |this, node, at| {
            this.word(node, at, &known)
        })?;
        self.not_empty(node, at, "an error class")?;
        Some(list)
    }

    pub(super) fn timeout(&mut self, node: &Node, at: &Pointer) -> Option<Timeout> {
        if let Some(text) = template(node) {
            return Some(Timeout::Template(text));
        }
        if !matches!(node.kind, Kind::Map(_)) {
            return self.positive(node, at).map(Timeout::Simple);
        }
        let fields = self.fields(node, at, &shapes::TIMEOUT)?;
        self.not_empty(node, at, "`attempt` or `total`")?;
        Some(Timeout::Full(TimeoutParts {
            attempt: self.optional(&fields, "attempt", Self::positive),
            total: self.optional(&fields, "total", Self::positive),
        }))
    }

    fn positive(&mut self, node: &Node, at: &Pointer) -> Option<HumanDuration> {
        let duration = self.duration(node, at)?;
        if duration.0.is_zero() {
            let message = "a time-out of nothing would end every attempt at once";
            let problem = Problem::new("out-of-range", at.clone(), message);
            self.report(problem.help("leave it out for no time-out"));
            return None;
        }
        Some(duration)
    }

    pub(super) fn on_error(&mut self, node: &Node, at: &Pointer) -> Option<OnError> {
        self.word(node, at, &ON_ERROR)
    }

    pub(super) fn cleanup(&mut self, node: &Node, at: &Pointer) -> Option<Cleanup> {
        let fields = self.fields(node, at, &shapes::CLEANUP)?;
        let policy = self
            .optional(&fields, "policy", |this, node, at| this.word(node, at, &CLEANUPS))
            .unwrap_or_default();
        let uses = self.required(&fields, "uses", Self::executor);
        let with = self.optional(&fields, "with", Self::free).unwrap_or(Value::Null);
        let retry = self.optional(&fields, "retry", Self::retry);
        let timeout = self.optional(&fields, "timeout", Self::timeout);
        Some(Cleanup { policy, uses: uses?, with, retry, timeout })
    }
}
