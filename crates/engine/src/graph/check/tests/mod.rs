//! Each rule with the problems it finds: their codes and their places.
#![expect(clippy::needless_pass_by_value, reason = "values are written in place")]

mod expressions;
mod input;
mod lists;
mod random;
mod steps;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Catalogue, check};
use crate::{
    Describe, Effect, Registry, StepContext, StepError, executor_fn,
    model::{Problem, Workflow},
};

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Update {
    /// The BMC's address.
    target: String,
    /// The package.
    package: Option<String>,
    mode: Option<Mode>,
    #[schemars(range(min = 1, max = 10))]
    tries: Option<u32>,
    tags: Option<Vec<String>>,
    settings: Option<BTreeMap<String, u32>>,
    source: Option<Source>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// At once.
    Immediate,
    /// When it restarts.
    OnReset,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is looked at")]
enum Source {
    Http { url: String },
    File { path: String, owner: Option<String> },
}

#[derive(Serialize, JsonSchema)]
struct Updated {
    version: String,
    reboot: bool,
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    let update = executor_fn(
        Describe::new("redfish.update", Effect::Verify),
        async |_: StepContext, _: Update| {
            Ok::<_, StepError>(Updated { version: String::new(), reboot: false })
        },
    );
    let free = executor_fn(
        Describe::new("test.free", Effect::Read),
        async |_: StepContext, input: BTreeMap<String, Value>| Ok::<_, StepError>(input),
    );
    registry.register(update).unwrap();
    registry.register(free).unwrap();
    registry
}

/// A workflow from its fields; `steps` of one letter each are tasks that take anything.
pub(super) fn workflow(mut fields: Value) -> Workflow {
    fields["workflow"] = json!("test");
    serde_json::from_value(fields).unwrap_or_else(|error| panic!("{error}"))
}

/// A task that takes anything.
pub(super) fn task(id: &str, more: Value) -> Value {
    let mut step = json!({"id": id, "uses": "test.free"});
    for (key, value) in more.as_object().unwrap() {
        step[key] = value.clone();
    }
    step
}

pub(super) fn problems_of(workflow: &Workflow) -> Vec<Problem> {
    let child: Workflow = serde_json::from_value(json!({
        "workflow": "child",
        "input": {
            "type": "object", "required": ["host"],
            "properties": {"host": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
        },
        "steps": [{"id": "a", "uses": "test.free"}],
    }))
    .unwrap();
    check(workflow, &registry(), &|name| (name == "child").then_some(&child))
}

/// What is found, as `code place`.
pub(super) fn found(fields: Value) -> Vec<String> {
    let problems = problems_of(&workflow(fields));
    problems.into_iter().map(|problem| format!("{} {}", problem.code, problem.at)).collect()
}

/// The help and label of the only problem.
pub(super) fn advice(fields: Value) -> String {
    let problems = problems_of(&workflow(fields));
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    let label = problem.label.clone().into_iter();
    label.chain(problem.help.clone()).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_registry_is_a_catalogue() {
    let registry = registry();
    assert_eq!(Catalogue::names(&registry), ["redfish.update", "test.free"]);
    let info = registry.executor("redfish.update").unwrap();
    assert_eq!(info.effect, Effect::Verify);
    assert_eq!(info.input["required"], json!(["target"]));
    assert!(registry.executor("nope").is_none());
}

#[test]
fn a_good_workflow_has_no_problems() {
    let workflow = workflow(json!({
        "input": {
            "type": "object", "required": ["hosts"],
            "properties": {
                "hosts": {"type": "array", "items": {"type": "object", "properties": {"bmc": {"type": "string"}}}},
                "mode": {"type": "string", "default": "on_reset"},
            },
        },
        "steps": [
            {"id": "plan", "set": {"n": "{{ input.hosts|length }}"}},
            {"id": "all", "map": {"over": "{{ input.hosts }}", "as": "host"}, "steps": [
                {"id": "update", "uses": "redfish.update",
                 "with": {"target": "{{ host.bmc }}", "package": "p{{ host_index }}", "mode": "{{ input.mode }}"},
                 "retry": {"max_attempts": 3},
                 "cleanup": {"uses": "test.free", "with": {"v": "{{ steps.update.output.version }}"}}},
                {"id": "pick", "decision": [
                    {"when": {"field": "$.steps.update.output.reboot", "operator": "equals", "value": true},
                     "steps": [{"id": "reboot", "uses": "test.free", "with": {"n": "{{ steps.plan.output.n }}"}}]},
                    {"otherwise": {"next": "end"}},
                ]},
                {"id": "last", "workflow": "child", "with": {"host": "{{ host.bmc }}"}},
            ], "output": "{{ steps.update.output.version }}"},
            {"id": "both", "needs": ["all"], "parallel": {
                "x": {"steps": [{"id": "inner", "uses": "test.free"}]},
                "y": {"steps": [{"id": "other", "uses": "test.free", "with": {"k": "{{ steps.all.output }}"}}]},
            }},
        ],
        "output": {"versions": "{{ steps.all.output }}", "items": "{{ steps.all.items }}", "id": "{{ run.id }}"},
    }));
    assert_eq!(problems_of(&workflow), []);
}
