//! Where names get their values from.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value as Jinja};
use serde_json::Value;

use super::{
    budget::{self, Budget},
    scan::Name,
    view::view,
};

/// What an expression can see. Asked only for what the expression names.
pub trait Scope {
    /// A root name: `input`, `run`, the binding of a map around it or `BINDING_index`.
    fn root(&self, name: &str) -> Option<Arc<Value>>;
    /// A step that has come to its end, by its id: the nearest one, from the inside out.
    fn step(&self, id: &str) -> Option<StepView>;
}

/// What an expression sees of a step: `steps.ID.status`, `.output`, `.error` and `.items`.
#[derive(Clone, Debug)]
pub struct StepView {
    /// How it ended: `completed`, `failed`, `skipped`, …
    pub status: &'static str,
    /// Its output; null unless it completed.
    pub output: Arc<Value>,
    /// Its error, if it failed; seen as null otherwise.
    pub error: Option<Arc<Value>>,
    /// Of a map that has ended: its items in order, each with `status`, `output` and `error`.
    pub items: Option<Arc<Value>>,
}

/// The fields of a step.
pub(super) const STEP_FIELDS: [&str; 4] = ["status", "output", "error", "items"];

/// The values of the names of one expression, looked up for one evaluation.
#[derive(Debug)]
pub(super) struct Names {
    roots: Vec<(String, Jinja)>,
}

impl Names {
    pub(super) fn find(names: &[Name], scope: &dyn Scope) -> Self {
        let mut roots: Vec<(String, Jinja)> = Vec::with_capacity(names.len() + 1);
        let mut steps: Vec<(String, Jinja)> = Vec::new();
        for name in names {
            match name.path.first() {
                Some(id) if name.root == "steps" => {
                    if !steps.iter().any(|(known, _)| known == id) {
                        steps.extend(scope.step(id).map(|step| (id.clone(), step_value(&step))));
                    }
                }
                _ if roots.iter().any(|(known, _)| *known == name.root) => {}
                _ => {
                    let value = scope.root(&name.root);
                    roots.extend(value.map(|value| (name.root.clone(), view(&value))));
                }
            }
        }
        if names.iter().any(|name| name.root == "steps") {
            roots.push(("steps".to_owned(), Jinja::from_pairs(steps)));
        }
        roots.push((budget::NAME.to_owned(), Jinja::from_object(Budget::new())));
        Self { roots }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Jinja> {
        self.roots.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

fn step_value(step: &StepView) -> Jinja {
    let error = step.error.as_ref().map_or(Jinja::from(()), view);
    Jinja::from_pairs([
        ("status", Jinja::from(step.status)),
        ("output", view(&step.output)),
        ("error", error),
        ("items", step.items.as_ref().map_or(Jinja::from(()), view)),
    ])
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        self.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// A scope in which there is nothing.
pub(super) struct Nothing;

impl Scope for Nothing {
    fn root(&self, _: &str) -> Option<Arc<Value>> {
        None
    }

    fn step(&self, _: &str) -> Option<StepView> {
        None
    }
}
