//! Kinds that go through a list.

use serde_json::Value;

use super::{Checker, list::Order, scope::Frame};
use crate::{
    expr::Template,
    graph::{WAVE, WAVE_ITEMS},
    model::{Amount, Body, Map, OnError, OnHalt, Pointer, Problem, Rollout, Step},
};

impl<'w> Checker<'_, 'w> {
    pub(super) fn map(
        &mut self,
        map: &'w Map,
        body: &'w Body,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) {
        let here = at.key("map");
        self.over(&map.over, "map", &here, frame);
        if map.max_concurrency == Some(0) {
            let message = "with no item at a time nothing would ever happen";
            self.report(
                Problem::new("out-of-range", here.key("max_concurrency"), message)
                    .help("write 1 or more, or leave it out to process all at once"),
            );
        }
        if map.max_failures.is_some() && map.on_error == OnError::Fail {
            let message = "`max_failures` can't stand beside `on_error: fail`";
            self.report(
                Problem::new("conflicting-fields", here.key("max_failures"), message)
                    .on_key()
                    .help("where some items may fail, the others go on: `on_error: continue`"),
            );
        }
        self.binding(&map.binding, &here.key("as"), frame);
        self.body(&map.binding, body, at, frame);
    }

    pub(super) fn rollout(
        &mut self,
        rollout: &'w Rollout,
        body: &'w Body,
        gate: Option<&'w [Step]>,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) {
        let here = at.key("rollout");
        self.over(&rollout.over, "rollout", &here, frame);
        if rollout.canary == Some(0) {
            self.nothing(&here.key("canary"), "a wave needs an item");
        }
        for (field, amount, message) in [
            ("wave", rollout.wave, "a wave needs an item"),
            ("max_unavailable", rollout.max_unavailable, "with no item at a time nothing happens"),
        ] {
            if amount.is_some_and(|it| matches!(it, Amount::Count(0) | Amount::Percent(0))) {
                self.nothing(&here.key(field), message);
            }
        }
        if [WAVE, WAVE_ITEMS].contains(&rollout.binding.as_str()) {
            let message = format!("`{}` has a meaning in the gate of a roll-out", rollout.binding);
            let problem = Problem::new("bad-name", here.key("as"), message);
            self.report(problem.help("use another name"));
        }
        if rollout.on_halt == OnHalt::Undo && matches!(body, Body::Workflow { .. }) {
            let message = "a child run that has ended is not taken back";
            self.report(
                Problem::new("misplaced-field", here.key("on_halt"), message)
                    .on_key()
                    .help("give the items `steps:` whose steps have an `undo`"),
            );
        }
        self.binding(&rollout.binding, &here.key("as"), frame);
        self.body(&rollout.binding, body, at, frame);
        if let Some(steps) = gate {
            self.gate(steps, at, frame);
        }
    }

    fn nothing(&mut self, at: &Pointer, message: &str) {
        let problem = Problem::new("out-of-range", at.clone(), message);
        self.report(problem.help("write 1 or more, or leave it out"));
    }

    /// The steps of a gate see what the roll-out sees, its items so far, and the wave.
    fn gate(&mut self, steps: &'w [Step], at: &Pointer, frame: &Frame<'_, 'w>) {
        let place = at.key("gate");
        if steps.is_empty() {
            let problem = Problem::new("empty-list", place.clone(), "the gate has no steps");
            self.report(problem.help("leave it out to go on behind each wave"));
        }
        let (order, outer) = (Order::of(&[]), Some(frame));
        let around = Frame {
            steps: &[],
            at: &place,
            order: &order,
            current: None,
            ended: false,
            outer,
            binding: None,
            gate: true,
        };
        self.list(steps, None, at, &place, Some(&around), None);
    }

    fn over(&mut self, over: &Value, kind: &str, here: &Pointer, frame: &Frame<'_, 'w>) {
        let template = self.template(over, &here.key("over"), frame);
        if let Some(found) =
            template.as_ref().and_then(Template::constant).filter(|v| !v.is_array())
        {
            let message = format!("a {kind} goes over a list");
            self.report(
                Problem::new("wrong-type", here.key("over"), message)
                    .label(format!("this is {}", super::schema::kind(found)))
                    .help("write a list, or an expression that gives one: `{{ input.hosts }}`"),
            );
        }
    }

    fn body(&mut self, binding: &'w str, body: &'w Body, at: &Pointer, frame: &Frame<'_, 'w>) {
        match body {
            Body::Steps(branch) => self.branch(branch, at, frame, Some(binding)),
            Body::Workflow { workflow, with, .. } => {
                let inner = Frame { binding: Some(binding), outer: Some(frame), ..*frame };
                self.child(workflow, with, at, &inner);
            }
        }
    }

    fn binding(&mut self, name: &str, at: &Pointer, frame: &Frame<'_, 'w>) {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !name.chars().all(letter) {
            let message = format!("`{name}` can't be the name of an item");
            self.report(
                Problem::new("bad-name", at.clone(), message)
                    .help("use letters, digits and `_`, not starting with a digit"),
            );
        } else if [
            "input", "run", "steps", "true", "false", "none", "not", "and", "or", "in", "is", "if",
            "else",
        ]
        .contains(&name)
        {
            let message = format!("`{name}` has a meaning in expressions already");
            self.report(Problem::new("bad-name", at.clone(), message).help("use another name"));
        } else if let Some(taken) = frame.gate_names().iter().find(|taken| **taken == name) {
            let message = format!("the gate around this gives `{taken}` a meaning");
            self.report(
                Problem::new("shadowed-name", at.clone(), message).help("use another name"),
            );
        } else if let Some(other) = frame.bindings().find(|other| {
            *other == name || name == format!("{other}_index") || *other == format!("{name}_index")
        }) {
            let message = format!("a map around this one calls its item `{other}`");
            self.report(
                Problem::new("shadowed-name", at.clone(), message)
                    .help("give the inner item another name with `as`"),
            );
        }
    }
}
