//! Steps that let time pass.

use super::{Checker, list::Order, scope::Frame};
use crate::{
    graph::setting::{MAX_ITERATIONS, REPEAT_DELAY, WAIT_FOR, WAIT_UNTIL},
    model::{Branch, Pointer, Problem, Repeat, Step, Wait},
};

impl<'w> Checker<'_, 'w> {
    pub(super) fn wait(
        &mut self,
        step: &'w Step,
        wait: &'w Wait,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) {
        let (beside, at) = (at.key("window"), at.key("wait"));
        let things = [wait.duration.is_some(), wait.until.is_some(), wait.window.is_some()];
        let without_window = wait.needs.is_some() && wait.window.is_none();
        if things.into_iter().filter(|thing| *thing).count() != 1 || without_window {
            let message =
                "a `wait` waits for one thing: `for` a time, `until` a time, or a `window`";
            self.report(Problem::new("missing-field", at.clone(), message));
        }
        if let Some(window) = wait.window_use() {
            self.window_of_wait(&window, &at, frame);
            if step.window.is_some() {
                let message = "a step that waits for a window begins with it";
                self.report(
                    Problem::new("misplaced-field", beside, message)
                        .on_key()
                        .help("leave it out, or let another step wait before this one"),
                );
            }
        }
        if let Some(time) = &wait.duration {
            self.setting(time, &WAIT_FOR, &at.key("for"), frame);
        }
        if let Some(until) = &wait.until {
            self.setting(until, &WAIT_UNTIL, &at.key("until"), frame);
        }
    }

    pub(super) fn repeat(
        &mut self,
        step: &'w Step,
        (repeat, body): (&'w Repeat, &'w Branch),
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) {
        let here = at.key("repeat");
        if let Some(delay) = &repeat.delay {
            self.setting(delay, &REPEAT_DELAY, &here.key("delay"), frame);
        }
        if let Some(most) = &repeat.max_iterations {
            let place = here.key("max_iterations");
            if self.setting(most, &MAX_ITERATIONS, &place, frame) == Some(0) {
                let message = "a repeat does its steps at least once";
                self.out_of_range(place, message, "put `when` on the step for not at all");
            }
        } else if step.timeout.is_none() {
            self.report(
                Problem::new("endless-repeat", here.clone(), "this repeat might never end")
                    .on_key()
                    .label("has no bound")
                    .help("write `max_iterations: 30` in it, or `timeout: 1h` beside it"),
            );
        }
        self.branch(body, at, frame, Some(Repeat::BINDING));
        // Asked at the end of an iteration: it sees all of its steps.
        let (order, steps) = (Order::of(&body.steps), at.key("steps"));
        let inside = Frame {
            steps: &body.steps,
            at: &steps,
            order: &order,
            current: None,
            ended: false,
            outer: Some(frame),
            binding: Some(Repeat::BINDING),
            gate: false,
        };
        self.predicate(&repeat.until, &here.key("until"), &inside);
    }
}
