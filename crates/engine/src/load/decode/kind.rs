//! Kinds of steps.

use indexmap::IndexMap;
use serde_json::Value;

use super::{Decoder, fields::Fields, shapes};
use crate::{
    load::{
        words,
        yaml::{Kind, Node},
    },
    model::{Branch, Pointer, Problem, StepKind},
};

impl Decoder<'_> {
    /// What a step does. Exactly one kind; a `map` or `rollout` has `steps` or
    /// `workflow` beside it.
    pub(super) fn kind(&mut self, fields: &Fields<'_>) -> Option<StepKind> {
        let mut kinds = fields.present(&shapes::KINDS);
        if kinds.contains(&"map") || kinds.contains(&"rollout") {
            kinds.retain(|kind| !matches!(*kind, "steps" | "workflow"));
        } else if kinds.contains(&"repeat") {
            kinds.retain(|kind| *kind != "steps");
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
        let through = matches!(kind, "map" | "rollout");
        let child = kind == "workflow" || (through && fields.has("workflow"));
        let scope = matches!(kind, "steps" | "repeat") || (through && fields.has("steps"));
        if fields.has("with") && kind != "uses" && !child {
            self.misplaced(fields, "with", "it is the input of `uses` or `workflow`");
        }
        if fields.has("output") && !scope {
            self.misplaced(fields, "output", "it belongs to `steps`");
        }
        if fields.has("retry") && kind != "uses" {
            self.misplaced(fields, "retry", "only a step with `uses` is tried again");
        }
        if fields.has("pool") && kind != "uses" {
            self.misplaced(fields, "pool", "only a step with `uses` is left to a pool");
        }
        if fields.has("wait_for") && kind != "parallel" {
            self.misplaced(fields, "wait_for", "it counts the branches of a `parallel`");
        }
        if fields.has("gate") && kind != "rollout" {
            self.misplaced(fields, "gate", "it stands behind the waves of a `rollout`");
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
                let body = self.body(fields, kind);
                Some(StepKind::Map { map: map?, body: body? })
            }
            "rollout" => {
                let rollout = self.optional(fields, "rollout", Self::rollout);
                let body = self.body(fields, kind);
                let gate = self.optional(fields, "gate", Self::some_steps);
                Some(StepKind::Rollout { rollout: rollout?, body: body?, gate })
            }
            "repeat" => {
                let repeat = self.optional(fields, "repeat", Self::repeat);
                let body = self.scope(fields);
                Some(StepKind::Repeat { repeat: repeat?, body: body? })
            }
            "wait" => {
                let wait = self.optional(fields, "wait", Self::wait)?;
                Some(StepKind::Wait { wait })
            }
            "signal" => {
                let signal = self.optional(fields, "signal", Self::signal)?;
                Some(StepKind::Signal { signal })
            }
            "approval" => {
                let approval = self.optional(fields, "approval", Self::approval)?;
                Some(StepKind::Approval { approval })
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

    pub(super) fn with(&mut self, fields: &Fields<'_>) -> Value {
        self.optional(fields, "with", Self::free).unwrap_or(Value::Null)
    }

    /// `steps` and `output`.
    pub(super) fn scope(&mut self, fields: &Fields<'_>) -> Option<Branch> {
        let output = self.optional(fields, "output", Self::free);
        let steps = self.required(fields, "steps", Self::steps)?;
        Some(Branch { steps, output })
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
