//! What there is to draw, before it has a place or a language.

use std::collections::HashMap;

use super::text;
use crate::model::{
    Branch, Choice, Cleanup, CleanupPolicy, Limit, Next, Otherwise, Step, StepKind, Then, Workflow,
};

/// What a node is; decides its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Start,
    End,
    Task,
    /// A sub-workflow.
    Child,
    /// A sub-workflow for each item.
    Children,
    Set,
    Wait,
    Decision,
    Cleanup,
    /// A list without steps.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Node {
    pub shape: Shape,
    pub title: String,
    /// Smaller lines below the title.
    pub details: Vec<String>,
    pub group: Option<usize>,
}

/// A box around nodes.
#[derive(Debug)]
pub(super) struct Group {
    pub title: String,
    pub parent: Option<usize>,
    /// Its content is repeated for each item.
    pub repeated: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub from: usize,
    pub to: usize,
    pub label: Option<String>,
    /// An obligation, not the order.
    pub dashed: bool,
}

#[derive(Debug)]
pub(super) struct Picture {
    pub title: String,
    pub about: Option<String>,
    pub nodes: Vec<Node>,
    pub groups: Vec<Group>,
    pub edges: Vec<Edge>,
}

/// A way out of something that is drawn.
#[derive(Clone, Debug)]
pub(super) struct Exit {
    pub(super) node: usize,
    pub(super) label: Option<String>,
}

/// Something that is drawn: where one comes in, where one comes out, which jumps it makes.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) entries: Vec<usize>,
    pub(super) exits: Vec<Exit>,
    pub(super) jumps: Vec<(Exit, Next)>,
}

impl Part {
    pub(super) fn of(node: usize) -> Self {
        Self { entries: vec![node], exits: vec![Exit { node, label: None }], jumps: Vec::new() }
    }
}

impl Picture {
    pub(super) fn of(workflow: &Workflow) -> Self {
        let mut picture = Self {
            title: workflow.name.clone(),
            about: workflow.description.clone(),
            nodes: Vec::new(),
            groups: Vec::new(),
            edges: Vec::new(),
        };
        let mut first = held(&workflow.locks, &workflow.limits);
        first.extend(workflow.concurrency.as_ref().map(|it| format!("at most {} runs", it.max)));
        first.extend(workflow.node.iter().map(|(name, value)| format!("node {name}={value}")));
        first.extend(workflow.window.iter().map(text::window));
        let start = picture.node(Shape::Start, "start", first, None);
        let part = picture.list(&workflow.steps, None);
        let finally = (!workflow.finally.is_empty()).then(|| {
            let group = picture.group("finally".to_owned(), None, false);
            picture.list(&workflow.finally, Some(group))
        });
        let end = picture.node(Shape::End, "end", Vec::new(), None);
        picture.connect(&[Exit { node: start, label: None }], &part.entries);
        match finally {
            Some(finally) => {
                picture.connect(&part.exits, &finally.entries);
                picture.connect(&finally.exits, &[end]);
            }
            None => picture.connect(&part.exits, &[end]),
        }
        picture
    }

    pub(super) fn node(
        &mut self,
        shape: Shape,
        title: &str,
        details: Vec<String>,
        group: Option<usize>,
    ) -> usize {
        self.nodes.push(Node { shape, title: title.to_owned(), details, group });
        self.nodes.len() - 1
    }

    pub(super) fn group(&mut self, title: String, parent: Option<usize>, repeated: bool) -> usize {
        self.groups.push(Group { title, parent, repeated });
        self.groups.len() - 1
    }

    pub(super) fn connect(&mut self, exits: &[Exit], entries: &[usize]) {
        for exit in exits {
            for entry in entries {
                let label = exit.label.clone();
                let edge = Edge { from: exit.node, to: *entry, label, dashed: false };
                if !self.edges.contains(&edge) {
                    self.edges.push(edge);
                }
            }
        }
    }

    pub(super) fn list(&mut self, steps: &[Step], group: Option<usize>) -> Part {
        if steps.is_empty() {
            return Part::of(self.node(Shape::Nothing, "nothing", Vec::new(), group));
        }
        if steps.iter().any(|step| step.needs.is_some()) {
            return self.list_with_needs(steps, group);
        }
        let mut whole = Part::default();
        let mut jumps: HashMap<&str, Vec<Exit>> = HashMap::new();
        let mut open: Vec<Exit> = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            let part = self.step(step, group);
            if place == 0 {
                whole.entries.clone_from(&part.entries);
            }
            open.extend(jumps.remove(step.id.as_str()).unwrap_or_default());
            self.connect(&open, &part.entries);
            open = part.exits;
            let mut leave = |exit: Exit, next: &Next| {
                let later = steps[place + 1..].iter().find(|later| later.id == next.0);
                match later {
                    Some(later) => jumps.entry(&later.id).or_default().push(exit),
                    None if next.0 == Next::END => whole.exits.push(exit),
                    None => {}
                }
            };
            part.jumps.into_iter().for_each(|(exit, next)| leave(exit, &next));
            if let Some(next) = &step.next {
                open.drain(..).for_each(|exit| leave(exit, next));
            }
        }
        whole.exits.extend(open);
        whole
    }

    fn list_with_needs(&mut self, steps: &[Step], group: Option<usize>) -> Part {
        let parts: Vec<Part> = steps.iter().map(|step| self.step(step, group)).collect();
        let mut whole = Part::default();
        let mut needed = vec![false; steps.len()];
        for (place, step) in steps.iter().enumerate() {
            let before: Vec<usize> = match &step.needs {
                None => place.checked_sub(1).into_iter().collect(),
                Some(needs) => needs
                    .iter()
                    .filter_map(|need| steps.iter().position(|step| step.id == *need))
                    .filter(|before| *before != place)
                    .collect(),
            };
            if before.is_empty() {
                whole.entries.extend(&parts[place].entries);
            }
            for before in before {
                needed[before] = true;
                self.connect(&parts[before].exits, &parts[place].entries);
            }
        }
        for (part, needed) in parts.into_iter().zip(needed) {
            if !needed {
                whole.exits.extend(part.exits);
            }
        }
        whole
    }

    fn step(&mut self, step: &Step, group: Option<usize>) -> Part {
        let part = match &step.kind {
            StepKind::Task { uses, .. } => {
                Part::of(self.leaf(Shape::Task, step, vec![uses.clone()], group))
            }
            StepKind::Set { .. } => Part::of(self.leaf(Shape::Set, step, Vec::new(), group)),
            StepKind::Wait { wait } => {
                Part::of(self.leaf(Shape::Wait, step, vec![text::wait(wait)], group))
            }
            StepKind::Signal { signal } => {
                let what = format!("for signal {}", signal.name);
                Part::of(self.leaf(Shape::Wait, step, vec![what], group))
            }
            StepKind::Approval { approval } => {
                let mut what = vec![format!("approval: {}", approval.message)];
                if !approval.approvers.is_empty() {
                    what.push(format!("by {}", approval.approvers.join(", ")));
                }
                Part::of(self.leaf(Shape::Wait, step, what, group))
            }
            StepKind::Repeat { repeat, body } => {
                let title = format!("{} · {}", headline(step), text::repeat(repeat));
                let inner = self.group(title, group, true);
                self.list(&body.steps, Some(inner))
            }
            StepKind::Workflow { workflow, .. } => {
                Part::of(self.leaf(Shape::Child, step, vec![format!("workflow {workflow}")], group))
            }
            StepKind::Map { map, body } => self.map(step, map, body, group),
            StepKind::Rollout { rollout, body, gate } => {
                self.rollout(step, rollout, (body, gate.as_deref()), group)
            }
            StepKind::Group { body } => {
                let inner = self.group(headline(step), group, false);
                self.list(&body.steps, Some(inner))
            }
            StepKind::Parallel { parallel, wait_for } => {
                let mut title = headline(step);
                if let Some(enough) = wait_for.enough() {
                    title = format!("{title} · until {enough} completed");
                }
                let inner = self.group(title, group, false);
                let mut whole = Part::default();
                for (name, Branch { steps, .. }) in parallel {
                    let branch = self.group(name.clone(), Some(inner), false);
                    let part = self.list(steps, Some(branch));
                    whole.entries.extend(part.entries);
                    whole.exits.extend(part.exits);
                }
                whole
            }
            StepKind::Decision { decision } => self.decision(step, decision, group),
        };
        if let (Some(cleanup), Some(entry)) = (&step.cleanup, part.entries.first()) {
            self.cleanup(cleanup, *entry, group);
        }
        if let (Some(undo), Some(exit)) = (&step.undo, part.exits.first()) {
            let from = exit.node;
            let node = self.node(Shape::Cleanup, "undo", vec![undo.uses.clone()], group);
            let label = Some("on a later failure".to_owned());
            self.edges.push(Edge { from, to: node, label, dashed: true });
        }
        part
    }

    pub(super) fn leaf(
        &mut self,
        shape: Shape,
        step: &Step,
        mut details: Vec<String>,
        group: Option<usize>,
    ) -> usize {
        details.extend(step.when.as_ref().map(|when| format!("if {}", text::condition(when))));
        details.extend(step.window.as_ref().map(text::window));
        details.extend(held(&step.locks, &step.limits));
        details.extend(step.pool.as_ref().map(|pool| format!("in pool {pool}")));
        self.node(shape, &step.id, details, group)
    }

    fn decision(&mut self, step: &Step, choices: &[Choice], group: Option<usize>) -> Part {
        let node = self.leaf(Shape::Decision, step, Vec::new(), group);
        let mut whole = Part { entries: vec![node], ..Part::default() };
        let mut open = true;
        for choice in choices {
            let (label, steps, next) = match choice {
                Choice::When { when, then } => {
                    let label = text::condition(when);
                    match then {
                        Then::Steps { steps } => (label, Some(steps), None),
                        Then::Next { next } => (label, None, Some(next)),
                    }
                }
                Choice::Otherwise { otherwise } => {
                    open = false;
                    let label = "otherwise".to_owned();
                    match otherwise {
                        Otherwise::Steps(steps) => (label, Some(steps), None),
                        Otherwise::Jump { next } => (label, None, Some(next)),
                    }
                }
            };
            let exit = Exit { node, label: Some(label) };
            match (steps, next) {
                (_, Some(next)) => whole.jumps.push((exit, next.clone())),
                (Some(steps), None) if !steps.is_empty() => {
                    let part = self.list(steps, group);
                    self.connect(&[exit], &part.entries);
                    whole.exits.extend(part.exits);
                }
                _ => whole.exits.push(exit),
            }
        }
        if open {
            whole.exits.push(Exit { node, label: Some("otherwise".to_owned()) });
        }
        whole
    }

    fn cleanup(&mut self, cleanup: &Cleanup, of: usize, group: Option<usize>) {
        let when = match cleanup.policy {
            CleanupPolicy::Never => return,
            CleanupPolicy::Always => "always",
            CleanupPolicy::OnSuccess => "on success",
            CleanupPolicy::OnFailure => "on failure",
        };
        let details = vec![cleanup.uses.clone()];
        let node = self.node(Shape::Cleanup, "cleanup", details, group);
        let label = Some(when.to_owned());
        self.edges.push(Edge { from: of, to: node, label, dashed: true });
    }
}

/// The title of the box of a step.
pub(super) fn headline(step: &Step) -> String {
    let when = step.when.as_ref().map(|when| format!("if {}", text::condition(when)));
    let window = step.window.as_ref().map(text::window);
    let held = held(&step.locks, &step.limits);
    let parts = std::iter::once(step.id.clone()).chain(when).chain(window).chain(held);
    parts.collect::<Vec<_>>().join(" · ")
}

/// What has to be held first, one line for locks and one for limits.
fn held(locks: &[String], limits: &[Limit]) -> Vec<String> {
    let mut lines = Vec::new();
    if !locks.is_empty() {
        lines.push(format!("locks {}", locks.join(", ")));
    }
    if !limits.is_empty() {
        let limits = limits.iter().map(|it| format!("{} of {}", it.max, it.name));
        lines.push(format!("at most {}", limits.collect::<Vec<_>>().join(", ")));
    }
    lines
}
