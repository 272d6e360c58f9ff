//! What is wrong with a workflow, found before it runs: all of it at once, each with its place.
//!
//! The checks take any [`Workflow`], from a file or built in Rust, so some rules that the loader
//! applies to files are applied here again, under the same codes and at the same places.
//!
//! What may be read where: a step sees the steps of its own list that come before it (by order, or
//! by `needs`), and whatever the step that holds its list sees. A list's output and a cleanup see
//! the whole list, because they are evaluated at its end, and so does what the workflow does
//! `finally`; an undo sees what its step saw, and the
//! step's own result. What is inside a step is seen from
//! outside as that step's output only. An id therefore must not be used again further in.

mod asks;
mod catalogue;
mod expressions;
mod input;
mod items;
mod kinds;
mod list;
mod locks;
mod policies;
mod schema;
mod scope;
mod waits;
mod window;
mod with;
mod words;

#[cfg(test)]
mod tests;

pub use catalogue::{Catalogue, ExecutorInfo};
pub use input::{InputProblem, validate_input, validate_payload};

use std::collections::HashMap;

use crate::model::{LockClaim, Pointer, Problem, Signal, Step, Workflow};
use list::Order;
use scope::{Frame, Index};

/// Everything that is wrong with a workflow; empty if it can run. `children` finds the workflows
/// that it calls by name.
pub fn check<'w>(
    workflow: &'w Workflow,
    catalogue: &dyn Catalogue,
    children: &dyn Fn(&str) -> Option<&'w Workflow>,
) -> Vec<Problem> {
    let root = Pointer::root();
    let mut checker = Checker {
        workflow,
        catalogue,
        children,
        index: Index::of(&workflow.steps, &workflow.finally),
        in_finally: false,
        problems: Vec::new(),
        held: Vec::new(),
        locked: 0,
        signals: HashMap::new(),
    };
    checker.name(&workflow.name, &root.key("workflow"));
    checker.schema(workflow.input.as_ref());
    checker.run_locks(workflow, &root);
    checker.defaults(&workflow.defaults, &root.key("defaults"));
    checker.run_window(workflow.window.as_ref(), &root.key("window"));
    if workflow.steps.is_empty() {
        checker.report(
            Problem::new("empty-list", root.key("steps"), "the workflow has no steps")
                .help("give it at least one"),
        );
    }
    checker.list(&workflow.steps, workflow.output.as_ref(), &root, &root.key("steps"), None, None);
    checker.finally(&root);
    checker.problems
}

pub(super) struct Checker<'c, 'w> {
    workflow: &'w Workflow,
    catalogue: &'c dyn Catalogue,
    children: &'c dyn Fn(&str) -> Option<&'w Workflow>,
    index: Index<'w>,
    /// The steps that are looked at run at the end: they see how the run ends.
    in_finally: bool,
    problems: Vec<Problem>,
    /// What the steps that are being looked at stand inside of, where it is known.
    held: Vec<LockClaim>,
    /// How many steps around hold locks.
    locked: u32,
    /// The signals, each with the place where it came first.
    signals: HashMap<&'w str, (Pointer, &'w Signal)>,
}

impl<'w> Checker<'_, 'w> {
    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The workflow's name.
    fn name(&mut self, name: &str, at: &Pointer) {
        let letter = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(letter) {
            let message = format!("`{name}` is not the name of a workflow");
            self.report(
                Problem::new("bad-name", at.clone(), message)
                    .help("use letters, digits, `_`, `-` and `.`, starting with a letter or digit"),
            );
        }
    }

    /// What is done at the end sees all steps of the workflow, though none of them need have run.
    fn finally(&mut self, root: &Pointer) {
        let Workflow { steps, finally, .. } = self.workflow;
        let twin = steps.iter().position(|step| step.id == "finally");
        if let Some(twin) = twin.filter(|_| !finally.is_empty()) {
            let at = root.key("steps").index(twin).key("id");
            let message = "a step can't be called `finally` beside a `finally`";
            self.report(
                Problem::new("bad-name", at, message)
                    .related(root.key("finally"), "paths of these steps begin with `finally/`")
                    .help("give the step another id"),
            );
        }
        let order = Order::of(steps);
        let at = root.key("steps");
        let frame = Frame {
            steps,
            at: &at,
            order: &order,
            current: None,
            ended: false,
            outer: None,
            binding: None,
            gate: false,
        };
        self.in_finally = true;
        self.list(finally, None, root, &root.key("finally"), Some(&frame), None);
        self.in_finally = false;
    }

    /// A list of steps at `at`, and the output of what holds it.
    fn list(
        &mut self,
        steps: &'w [Step],
        output: Option<&serde_json::Value>,
        owner: &Pointer,
        at: &Pointer,
        outer: Option<&Frame<'_, 'w>>,
        binding: Option<&'w str>,
    ) {
        let order = Order::of(steps);
        self.ids(steps, at, outer);
        self.edges(steps, &order, at);
        for (place, step) in steps.iter().enumerate() {
            let frame = Frame {
                steps,
                at,
                order: &order,
                current: Some(place),
                ended: false,
                outer,
                binding,
                gate: false,
            };
            self.step(step, &at.index(place), &frame);
        }
        if let Some(output) = output {
            let frame = Frame {
                steps,
                at,
                order: &order,
                current: None,
                ended: false,
                outer,
                binding,
                gate: false,
            };
            self.template(output, &owner.key("output"), &frame);
        }
    }
}
