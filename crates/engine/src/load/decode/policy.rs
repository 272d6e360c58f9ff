//! Retry, time-outs, cleanup, undo.

use serde_json::Value;

use super::{Decoder, fields::wrong_type, shapes};
use crate::{
    load::yaml::{Kind, Node},
    model::{
        Backoff, Cleanup, CleanupPolicy, ErrorClass, HumanDuration, OnError, Pointer, Problem,
        Retry, Setting, Timeout, TimeoutParts, Undo,
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

/// A value that `decode` reads, or a template that gives one in a run.
pub(super) fn setting<'t, T>(
    decode: impl FnOnce(&mut Decoder<'t>, &Node, &Pointer) -> Option<T>,
) -> impl FnOnce(&mut Decoder<'t>, &Node, &Pointer) -> Option<Setting<T>> {
    |this, node, at| match &node.kind {
        Kind::Text(text, _) if is_template(node) => Some(Setting::Template(text.to_string())),
        Kind::Null
        | Kind::Bool(_)
        | Kind::Number(_)
        | Kind::Text(..)
        | Kind::Seq(_)
        | Kind::Map(_) => decode(this, node, at).map(Setting::Value),
    }
}

fn is_template(node: &Node) -> bool {
    matches!(&node.kind, Kind::Text(text, _) if text.contains("{{"))
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
        let max_attempts = self.required(&fields, "max_attempts", setting(Self::count));
        let backoff = self
            .optional(&fields, "backoff", |this, node, at| this.word(node, at, &BACKOFFS))
            .unwrap_or_default();
        let delay = self.optional(&fields, "delay", setting(Self::duration));
        let max_delay = self.optional(&fields, "max_delay", setting(Self::duration));
        let jitter = self.optional(&fields, "jitter", Self::fraction).unwrap_or_default();
        let on = self.optional(&fields, "on", Self::error_classes);
        let known = |it: &Option<Setting<HumanDuration>>| it.as_ref().and_then(Setting::value);
        if known(&delay).zip(known(&max_delay)).is_some_and(|(delay, longest)| longest < delay) {
            self.report(
                Problem::new("out-of-range", at.key("max_delay"), "`max_delay` is below `delay`")
                    .label("the shortest delay is longer")
                    .related(at.key("delay"), "`delay`"),
            );
        }
        let delay = delay.unwrap_or(Retry::DEFAULT_DELAY);
        Some(Retry { max_attempts: max_attempts?, backoff, delay, max_delay, jitter, on })
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
        if !matches!(node.kind, Kind::Map(_)) {
            return setting(Self::positive)(self, node, at).map(Timeout::Simple);
        }
        let fields = self.fields(node, at, &shapes::TIMEOUT)?;
        self.not_empty(node, at, "`attempt`, `total`, `heartbeat` or `queue`")?;
        Some(Timeout::Full(TimeoutParts {
            attempt: self.optional(&fields, "attempt", setting(Self::positive)),
            total: self.optional(&fields, "total", Self::whole_time),
            heartbeat: self.optional(&fields, "heartbeat", Self::positive),
            queue: self.optional(&fields, "queue", Self::queue_time),
        }))
    }

    /// The time of a whole step: the state of a run depends on it, so it is known before.
    fn whole_time(&mut self, node: &Node, at: &Pointer) -> Option<HumanDuration> {
        self.constant_time(node, at, "`total`")
    }

    pub(super) fn constant_time(
        &mut self,
        node: &Node,
        at: &Pointer,
        what: &str,
    ) -> Option<HumanDuration> {
        if is_template(node) {
            self.report(
                Problem::new(
                    "misplaced-template",
                    at.clone(),
                    format!("{what} can't be a template"),
                )
                .label("expected a duration such as `2h`")
                .help("only the time of an `attempt` can come from the run's data"),
            );
            return None;
        }
        self.positive(node, at)
    }

    /// Only tasks have attempts, whose time may come from a template.
    pub(super) fn timeout_of_whole(&mut self, timeout: &Timeout, at: &Pointer) {
        if let Timeout::Simple(Setting::Template(_)) = timeout {
            let message = "the time-out of this step can't be a template";
            self.report(
                Problem::new("misplaced-template", at.clone(), message)
                    .label("expected a duration such as `2h`")
                    .help("only the attempts of a step with `uses` can take theirs from the run's data"),
            );
        }
    }

    /// The time of a whole run.
    pub(super) fn run_time(&mut self, node: &Node, at: &Pointer) -> Option<HumanDuration> {
        if let Kind::Map(_) = node.kind {
            self.report(
                wrong_type(node, at, "a duration such as `8h`")
                    .help("it is the time of the whole run; that of steps stands on them, or under `defaults`"),
            );
            return None;
        }
        if is_template(node) {
            self.report(
                Problem::new(
                    "misplaced-template",
                    at.clone(),
                    "the time of a run can't be a template",
                )
                .label("expected a duration such as `8h`")
                .help("only the time of an attempt can come from the run's data"),
            );
            return None;
        }
        self.positive(node, at)
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

    pub(super) fn undo(&mut self, node: &Node, at: &Pointer) -> Option<Undo> {
        let fields = self.fields(node, at, &shapes::UNDO)?;
        let uses = self.required(&fields, "uses", Self::executor);
        let with = self.optional(&fields, "with", Self::free).unwrap_or(Value::Null);
        let retry = self.optional(&fields, "retry", Self::retry);
        let timeout = self.optional(&fields, "timeout", Self::timeout);
        Some(Undo { uses: uses?, with, retry, timeout })
    }
}
