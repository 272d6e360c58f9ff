//! Locks and limits that can't be had.

use serde_json::Value;

use super::{Checker, list::Order, scope::Frame};
use crate::{
    graph::locks::RESERVED,
    model::{
        Limit, LockClaim, LockPath, Pointer, Problem, Slot, Step, Timeout, Workflow, out_of_order,
    },
};

impl<'w> Checker<'_, 'w> {
    /// What the workflow itself asks for. Its steps stand inside of that.
    pub(super) fn run_locks(&mut self, workflow: &'w Workflow, at: &Pointer) {
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
        self.claims(&workflow.locks, &workflow.limits, at, &frame);
        if let Some(concurrency) = &workflow.concurrency {
            let at = at.key("concurrency");
            self.max(concurrency.max, &at);
            if let Some(key) = &concurrency.key {
                self.template(&Value::from(key.as_str()), &at.key("key"), &frame);
            }
        }
        let wants = !workflow.locks.is_empty()
            || !workflow.limits.is_empty()
            || workflow.concurrency.is_some();
        if workflow.queue_timeout.is_some() && !wants {
            self.waits_for_nothing(at.key("queue_timeout"));
        }
    }

    /// What a step asks for; returns what the steps in it stand inside of.
    pub(super) fn step_locks(&mut self, step: &Step, at: &Pointer, frame: &Frame<'_, 'w>) -> usize {
        let before = self.held.len();
        self.claims(&step.locks, &step.limits, at, frame);
        if let Some(Timeout::Full(parts)) = &step.timeout
            && parts.queue.is_some()
            && step.locks.is_empty()
            && step.limits.is_empty()
        {
            self.waits_for_nothing(at.key("timeout").key("queue"));
        }
        if step.cleanup.is_some() && !step.locks.is_empty() && frame.steps.iter().any(has_needs) {
            self.report(
                Problem::new(
                    "lock-kept-beside-others",
                    at.key("locks"),
                    "a lock that its step's cleanup keeps can't stand in a list with `needs`",
                )
                .label("kept until the list ends, while steps beside this one may wait for others")
                .help("give the step a list of its own (`steps:`), or lock on the workflow"),
            );
        }
        if !step.locks.is_empty() {
            self.locked += 1;
        }
        if step.undo.is_some() && self.locked > 0 {
            self.report(
                Problem::new(
                    "undo-without-lock",
                    at.key("undo"),
                    "the undo would act when the step's lock has been given up",
                )
                .label("may run long after the step, until the workflow ends")
                .help("take the lock on the workflow: it is held until all obligations are met"),
            );
        }
        before
    }

    /// The step is over.
    pub(super) fn leave_locks(&mut self, step: &Step, before: usize) {
        self.held.truncate(before);
        if !step.locks.is_empty() {
            self.locked -= 1;
        }
    }

    fn waits_for_nothing(&mut self, at: Pointer) {
        self.report(
            Problem::new("waits-for-nothing", at, "there is nothing that this would wait for")
                .on_key()
                .help("it bounds the wait for `locks`, `limits` and `concurrency`"),
        );
    }

    fn claims(&mut self, locks: &[String], limits: &[Limit], at: &Pointer, frame: &Frame<'_, 'w>) {
        let mut known = Vec::new();
        for (index, text) in locks.iter().enumerate() {
            let place = at.key("locks").index(index);
            if let Some(name) = self.name_of(text, &place, frame) {
                known.push((LockClaim::lock(name), place));
            }
        }
        for (index, limit) in limits.iter().enumerate() {
            let place = at.key("limits").index(index);
            self.max(limit.max, &place);
            if let Some(key) = &limit.key {
                self.template(&Value::from(key.as_str()), &place.key("key"), frame);
            }
            if RESERVED.iter().any(|reserved| limit.name.starts_with(reserved)) {
                let message = "this name stands for the engine's own limits";
                let problem = Problem::new("reserved-name", place.key("name"), message);
                self.report(problem.help(
                    "call it something else; runs of a workflow are limited by its `concurrency`",
                ));
                continue;
            }
            if let Some(name) = self.name_of(&limit.name, &place.key("name"), frame) {
                let slot = Some(Slot { max: limit.max, key: String::new() });
                known.push((LockClaim { name, slot }, place));
            }
        }
        for (claim, place) in &known {
            let wanted = [claim.clone()];
            if let Some((wanted, held)) = out_of_order(&self.held, &wanted) {
                let message = format!("{wanted} can't be taken while {held} is held");
                let problem = Problem::new("lock-order", place.clone(), message);
                self.report(
                    problem
                        .label("comes before what a step or the workflow around it holds")
                        .help("who takes things in different orders waits for each other for ever; the order is: locks by name, then limits by name. Take both together, further out"),
                );
            }
        }
        self.held.extend(known.into_iter().map(|(claim, _)| claim));
    }

    fn max(&mut self, max: u32, at: &Pointer) {
        if max == 0 {
            let problem =
                Problem::new("out-of-range", at.key("max"), "with no slot at all nothing starts");
            self.report(problem.help("1 lets one at a time through"));
        }
    }

    /// The name, where it is known before any run.
    fn name_of(&mut self, text: &str, at: &Pointer, frame: &Frame<'_, 'w>) -> Option<LockPath> {
        let template = self.template(&Value::from(text), at, frame)?;
        let name = template.constant()?;
        match name.as_str().unwrap_or(text).parse() {
            Ok(name) => Some(name),
            Err(error) => {
                let error: crate::model::InvalidLockPath = error;
                let problem = Problem::new("bad-name", at.clone(), error.to_string());
                self.report(
                    problem.help("write segments joined by `/`, such as `server/{{ input.bmc }}`"),
                );
                None
            }
        }
    }
}

fn has_needs(step: &Step) -> bool {
    step.needs.is_some()
}
