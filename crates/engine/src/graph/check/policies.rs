//! Retries and time-outs that make no sense.

use serde_json::Value;

use super::{Checker, list::Order, scope::Frame};
use crate::expr::Template;
use crate::model::{
    Attempts, Defaults, HumanDuration, Pointer, Problem, Retry, Step, StepKind, Timeout,
};

impl<'w> Checker<'_, 'w> {
    pub(super) fn policies(
        &mut self,
        retry: Option<&Retry>,
        timeout: Option<&Timeout>,
        at: &Pointer,
    ) {
        if let Some(retry) = retry {
            self.retry(retry, &at.key("retry"));
        }
        if let Some(timeout) = timeout {
            self.timeout(timeout, &at.key("timeout"));
        }
    }

    /// The workflow's defaults. They serve steps anywhere: their templates see the input alone.
    pub(super) fn defaults(&mut self, defaults: &Defaults, at: &Pointer) {
        let (retry, timeout) = (defaults.retry.as_ref(), defaults.timeout.as_ref());
        self.policies(retry, timeout, at);
        let order = Order::of(&[]);
        let steps = &[];
        let frame = Frame { steps, at, order: &order, current: None, outer: None, binding: None };
        self.policy_templates(retry, timeout, at, &frame);
    }

    fn out_of_range(&mut self, at: Pointer, message: &str, help: &str) {
        self.report(Problem::new("out-of-range", at, message).help(help));
    }

    fn retry(&mut self, retry: &Retry, at: &Pointer) {
        if retry.max_attempts == Attempts::Number(0) {
            let message = "a step needs at least one attempt";
            self.out_of_range(at.key("max_attempts"), message, "1 means no retry");
        }
        if !(0.0..=1.0).contains(&retry.jitter) {
            let help = "`0.2` spreads 10 s over 8 s to 12 s";
            self.out_of_range(at.key("jitter"), "the jitter is a part, from 0 to 1", help);
        }
        if retry.max_delay.is_some_and(|max| max < retry.delay) {
            let message = "`max_delay` is below `delay`";
            let help = format!("the shortest delay is {}", retry.delay);
            self.out_of_range(at.key("max_delay"), message, &help);
        }
        if retry.on.as_ref().is_some_and(Vec::is_empty) {
            let problem =
                Problem::new("empty-list", at.key("on"), "no class of errors is tried again");
            self.report(
                problem.help("name some, or leave `on` out for those that may pass by themselves"),
            );
        }
    }

    /// Templates among them.
    pub(super) fn policy_templates(
        &mut self,
        retry: Option<&Retry>,
        timeout: Option<&Timeout>,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) {
        if let Some(Attempts::Template(text)) = retry.map(|retry| &retry.max_attempts) {
            let at = at.key("retry").key("max_attempts");
            self.policy_template(text, &at, "a number of attempts", frame);
        }
        if let Some(Timeout::Template(text)) = timeout {
            self.policy_template(text, &at.key("timeout"), "a duration such as `30m`", frame);
        }
    }

    fn policy_template(&mut self, text: &str, at: &Pointer, wanted: &str, frame: &Frame<'_, 'w>) {
        match Template::compile(&Value::from(text)) {
            Ok(template) if template.constant().is_some() => {
                let message = format!("`{text}` is neither {wanted} nor a template");
                self.report(Problem::new("wrong-type", at.clone(), message));
            }
            Ok(_) | Err(_) => drop(self.template(&Value::from(text), at, frame)),
        }
    }

    fn timeout(&mut self, timeout: &Timeout, at: &Pointer) {
        let mut zero = |duration: Option<HumanDuration>, at: Pointer| {
            if duration.is_some_and(|duration| duration.0.is_zero()) {
                let message = "a time-out of nothing would end every attempt at once";
                self.out_of_range(at, message, "leave it out for no time-out");
            }
        };
        match timeout {
            Timeout::Template(_) => {}
            Timeout::Simple(duration) => zero(Some(*duration), at.clone()),
            Timeout::Full(parts) => {
                zero(parts.attempt, at.key("attempt"));
                zero(parts.total, at.key("total"));
                let both = parts.attempt.zip(parts.total);
                if parts.attempt.is_none() && parts.total.is_none() {
                    let problem = Problem::new("empty-list", at.clone(), "the time-out is empty");
                    self.report(problem.help("write `attempt`, `total` or both"));
                } else if both.is_some_and(|(attempt, total)| attempt > total) {
                    let message = "an attempt can't take longer than all of them";
                    self.out_of_range(at.key("attempt"), message, "lower it, or raise `total`");
                }
            }
        }
    }

    /// Policies on a kind of step that they mean nothing to.
    pub(super) fn misplaced(&mut self, step: &Step, at: &Pointer) {
        if matches!(step.kind, StepKind::Task { .. }) {
            return;
        }
        if step.retry.is_some() {
            self.report(
                Problem::new("misplaced-field", at.key("retry"), "`retry` does not belong here")
                    .on_key()
                    .label("only a step with `uses` is tried again")
                    .help("put it on the tasks inside, or into the workflow's `defaults`"),
            );
        }
        let has_attempts = |parts: &Timeout| match parts {
            Timeout::Simple(_) | Timeout::Template(_) => false,
            Timeout::Full(parts) => parts.attempt.is_some(),
        };
        if matches!(step.timeout, Some(Timeout::Template(_))) {
            self.report(
                Problem::new(
                    "misplaced-field",
                    at.key("timeout"),
                    "a template does not belong here",
                )
                .label("only the time-out of a step with `uses` can be one")
                .help("write a duration, or put the template on the tasks inside"),
            );
        }
        if step.timeout.as_ref().is_some_and(has_attempts) {
            self.report(
                Problem::new(
                    "misplaced-field",
                    at.key("timeout").key("attempt"),
                    "`attempt` does not belong here",
                )
                .on_key()
                .label("only a step with `uses` has attempts")
                .help("write `timeout: 30m` for the whole step"),
            );
        }
    }
}
