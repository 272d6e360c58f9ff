//! Kinds of steps.

use indexmap::IndexMap;
use serde_json::Value;

use super::{
    Decoder,
    fields::{Fields, wrong_type},
    shapes,
};
use crate::{
    load::{
        words,
        yaml::{Kind, Node},
    },
    model::{Body, Branch, Map, Pointer, Problem, StepKind},
};

impl Decoder<'_> {
    /// What a step does. Exactly one kind; a `map` has `steps` or `workflow` beside it.
    pub(super) fn kind(&mut self, fields: &Fields<'_>) -> Option<StepKind> {
        let mut kinds = fields.present(&shapes::KINDS);
        if !fields.present(&shapes::LATER_KINDS).is_empty() {
            return None;
        }
        if kinds.contains(&"map") {
            kinds.retain(|kind| !matches!(*kind, "steps" | "workflow"));
        }
        match kinds.as_slice() {
            [one] => self.one_kind(fields, one),
            [] => {
                let all = words::list(shapes::KINDS);
                self.report(
                    Problem::new("missing-kind", fields.at.clone(), "this step does nothing")
                        .label("what is it to do?")
                        .help(format!("give it one of {all}")),
                );
                None
            }
            several => {
                self.conflict(fields, several, "a step does one thing: make two steps of it");
                None
            }
        }
    }

    fn one_kind(&mut self, fields: &Fields<'_>, kind: &'static str) -> Option<StepKind> {
        let child = kind == "workflow" || (kind == "map" && fields.has("workflow"));
        let scope = kind == "steps" || (kind == "map" && fields.has("steps"));
        if fields.has("with") && kind != "uses" && !child {
            self.misplaced(fields, "with", "it is the input of `uses` or `workflow`");
        }
        if fields.has("output") && !scope {
            self.misplaced(fields, "output", "it belongs to `steps`");
        }
        if fields.has("retry") && kind != "uses" {
            self.misplaced(fields, "retry", "only a step with `uses` is tried again");
        }
        if fields.has("wait_for") && kind != "parallel" {
            self.misplaced(fields, "wait_for", "it counts the branches of a `parallel`");
        }
        match kind {
            "uses" => {
                let with = self.with(fields);
                let uses = self.optional(fields, "uses", Self::executor)?;
                Some(StepKind::Task { uses, with })
            }
            "workflow" => {
                let with = self.with(fields);
                let workflow = self.optional(fields, "workflow", Self::workflow_name)?;
                Some(StepKind::Workflow { workflow, with, version: None })
            }
            "map" => {
                let map = self.optional(fields, "map", Self::map);
                let body = self.body(fields);
                Some(StepKind::Map { map: map?, body: body? })
            }
            "parallel" => {
                let parallel = self.optional(fields, "parallel", Self::branches);
                let wait_for = self.optional(fields, "wait_for", Self::wait_for);
                let wait_for = wait_for.unwrap_or_default();
                Some(StepKind::Parallel { parallel: parallel?, wait_for })
            }
            "decision" => {
                let decision = self.optional(fields, "decision", Self::choices)?;
                Some(StepKind::Decision { decision })
            }
            "set" => {
                let set = self.optional(fields, "set", Self::free)?;
                Some(StepKind::Set { set })
            }
            _ => self.scope(fields).map(|body| StepKind::Group { body }),
        }
    }

    fn with(&mut self, fields: &Fields<'_>) -> Value {
        self.optional(fields, "with", Self::free).unwrap_or(Value::Null)
    }

    /// `steps` and `output`.
    fn scope(&mut self, fields: &Fields<'_>) -> Option<Branch> {
        let output = self.optional(fields, "output", Self::free);
        let steps = self.required(fields, "steps", Self::steps)?;
        Some(Branch { steps, output })
    }

    fn map(&mut self, node: &Node, at: &Pointer) -> Option<Map> {
        if let Kind::Text(text, _) = &node.kind {
            self.report(
                wrong_type(node, at, "a mapping with `over`")
                    .help(format!("write `map: {{ over: \"{text}\" }}`")),
            );
            return None;
        }
        let fields = self.fields(node, at, &shapes::MAP)?;
        let over = self.required(&fields, "over", Self::over);
        let binding = self.optional(&fields, "as", Self::binding);
        let max_concurrency = self.optional(&fields, "max_concurrency", Self::count);
        let on_error = self.optional(&fields, "on_error", Self::on_error).unwrap_or_default();
        let binding = binding.unwrap_or_else(Map::default_name);
        Some(Map { over: over?, binding, max_concurrency, on_error })
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

    fn body(&mut self, fields: &Fields<'_>) -> Option<Body> {
        match fields.present(&["steps", "workflow"]).as_slice() {
            ["steps"] => self.scope(fields).map(Body::Steps),
            ["workflow"] => {
                let with = self.with(fields);
                let workflow = self.optional(fields, "workflow", Self::workflow_name)?;
                Some(Body::Workflow { workflow, with, version: None })
            }
            [] => {
                self.report(
                    Problem::new("missing-field", fields.at.key("map"), "a map needs a body")
                        .on_key()
                        .label("what is to be done with each item?")
                        .help("put `steps:` or `workflow:` beside `map:`"),
                );
                None
            }
            several => {
                self.conflict(fields, several, "each item gets either steps or a child run");
                None
            }
        }
    }

    fn branches(&mut self, node: &Node, at: &Pointer) -> Option<IndexMap<String, Branch>> {
        let Kind::Map(entries) = &node.kind else {
            self.wrong_type(node, at, "branches by name: `{ NAME: [steps], … }`");
            return None;
        };
        self.not_empty(node, at, "a branch")?;
        let mut branches = IndexMap::new();
        for entry in entries {
            let at = at.key(&entry.key);
            if !super::values::is_id(&entry.key) {
                self.report(
                    Problem::new("bad-name", at.clone(), "this is not the name of a branch")
                        .on_key()
                        .label(
                            "expected letters, digits, `_` and `-`, starting with a letter or `_`",
                        ),
                );
            }
            if let Some(branch) = self.branch(&entry.value, &at) {
                branches.insert(entry.key.to_string(), branch);
            }
        }
        Some(branches)
    }

    /// `{ steps, output }`, or the steps alone.
    fn branch(&mut self, node: &Node, at: &Pointer) -> Option<Branch> {
        match &node.kind {
            Kind::Seq(_) => {
                let steps = self.steps(node, &at.key("steps"))?;
                Some(Branch { steps, output: None })
            }
            Kind::Map(_) => {
                let fields = self.fields(node, at, &shapes::BRANCH)?;
                self.scope(&fields)
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(..) => {
                self.wrong_type(node, at, "a branch: a list of steps, or `steps` and `output`");
                None
            }
        }
    }
}
