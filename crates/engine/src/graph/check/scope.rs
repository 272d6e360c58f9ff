//! What can be read from where.

use std::collections::{BTreeSet, HashMap};

use super::list::Order;
use crate::graph::{WAVE, WAVE_ITEMS};
use crate::model::{Body, Choice, Otherwise, Pointer, Step, StepKind, Then};

/// A place in a list of steps, inside the places around it.
#[derive(Clone, Copy)]
pub(super) struct Frame<'f, 'w> {
    pub steps: &'w [Step],
    /// Where the list is.
    pub at: &'f Pointer,
    pub order: &'f Order,
    /// The step from which things are read; `None` at the end of the list.
    pub current: Option<usize>,
    /// That step has ended: its own result can be read.
    pub ended: bool,
    pub outer: Option<&'f Frame<'f, 'w>>,
    /// The binding of the map, roll-out or repeat whose body the list is.
    pub binding: Option<&'w str>,
    /// The gate of the roll-out that `outer` stands at is inside of this.
    pub gate: bool,
}

/// Whether a step can be read.
pub(super) enum Sight<'w> {
    /// Yes; this is it.
    Seen(&'w Step),
    /// It is the very step that reads.
    Itself,
    /// It holds the step that reads.
    Around,
    /// It is in a list around, but need not have run.
    NotBefore {
        /// The step whose `needs` would have to name it.
        reader: &'w str,
    },
    /// No list around has it.
    Absent,
}

impl<'f, 'w> Frame<'f, 'w> {
    /// This place and those around it, from the inside out.
    pub(super) fn chain(&self) -> impl Iterator<Item = Frame<'f, 'w>> {
        std::iter::successors(Some(*self), |frame| frame.outer.copied())
    }

    pub(super) fn look(&self, id: &str) -> Sight<'w> {
        for (depth, frame) in self.chain().enumerate() {
            let Some(found) = frame.steps.iter().position(|step| step.id == id) else { continue };
            return match frame.current {
                Some(current) if current == found && depth == 0 && frame.ended => {
                    Sight::Seen(&frame.steps[found])
                }
                Some(current) if current == found && depth == 0 => Sight::Itself,
                Some(current) if current == found => Sight::Around,
                Some(current) if !frame.order.is_before(found, current) => {
                    Sight::NotBefore { reader: &frame.steps[current].id }
                }
                Some(_) | None => Sight::Seen(&frame.steps[found]),
            };
        }
        Sight::Absent
    }

    /// The ids that can be read.
    pub(super) fn visible(&self) -> Vec<&'w str> {
        let mut ids = Vec::new();
        for frame in self.chain() {
            for (place, step) in frame.steps.iter().enumerate() {
                let seen = |current| {
                    frame.order.is_before(place, current) || (frame.ended && place == current)
                };
                if frame.current.is_none_or(seen) {
                    ids.push(step.id.as_str());
                }
            }
        }
        ids
    }

    /// The names of the maps and roll-outs around.
    pub(super) fn bindings(&self) -> impl Iterator<Item = &'w str> {
        self.chain().filter_map(|frame| frame.binding)
    }

    /// What gates around give beside.
    pub(super) fn gate_names(&self) -> &'static [&'static str] {
        if self.chain().any(|frame| frame.gate) { &[WAVE, WAVE_ITEMS] } else { &[] }
    }

    /// Whether this is inside the gate of the step of that id.
    pub(super) fn is_in_gate_of(&self, id: &str) -> bool {
        let owner = |frame: Frame<'f, 'w>| {
            let outer = frame.outer.filter(|_| frame.gate)?;
            outer.steps.get(outer.current?)
        };
        self.chain().filter_map(owner).any(|step| step.id == id)
    }
}

/// All steps of a workflow by their ids.
#[derive(Default)]
pub(super) struct Index<'w> {
    ids: BTreeSet<&'w str>,
    holders: HashMap<&'w str, &'w str>,
}

impl<'w> Index<'w> {
    pub(super) fn of(steps: &'w [Step], finally: &'w [Step]) -> Self {
        let mut index = Self::default();
        index.add(steps, None);
        index.add(finally, None);
        index
    }

    fn add(&mut self, steps: &'w [Step], holder: Option<&'w str>) {
        for step in steps {
            self.ids.insert(&step.id);
            if let Some(holder) = holder {
                self.holders.entry(&step.id).or_insert(holder);
            }
            for list in inner_lists(step) {
                self.add(list, Some(&step.id));
            }
        }
    }

    /// Whether there is a step of that id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// The step that holds the step of that id.
    pub(super) fn holder(&self, id: &str) -> Option<&'w str> {
        self.holders.get(id).copied()
    }

    /// All ids, sorted.
    pub(super) fn ids(&self) -> impl Iterator<Item = &'w str> + Clone {
        self.ids.iter().copied()
    }
}

/// The lists that a step holds.
fn inner_lists(step: &Step) -> Vec<&[Step]> {
    match &step.kind {
        StepKind::Task { .. }
        | StepKind::Workflow { .. }
        | StepKind::Set { .. }
        | StepKind::Wait { .. }
        | StepKind::Signal { .. }
        | StepKind::Approval { .. }
        | StepKind::Map { body: Body::Workflow { .. }, .. } => Vec::new(),
        StepKind::Map { body: Body::Steps(body), .. }
        | StepKind::Repeat { body, .. }
        | StepKind::Group { body } => vec![&body.steps],
        StepKind::Rollout { body, gate, .. } => {
            let body = match body {
                Body::Steps(body) => Some(body.steps.as_slice()),
                Body::Workflow { .. } => None,
            };
            body.into_iter().chain(gate.as_deref()).collect()
        }
        StepKind::Parallel { parallel, .. } => {
            parallel.values().map(|branch| branch.steps.as_slice()).collect()
        }
        StepKind::Decision { decision } => decision
            .iter()
            .filter_map(|choice| match choice {
                Choice::When { then: Then::Steps { steps }, .. }
                | Choice::Otherwise { otherwise: Otherwise::Steps(steps) } => Some(&**steps),
                Choice::When { then: Then::Next { .. }, .. }
                | Choice::Otherwise { otherwise: Otherwise::Jump { .. } } => None,
            })
            .collect(),
    }
}
