//! Retries and time-outs that make no sense.

use serde_json::Value;

use super::{Checker, list::Order, scope::Frame};
use crate::{
    graph::setting::{ATTEMPT_TIMEOUT, DELAY, MAX_ATTEMPTS, MAX_DELAY, Meaning},
    model::{
        Defaults, HumanDuration, Pointer, Problem, Retry, Setting, Step, StepKind, Timeout,
        TimeoutParts,
    },
};

impl<'w> Checker<'_, 'w> {
    /// What holds for all tasks can't read what only some of them see.
    pub(super) fn defaults(&mut self, defaults: &Defaults, at: &Pointer) {
        let order = Order::of(&[]);
        let frame = Frame {
            steps: &[],
            at,
            order: &order,
            current: None,
            ended: false,
            outer: None,
            binding: None,
            gate: false,
        };
        let before = self.problems.len();
        self.policies(defaults.retry.as_ref(), defaults.timeout.as_ref(), at, &frame);
        self.explain_names(
            before,
            "`defaults` hold for all tasks, so they read `input` and `run` alone",
        );
    }

    /// Says of the problems from number `before` on that are about names why there are none.
    pub(super) fn explain_names(&mut self, before: usize, help: &str) {
        let about_names = ["unknown-name", "unknown-step", "step-not-visible"];
        for problem in &mut self.problems[before..] {
            if about_names.contains(&problem.code) {
                problem.help = vec![help.to_owned()];
            }
        }
    }

    pub(super) fn policies(
        &mut self,
        retry: Option<&Retry>,
        timeout: Option<&Timeout>,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) {
        if let Some(retry) = retry {
            self.retry(retry, &at.key("retry"), frame);
        }
        if let Some(timeout) = timeout {
            self.timeout(timeout, &at.key("timeout"), frame);
        }
    }

    /// A setting's value, if it is known and nothing is wrong with it.
    pub(super) fn setting<T: Copy>(
        &mut self,
        setting: &Setting<T>,
        meaning: &Meaning<T>,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) -> Option<T> {
        let text = match setting {
            Setting::Value(value) => return Some(*value),
            Setting::Template(text) => text,
        };
        let template = self.template(&Value::from(text.as_str()), at, frame)?;
        match meaning.read(template.constant()?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.report(
                    Problem::new("invalid-value", at.clone(), message)
                        .help("write the value itself, or a template that reads the input"),
                );
                None
            }
        }
    }

    pub(super) fn out_of_range(&mut self, at: Pointer, message: &str, help: &str) {
        self.report(Problem::new("out-of-range", at, message).help(help));
    }

    fn retry(&mut self, retry: &Retry, at: &Pointer, frame: &Frame<'_, 'w>) {
        let place = at.key("max_attempts");
        if self.setting(&retry.max_attempts, &MAX_ATTEMPTS, &place, frame) == Some(0) {
            let message = "a step needs at least one attempt";
            self.out_of_range(place, message, "1 means no retry");
        }
        if !(0.0..=1.0).contains(&retry.jitter) {
            let help = "`0.2` spreads 10 s over 8 s to 12 s";
            self.out_of_range(at.key("jitter"), "the jitter is a part, from 0 to 1", help);
        }
        let delay = self.setting(&retry.delay, &DELAY, &at.key("delay"), frame);
        let place = at.key("max_delay");
        let longest = retry.max_delay.as_ref();
        let longest = longest.and_then(|it| self.setting(it, &MAX_DELAY, &place, frame));
        if let Some((delay, _)) = delay.zip(longest).filter(|(delay, longest)| longest < delay) {
            let help = format!("the shortest delay is {delay}");
            self.out_of_range(place, "`max_delay` is below `delay`", &help);
        }
        if retry.on.as_ref().is_some_and(Vec::is_empty) {
            let problem =
                Problem::new("empty-list", at.key("on"), "no class of errors is tried again");
            self.report(
                problem.help("name some, or leave `on` out for those that may pass by themselves"),
            );
        }
    }

    fn zero(&mut self, duration: Option<HumanDuration>, at: Pointer) {
        if duration.is_some_and(|duration| duration.0.is_zero()) {
            let message = "a time-out of nothing would end every attempt at once";
            self.out_of_range(at, message, "leave it out for no time-out");
        }
    }

    fn timeout(&mut self, timeout: &Timeout, at: &Pointer, frame: &Frame<'_, 'w>) {
        let place = match timeout {
            Timeout::Simple(_) => at.clone(),
            Timeout::Full(_) => at.key("attempt"),
        };
        let attempt = timeout.attempt();
        let attempt = attempt.and_then(|it| self.setting(it, &ATTEMPT_TIMEOUT, &place, frame));
        self.zero(attempt, place.clone());
        let Timeout::Full(parts) = timeout else { return };
        self.zero(parts.total, at.key("total"));
        self.zero(parts.queue, at.key("queue"));
        self.zero(parts.heartbeat, at.key("heartbeat"));
        if attempt.zip(parts.heartbeat).is_some_and(|(attempt, silence)| silence > attempt) {
            let message = "an attempt is over before its silence is noticed";
            self.out_of_range(at.key("heartbeat"), message, "lower it, or raise `attempt`");
        }
        if *parts == TimeoutParts::default() {
            let problem = Problem::new("empty-list", at.clone(), "the time-out is empty");
            self.report(
                problem.help("write `attempt`, `total`, `heartbeat`, `queue` or several of them"),
            );
        } else if attempt.zip(parts.total).is_some_and(|(attempt, total)| attempt > total) {
            let message = "an attempt can't take longer than all of them";
            self.out_of_range(place, message, "lower it, or raise `total`");
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
        match &step.timeout {
            Some(Timeout::Simple(Setting::Template(_))) => {
                let message = "the time-out of this step can't be a template";
                self.report(
                    Problem::new("misplaced-template", at.key("timeout"), message)
                        .label("expected a duration such as `2h`")
                        .help("only the attempts of a step with `uses` can take theirs from the run's data"),
                );
            }
            Some(Timeout::Full(parts)) => {
                let fields = [
                    ("attempt", parts.attempt.is_some()),
                    ("heartbeat", parts.heartbeat.is_some()),
                ];
                for (field, _) in fields.into_iter().filter(|(_, there)| *there) {
                    let message = format!("`{field}` does not belong here");
                    let place = at.key("timeout").key(field);
                    self.report(
                        Problem::new("misplaced-field", place, message)
                            .on_key()
                            .label("only a step with `uses` has attempts")
                            .help("write `timeout: 30m` for the whole step"),
                    );
                }
            }
            Some(Timeout::Simple(Setting::Value(_))) | None => {}
        }
    }
}
