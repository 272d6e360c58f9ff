//! The lists of steps that stand in a step.

use super::{Body, Branch, Choice, Otherwise, Step, StepKind, Then};

impl Step {
    /// The lists inside of a step, in the order of its plan's scopes; one that is a child workflow
    /// is empty.
    pub(crate) fn lists(&self) -> Vec<&[Step]> {
        match &self.kind {
            StepKind::Map { body, .. } => vec![body.steps()],
            StepKind::Rollout { body, gate, .. } => {
                [Some(body.steps()), gate.as_deref()].into_iter().flatten().collect()
            }
            StepKind::Repeat { body, .. } | StepKind::Group { body } => vec![&body.steps],
            StepKind::Parallel { parallel, .. } => {
                parallel.values().map(|branch| &branch.steps[..]).collect()
            }
            StepKind::Decision { decision } => decision.iter().filter_map(Choice::steps).collect(),
            StepKind::Task { .. }
            | StepKind::Workflow { .. }
            | StepKind::Set { .. }
            | StepKind::Wait { .. }
            | StepKind::Signal { .. }
            | StepKind::Approval { .. } => Vec::new(),
        }
    }

    /// The step without what stands in its lists.
    pub(crate) fn without_lists(mut self) -> Self {
        match &mut self.kind {
            StepKind::Map { body, .. } => body.clear(),
            StepKind::Rollout { body, gate, .. } => {
                body.clear();
                gate.iter_mut().for_each(Vec::clear);
            }
            StepKind::Repeat { body, .. } | StepKind::Group { body } => body.steps.clear(),
            StepKind::Parallel { parallel, .. } => {
                parallel.values_mut().for_each(|branch: &mut Branch| branch.steps.clear());
            }
            StepKind::Decision { decision } => decision.iter_mut().for_each(Choice::clear),
            StepKind::Task { .. }
            | StepKind::Workflow { .. }
            | StepKind::Set { .. }
            | StepKind::Wait { .. }
            | StepKind::Signal { .. }
            | StepKind::Approval { .. } => {}
        }
        self
    }
}

impl Body {
    fn steps(&self) -> &[Step] {
        match self {
            Self::Steps(branch) => &branch.steps,
            Self::Workflow { .. } => &[],
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Steps(branch) => branch.steps.clear(),
            Self::Workflow { .. } => {}
        }
    }
}

impl Choice {
    fn steps(&self) -> Option<&[Step]> {
        match self {
            Self::When { then: Then::Steps { steps }, .. }
            | Self::Otherwise { otherwise: Otherwise::Steps(steps) } => Some(steps),
            Self::When { then: Then::Next { .. }, .. }
            | Self::Otherwise { otherwise: Otherwise::Jump { .. } } => None,
        }
    }

    fn clear(&mut self) {
        match self {
            Self::When { then: Then::Steps { steps }, .. }
            | Self::Otherwise { otherwise: Otherwise::Steps(steps) } => steps.clear(),
            Self::When { then: Then::Next { .. }, .. }
            | Self::Otherwise { otherwise: Otherwise::Jump { .. } } => {}
        }
    }
}
