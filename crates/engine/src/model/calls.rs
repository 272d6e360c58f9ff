//! The places where a workflow calls others. One walk serves pinning and resolving.

use super::{Body, Branch, Choice, Otherwise, Pointer, Step, StepKind, Then, Version, Workflow};

/// Sees each call of a workflow.
pub(crate) type Visitor<'v> = dyn FnMut(&Pointer, &str, &mut Option<Version>) + 'v;

impl Workflow {
    /// Calls `visitor` with the place, the name and the pinned version of each call, in the order
    /// of the file.
    pub(crate) fn visit_calls(&mut self, visitor: &mut Visitor<'_>) {
        steps(&mut self.steps, &Pointer::root().key("steps"), visitor);
        steps(&mut self.finally, &Pointer::root().key("finally"), visitor);
    }

    /// Pins each call that is not pinned yet to the version that `version_of` tells.
    pub fn pin(&mut self, version_of: &dyn Fn(&str) -> Option<Version>) {
        self.visit_calls(&mut |_, name, version| *version = version.or_else(|| version_of(name)));
    }
}

fn steps(steps: &mut [Step], at: &Pointer, visitor: &mut Visitor<'_>) {
    for (index, step) in steps.iter_mut().enumerate() {
        kind(&mut step.kind, &at.index(index), visitor);
    }
}

fn kind(kind: &mut StepKind, at: &Pointer, visitor: &mut Visitor<'_>) {
    match kind {
        StepKind::Workflow { workflow, version, .. }
        | StepKind::Map { body: Body::Workflow { workflow, version, .. }, .. } => {
            visitor(&at.key("workflow"), workflow, version);
        }
        StepKind::Map { body: Body::Steps(body), .. }
        | StepKind::Repeat { body, .. }
        | StepKind::Group { body } => {
            branch(body, at, visitor);
        }
        StepKind::Rollout { body, gate, .. } => {
            match body {
                Body::Workflow { workflow, version, .. } => {
                    visitor(&at.key("workflow"), workflow, version);
                }
                Body::Steps(body) => branch(body, at, visitor),
            }
            steps(gate.as_deref_mut().unwrap_or_default(), &at.key("gate"), visitor);
        }
        StepKind::Parallel { parallel, .. } => {
            for (name, body) in parallel {
                branch(body, &at.key("parallel").key(name), visitor);
            }
        }
        StepKind::Decision { decision } => {
            for (index, choice) in decision.iter_mut().enumerate() {
                let at = at.key("decision").index(index);
                match choice {
                    Choice::When { then: Then::Steps { steps: inner }, .. } => {
                        steps(inner, &at.key("steps"), visitor);
                    }
                    Choice::Otherwise { otherwise: Otherwise::Steps(inner) } => {
                        steps(inner, &at.key("otherwise"), visitor);
                    }
                    Choice::When { then: Then::Next { .. }, .. }
                    | Choice::Otherwise { otherwise: Otherwise::Jump { .. } } => {}
                }
            }
        }
        StepKind::Task { .. }
        | StepKind::Set { .. }
        | StepKind::Wait { .. }
        | StepKind::Signal { .. }
        | StepKind::Approval { .. } => {}
    }
}

fn branch(branch: &mut Branch, at: &Pointer, visitor: &mut Visitor<'_>) {
    steps(&mut branch.steps, &at.key("steps"), visitor);
}
