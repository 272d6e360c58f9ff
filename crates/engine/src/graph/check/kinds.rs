//! Each kind of step.

use indexmap::IndexMap;
use serde_json::Value;

use super::{Checker, scope::Frame, words};
use crate::model::{
    Branch, Choice, Cleanup, Condition, Otherwise, Pointer, Problem, Step, StepKind, Then, Undo,
    WaitFor,
};

impl<'w> Checker<'_, 'w> {
    pub(super) fn step(&mut self, step: &'w Step, at: &Pointer, frame: &Frame<'_, 'w>) {
        if let Some(when) = &step.when {
            self.predicate(when, &at.key("when"), frame);
        }
        if let Some(window) = &step.window {
            self.window(window, &at.key("window"), frame);
        }
        self.policies(step.retry.as_ref(), step.timeout.as_ref(), at, frame);
        self.misplaced(step, at);
        let outside = self.step_locks(step, at, frame);
        match &step.kind {
            StepKind::Task { uses, with } => self.task(uses, with, at, frame),
            StepKind::Map { map, body } => self.map(map, body, at, frame),
            StepKind::Rollout { rollout, body, gate } => {
                self.rollout(rollout, body, gate.as_deref(), at, frame);
            }
            StepKind::Workflow { workflow, with, .. } => self.child(workflow, with, at, frame),
            StepKind::Parallel { parallel, wait_for } => {
                self.parallel(parallel, *wait_for, at, frame);
            }
            StepKind::Decision { decision } => self.decision(decision, at, frame),
            StepKind::Set { set } => drop(self.template(set, &at.key("set"), frame)),
            StepKind::Repeat { repeat, body } => self.repeat(step, (repeat, body), at, frame),
            StepKind::Wait { wait } => self.wait(step, wait, at, frame),
            StepKind::Signal { signal } => self.signal(signal, at),
            StepKind::Approval { approval } => self.approval(approval, at, frame),
            StepKind::Group { body } => self.branch(body, at, frame, None),
        }
        self.leave_locks(step, outside);
        if let Some(cleanup) = &step.cleanup {
            self.cleanup(cleanup, &at.key("cleanup"), frame);
        }
        if let Some(undo) = &step.undo {
            self.undo(undo, &at.key("undo"), frame);
        }
    }

    /// An undo sees what its step saw, and what the step gave. Steps after it need not have run.
    fn undo(&mut self, undo: &Undo, at: &Pointer, frame: &Frame<'_, 'w>) {
        let frame = Frame { ended: true, ..*frame };
        self.policies(undo.retry.as_ref(), undo.timeout.as_ref(), at, &frame);
        self.task(&undo.uses, &undo.with, at, &frame);
    }

    /// A cleanup is evaluated at the end of its list: it sees all of it.
    fn cleanup(&mut self, cleanup: &Cleanup, at: &Pointer, frame: &Frame<'_, 'w>) {
        let frame = Frame { current: None, ..*frame };
        self.policies(cleanup.retry.as_ref(), cleanup.timeout.as_ref(), at, &frame);
        self.task(&cleanup.uses, &cleanup.with, at, &frame);
    }

    fn task(&mut self, uses: &str, with: &Value, at: &Pointer, frame: &Frame<'_, 'w>) {
        let template = self.template(with, &at.key("with"), frame);
        let catalogue = self.catalogue;
        match catalogue.executor(uses) {
            Some(info) if template.is_some() => {
                self.with(with, info.input, &format!("`{uses}`"), at);
            }
            Some(_) => {}
            None => self.unknown_executor(uses, at.key("uses")),
        }
    }

    fn unknown_executor(&mut self, uses: &str, at: Pointer) {
        let names = self.catalogue.names();
        let problem =
            Problem::new("unknown-executor", at, format!("there is no executor `{uses}`"));
        if let Some(near) = words::nearest(uses, names.iter().copied()) {
            self.report(problem.label(format!("did you mean `{near}`?")));
            return;
        }
        let library = uses.split('.').next().unwrap_or_default();
        let prefix = format!("{library}.");
        let same: Vec<_> =
            names.iter().copied().filter(|name| name.starts_with(&prefix)).take(12).collect();
        let help = if same.is_empty() {
            let mut libraries: Vec<_> =
                names.iter().filter_map(|name| name.split('.').next()).collect();
            libraries.dedup();
            match libraries.as_slice() {
                [] => "no step library is registered".to_owned(),
                all => format!("the libraries are {}", words::list(all.iter().copied())),
            }
        } else {
            format!("`{library}` has {}", words::list(same))
        };
        self.report(problem.label("not known here").help(help));
    }

    pub(super) fn branch(
        &mut self,
        branch: &'w Branch,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
        binding: Option<&'w str>,
    ) {
        let output = branch.output.as_ref();
        self.list(&branch.steps, output, at, &at.key("steps"), Some(frame), binding);
    }

    pub(super) fn child(&mut self, name: &str, with: &Value, at: &Pointer, frame: &Frame<'_, 'w>) {
        let template = self.template(with, &at.key("with"), frame);
        if name == self.workflow.name {
            let message = format!("a workflow can't call itself: {name} → {name}");
            self.report(
                Problem::new("workflow-cycle", at.key("workflow"), message)
                    .help("repetition inside of a workflow is a `map`"),
            );
            return;
        }
        let Some(child) = (self.children)(name) else {
            let message = format!("no workflow `{name}` was found");
            self.report(Problem::new("unknown-workflow", at.key("workflow"), message));
            return;
        };
        if let Some(schema) = child.input.as_ref().filter(|_| template.is_some()) {
            self.with(with, schema, &format!("workflow `{name}`"), at);
        }
    }

    fn parallel(
        &mut self,
        branches: &'w IndexMap<String, Branch>,
        wait_for: WaitFor,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) {
        self.wait_for(wait_for, branches.len(), &at.key("wait_for"));
        let at = at.key("parallel");
        if branches.is_empty() {
            self.report(Problem::new("empty-list", at.clone(), "nothing runs in parallel here"));
        }
        for (name, branch) in branches {
            self.branch(branch, &at.key(name), frame, None);
        }
    }

    fn wait_for(&mut self, wait_for: WaitFor, branches: usize, at: &Pointer) {
        let WaitFor::Count(count) = wait_for else { return };
        if count == 0 || count as usize > branches {
            let message = format!("`wait_for: {count}` is not from 1 to {branches}");
            self.report(
                Problem::new("out-of-range", at.clone(), message)
                    .label(format!("there are {branches} branches"))
                    .help("leave it out to wait for all of them"),
            );
        }
    }

    fn decision(&mut self, choices: &'w [Choice], at: &Pointer, frame: &Frame<'_, 'w>) {
        let at = at.key("decision");
        if choices.is_empty() {
            let problem = Problem::new("empty-list", at.clone(), "a decision needs a choice");
            self.report(problem.help("`- when: CONDITION` with `steps:` or `next:`"));
        }
        let mut seen: Vec<&Condition> = Vec::new();
        let mut always = None;
        for (index, choice) in choices.iter().enumerate() {
            let here = at.index(index);
            if let Some(taken) = always {
                self.unreachable_choice(&here, &at.index(taken), "always taken");
            }
            match choice {
                Choice::When { when, then } => {
                    self.predicate(when, &here.key("when"), frame);
                    let twin = seen.iter().position(|earlier| *earlier == when);
                    if let Some(twin) = twin.filter(|_| always.is_none()) {
                        self.unreachable_choice(&here, &at.index(twin), "has the same condition");
                    }
                    seen.push(when);
                    if always.is_none() && *when == Condition::Literal(true) {
                        always = Some(index);
                    }
                    if let Then::Steps { steps } = then {
                        self.list(steps, None, &here, &here.key("steps"), Some(frame), None);
                    }
                }
                Choice::Otherwise { otherwise } => {
                    always = always.or(Some(index));
                    if let Otherwise::Steps(steps) = otherwise {
                        self.list(steps, None, &here, &here.key("otherwise"), Some(frame), None);
                    }
                }
            }
        }
    }

    fn unreachable_choice(&mut self, at: &Pointer, other: &Pointer, why: &str) {
        let message = "this choice is never taken";
        self.report(
            Problem::new("unreachable-choice", at.clone(), message)
                .related(other.clone(), why)
                .help("choices are tried in order; `otherwise` is the last one"),
        );
    }
}
