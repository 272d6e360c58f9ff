//! `map` and `rollout`: kinds that go through a list.

use serde_json::Value;

use super::{
    Decoder,
    fields::{Fields, wrong_type},
    shapes::{self, Shape},
};
use crate::{
    load::yaml::{Kind, Node},
    model::{Body, Map, OnError, OnHalt, Pointer, Problem, Rollout},
};

impl Decoder<'_> {
    pub(super) fn map(&mut self, node: &Node, at: &Pointer) -> Option<Map> {
        let fields = self.through(node, at, "map", &shapes::MAP)?;
        let over = self.required(&fields, "over", Self::over);
        let binding = self.optional(&fields, "as", Self::binding);
        let max_concurrency = self.optional(&fields, "max_concurrency", Self::count);
        let max_failures = self.optional(&fields, "max_failures", Self::amount);
        let on_error = self.optional(&fields, "on_error", Self::on_error);
        let budget = fields.has("max_failures");
        if budget && on_error == Some(OnError::Fail) {
            let help = "`max_failures: 0` stops at the first failure, as `on_error: fail` does";
            self.conflict(&fields, &["on_error", "max_failures"], help);
        }
        // Where some may fail, the others go on.
        let other = if budget { OnError::Continue } else { OnError::Fail };
        Some(Map {
            over: over?,
            binding: binding.unwrap_or_else(Map::default_name),
            max_concurrency,
            on_error: on_error.unwrap_or(other),
            max_failures,
        })
    }

    pub(super) fn rollout(&mut self, node: &Node, at: &Pointer) -> Option<Rollout> {
        let fields = self.through(node, at, "rollout", &shapes::ROLLOUT)?;
        let over = self.required(&fields, "over", Self::over);
        let binding = self.optional(&fields, "as", Self::binding);
        let rollout = Rollout {
            over: Value::Null,
            binding: binding.unwrap_or_else(Map::default_name),
            canary: self.optional(&fields, "canary", Self::count),
            wave: self.optional(&fields, "wave", Self::amount),
            max_unavailable: self.optional(&fields, "max_unavailable", Self::amount),
            soak: self.optional(&fields, "soak", Self::duration),
            max_failures: self.optional(&fields, "max_failures", Self::amount),
            on_halt: self.optional(&fields, "on_halt", Self::on_halt).unwrap_or_default(),
        };
        Some(Rollout { over: over?, ..rollout })
    }

    fn on_halt(&mut self, node: &Node, at: &Pointer) -> Option<OnHalt> {
        self.word(node, at, &[("stop", OnHalt::Stop), ("undo", OnHalt::Undo)])
    }

    /// The fields of a kind that goes through a list.
    fn through<'n>(
        &mut self,
        node: &'n Node,
        at: &Pointer,
        kind: &str,
        shape: &Shape,
    ) -> Option<Fields<'n>> {
        if let Kind::Text(text, _) = &node.kind {
            self.report(
                wrong_type(node, at, "a mapping with `over`")
                    .help(format!("write `{kind}: {{ over: \"{text}\" }}`")),
            );
            return None;
        }
        self.fields(node, at, shape)
    }

    fn over(&mut self, node: &Node, at: &Pointer) -> Option<Value> {
        match &node.kind {
            Kind::Text(..) | Kind::Seq(_) => self.free(node, at),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Map(_) => {
                let expected =
                    "a list, or a template that gives one such as `\"{{ input.items }}\"`";
                self.wrong_type(node, at, expected);
                None
            }
        }
    }

    /// What happens to each item of a kind that goes through a list.
    pub(super) fn body(&mut self, fields: &Fields<'_>, kind: &str) -> Option<Body> {
        match fields.present(&["steps", "workflow"]).as_slice() {
            ["steps"] => self.scope(fields).map(Body::Steps),
            ["workflow"] => {
                let with = self.with(fields);
                let workflow = self.optional(fields, "workflow", Self::workflow_name)?;
                Some(Body::Workflow { workflow, with, version: None })
            }
            [] => {
                let message = format!("a {kind} needs a body");
                self.report(
                    Problem::new("missing-field", fields.at.key(kind), message)
                        .on_key()
                        .label("what is to be done with each item?")
                        .help(format!("put `steps:` or `workflow:` beside `{kind}:`")),
                );
                None
            }
            several => {
                self.conflict(fields, several, "each item gets either steps or a child run");
                None
            }
        }
    }
}
