//! Windows in which steps and runs begin. Whether there are windows of these names is asked when a
//! run starts: they are kept in the store, and change.

use serde_json::Value;

use super::{Checker, list::Order, scope::Frame};
use crate::{
    graph::setting::WINDOW_NEEDS,
    model::{Pointer, Problem, WindowUse},
};

impl<'w> Checker<'_, 'w> {
    /// A run waits before its first step, so its window can't read what steps gave.
    pub(super) fn run_window(&mut self, window: Option<&WindowUse>, at: &Pointer) {
        let Some(window) = window else { return };
        let order = Order::of(&[]);
        let frame = Frame {
            steps: &[],
            at,
            order: &order,
            current: None,
            ended: false,
            gate: false,
            outer: None,
            binding: None,
        };
        let before = self.problems.len();
        self.window(window, at, &frame);
        let help = "a run waits before its first step, so its window reads `input` and `run` alone";
        self.explain_names(before, help);
    }

    pub(super) fn window(&mut self, window: &WindowUse, at: &Pointer, frame: &Frame<'_, 'w>) {
        if self.in_finally {
            self.report(
                Problem::new("misplaced-field", at.clone(), "`window` does not belong here")
                    .on_key()
                    .help("what is done at the end of a run waits for no window: leave it out"),
            );
        }
        let place = match window {
            WindowUse::Named(_) => at.clone(),
            WindowUse::Needs(_) => at.key("name"),
        };
        self.window_parts(window, (place, at), frame);
    }

    /// The window that a `wait` waits for.
    pub(super) fn window_of_wait(
        &mut self,
        window: &WindowUse,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) {
        if self.in_finally {
            self.report(
                Problem::new("misplaced-field", at.key("window"), "`window` does not belong here")
                    .on_key()
                    .help("what is done at the end of a run waits for no window: leave it out"),
            );
        }
        self.window_parts(window, (at.key("window"), at), frame);
    }

    fn window_parts(
        &mut self,
        window: &WindowUse,
        (place, at): (Pointer, &Pointer),
        frame: &Frame<'_, 'w>,
    ) {
        let name = self.template(&Value::from(window.name()), &place, frame);
        let constant = name.as_ref().and_then(|name| name.constant());
        if constant.is_some_and(|name| name.as_str().is_none_or(|name| name.trim().is_empty())) {
            let problem = Problem::new("bad-name", place, "this is not the name of a window");
            self.report(problem.help("`rackwright windows list` shows their names"));
        }
        if let Some(needs) = window.needs() {
            self.setting(needs, &WINDOW_NEEDS, &at.key("needs"), frame);
        }
    }
}
