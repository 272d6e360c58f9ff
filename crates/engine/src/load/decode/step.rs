//! Steps: what all of them may have.

use super::{Decoder, shapes};
use crate::{
    load::yaml::Node,
    model::{Pointer, Step, StepKind},
};

impl Decoder<'_> {
    pub(super) fn steps(&mut self, node: &Node, at: &Pointer) -> Option<Vec<Step>> {
        self.list(node, at, "a list of steps", Self::step)
    }

    /// Steps where none at all would be a mistake.
    pub(super) fn some_steps(&mut self, node: &Node, at: &Pointer) -> Option<Vec<Step>> {
        let steps = self.steps(node, at)?;
        self.not_empty(node, at, "a step")?;
        Some(steps)
    }

    fn step(&mut self, node: &Node, at: &Pointer) -> Option<Step> {
        let fields = self.fields(node, at, &shapes::STEP)?;
        let id = self.required(&fields, "id", Self::id);
        let description = self.optional(&fields, "description", Self::text);
        let when = self.optional(&fields, "when", Self::condition);
        let needs = self.optional(&fields, "needs", Self::needs);
        let window = self.optional(&fields, "window", Self::window);
        let kind = self.kind(&fields);
        let retry = self.optional(&fields, "retry", Self::retry);
        let timeout = self.optional(&fields, "timeout", Self::timeout);
        let whole = kind.as_ref().is_some_and(|kind| !matches!(kind, StepKind::Task { .. }));
        if let Some(timeout) = timeout.as_ref().filter(|_| whole) {
            self.timeout_of_whole(timeout, &at.key("timeout"));
        }
        let locks = self.optional(&fields, "locks", Self::locks).unwrap_or_default();
        let limits = self.optional(&fields, "limits", Self::limits).unwrap_or_default();
        let pool = self.optional(&fields, "pool", Self::pool);
        let on_error = self.optional(&fields, "on_error", Self::on_error).unwrap_or_default();
        let cleanup = self.optional(&fields, "cleanup", Self::cleanup);
        let undo = self.optional(&fields, "undo", Self::undo);
        let next = self.optional(&fields, "next", Self::next);
        Some(Step {
            id: id?,
            description,
            when,
            needs,
            window,
            kind: kind?,
            retry,
            timeout,
            locks,
            limits,
            pool,
            on_error,
            cleanup,
            undo,
            next,
        })
    }

    fn needs(&mut self, node: &Node, at: &Pointer) -> Option<Vec<String>> {
        self.list(node, at, "a list of step ids", Self::id)
    }
}
