//! A run and the runs below it.

use std::{collections::HashMap, sync::Arc};

use rackwright_engine::{
    EngineError,
    api::{RunEvent, RunView, StepView},
    graph::Plan,
    machine::RunError,
    model::{RunId, RunStatus},
};

use crate::tree::RunTree;

/// A run and the runs below it, as far as they are known.
pub(crate) struct Family {
    root: RunId,
    views: HashMap<RunId, RunView>,
    /// Of each child: what the paths of its steps begin with.
    prefixes: HashMap<RunId, String>,
}

/// How a family stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Something goes on, or will.
    Going,
    /// Nothing goes on until a person decides.
    Waiting,
    /// Its root has ended.
    Ended(RunStatus),
}

impl Family {
    pub(super) fn new(root: RunId) -> Self {
        Self { root, views: HashMap::new(), prefixes: HashMap::new() }
    }

    /// A family that is read once, not followed.
    pub(crate) fn read(root: RunId, view: RunView) -> Self {
        let mut family = Self::new(root);
        family.join(root, view);
        family
    }

    /// The run at the top.
    pub(crate) fn root(&self) -> RunId {
        self.root
    }

    /// A run has begun, or was read.
    pub(crate) fn join(&mut self, run: RunId, view: RunView) {
        self.views.insert(run, view);
    }

    /// A step started a child.
    pub(crate) fn expect(&mut self, parent: RunId, path: &str, child: RunId) {
        let path = self.path(parent, path);
        self.prefixes.insert(child, path);
    }

    /// A step's path from the top.
    pub(crate) fn path(&self, run: RunId, path: &str) -> String {
        match self.prefixes.get(&run) {
            Some(prefix) => format!("{prefix}/{path}"),
            None => path.to_owned(),
        }
    }

    /// The path of the step that started a child.
    pub(crate) fn prefix(&self, run: RunId) -> Option<&str> {
        self.prefixes.get(&run).map(String::as_str)
    }

    pub(super) fn apply(&mut self, event: &RunEvent) -> Result<(), EngineError> {
        let Some(view) = self.views.get_mut(&event.run) else { return Ok(()) };
        view.apply(&event.event, event.at)
            .map_err(|error| EngineError::Journal { run: event.run, reason: error.to_string() })
    }

    /// A run goes on by another plan.
    pub(super) fn moved(&mut self, event: &RunEvent, plan: Arc<Plan>) -> Result<(), EngineError> {
        let Some(view) = self.views.get_mut(&event.run) else { return Ok(()) };
        view.moved(plan, &event.event, event.at)
            .map_err(|error| EngineError::Journal { run: event.run, reason: error.to_string() })
    }

    /// The view of a run.
    pub(crate) fn view(&self, run: RunId) -> Option<&RunView> {
        self.views.get(&run)
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> Standing {
        let Some(root) = self.views.get(&self.root) else { return Standing::Going };
        let status = root.state().status;
        if status.is_ended() {
            return Standing::Ended(status);
        }
        let living: Vec<_> =
            self.views.values().map(RunView::state).filter(|it| !it.status.is_ended()).collect();
        let waits = living.iter().any(|state| state.attention > 0 || state.waits_for_release());
        let idle = living
            .iter()
            .all(|state| state.children > 0 || state.visible_status() == RunStatus::Attention);
        let children: u32 = living.iter().map(|state| state.children).sum();
        let known = u32::try_from(living.len() - 1).is_ok_and(|known| known == children);
        if waits && idle && known { Standing::Waiting } else { Standing::Going }
    }

    /// What waits for a person: the run, the step's path in it, and from the top.
    pub(crate) fn in_attention(&self) -> Vec<(RunId, String, String)> {
        let mut waiting: Vec<_> = self
            .views
            .iter()
            .flat_map(|(run, view)| {
                let from_top = |path: String| (*run, path.clone(), self.path(*run, &path));
                view.in_attention().into_iter().map(from_top)
            })
            .collect();
        waiting.sort_by(|a, b| a.2.cmp(&b.2));
        waiting
    }

    /// Which elements the items on the way to a path are: `srv003`.
    pub(crate) fn labels(&self, path: &str) -> Vec<String> {
        let mut labels = Vec::new();
        let mut steps = self.tree().map(|tree| tree.steps).unwrap_or_default();
        let mut rest = path.to_owned();
        loop {
            let on_the_way = |step: &StepView| {
                let left = rest.strip_prefix(&step.path)?;
                (left.is_empty() || left.starts_with(['/', '['])).then(|| left.to_owned())
            };
            let found = steps.into_iter().find_map(|step| Some((on_the_way(&step)?, step)));
            let Some((left, step)) = found else { return labels };
            labels.extend(step.label);
            // The paths of a child's steps begin anew.
            if step.child.is_some() {
                left.trim_start_matches('/').clone_into(&mut rest);
            }
            steps = step.steps;
        }
    }

    /// What went wrong, as the root tells it.
    pub(crate) fn errors(&self) -> &[RunError] {
        self.views.get(&self.root).map_or(&[], |view| &view.state().errors)
    }

    /// All steps, those of children under the steps that started them.
    pub(crate) fn tree(&self) -> Option<RunTree> {
        let view = self.views.get(&self.root)?;
        let mut steps = view.tree();
        self.graft(&mut steps);
        let state = view.state();
        Some(RunTree {
            run: self.root,
            workflow: state.created.workflow.clone(),
            status: state.visible_status(),
            created_at: view.created_at(),
            ended_at: view.ended_at(),
            steps,
        })
    }

    fn graft(&self, steps: &mut [StepView]) {
        for step in steps {
            if let Some(child) = step.child.and_then(|child| self.views.get(&child)) {
                step.steps = child.tree();
            }
            self.graft(&mut step.steps);
        }
    }
}
