use rstest::rstest;
use serde_json::{Value, json};

use super::{found, problems_of, task, workflow};

fn with(template: &str) -> Value {
    json!({"with": {"k": template}})
}

#[rstest]
#[case::syntax("{{ input.x + }}", "bad-expression", Some("{{ input.x +"))]
#[case::filter("a {{ input.x|jion }}", "bad-expression", Some("jion"))]
#[case::root("{{ inputs.x }}", "unknown-name", Some("inputs.x"))]
#[case::run("{{ run.name }}", "unknown-name", Some("run.name"))]
#[case::bare_step("{{ first.output }}", "unknown-name", Some("first.output"))]
#[case::bare_input("{{ host }}", "unknown-name", Some("host"))]
#[case::input("{{ input.hots }}", "unknown-input", Some("input.hots"))]
#[case::deep_input("{{ input.nic.mca }}", "unknown-input", Some("input.nic.mca"))]
#[case::input_items("{{ input.list[0].nam }}", "unknown-input", Some("input.list[0].nam"))]
#[case::step("{{ steps.frist.output }}", "unknown-step", Some("steps.frist.output"))]
#[case::later("{{ steps.last.output }}", "step-not-before", Some("steps.last.output"))]
#[case::itself("{{ steps.here.output }}", "step-not-before", Some("steps.here.output"))]
#[case::inside("{{ steps.inner.output }}", "step-not-visible", Some("steps.inner.output"))]
#[case::field("{{ steps.first.outptu }}", "bad-expression", Some("steps.first.outptu"))]
#[case::output(
    "{{ steps.update.output.versoin }}",
    "unknown-output",
    Some("steps.update.output.versoin")
)]
#[case::dashed("{{ steps.my-step.output }}", "unknown-step", Some("steps.my"))]
fn references(#[case] template: &str, #[case] code: &str, #[case] place: Option<&str>) {
    let workflow = workflow(json!({
        "input": {"type": "object", "properties": {
            "host": {"type": "string"}, "x": {},
            "nic": {"type": "object", "properties": {"mac": {"type": "string"}}},
            "free": {"type": "object"},
            "open": {"type": "object", "properties": {"a": {}}, "additionalProperties": true},
            "list": {"type": "array", "items": {"type": "object", "properties": {"name": {}}}},
        }},
        "steps": [
            task("first", json!({})),
            task("my-step", json!({})),
            {"id": "update", "uses": "redfish.update", "with": {"target": "x"}},
            {"id": "group", "steps": [task("inner", json!({}))]},
            task("here", with(template)),
            task("last", json!({})),
        ],
    }));
    let problems = problems_of(&workflow);
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert_eq!((problem.code, problem.at.as_str()), (code, "/steps/4/with/k"), "{problem:#?}");
    let found = problem.range.clone().map(|range| &template[range]);
    if !template.ends_with("+ }}") {
        assert_eq!(found, place, "{problem:#?}");
    }
    assert!(!problem.help.is_empty(), "{problem:#?}");
}

#[rstest]
#[case("{{ input.host ~ input.free.anything ~ input.open.b ~ input.x.y }}")]
#[case("{{ input.items() }}")]
#[case("{{ steps.first.output.anything }} {{ steps.group.output }} {{ run.id }}")]
#[case("{{ steps.update.output.version }} {{ steps['update'].status }}")]
#[case("{{ steps.first.error.code is defined }}")]
fn good_references(#[case] template: &str) {
    let steps = json!([
        task("first", json!({})),
        {"id": "update", "uses": "redfish.update", "with": {"target": "x"}},
        {"id": "group", "steps": [task("inner", json!({}))]},
        task("here", with(template)),
    ]);
    let input = json!({"type": "object", "properties": {
        "host": {}, "x": {}, "free": {"type": "object"}, "items": {},
        "open": {"type": "object", "properties": {"a": {}}, "additionalProperties": true},
    }});
    assert_eq!(found(json!({"input": input, "steps": steps})), Vec::<String>::new());
}

#[test]
fn needs_decide_what_is_before() {
    let steps = json!([
        task("a", json!({})),
        task("b", json!({"needs": [], "with": {"k": "{{ steps.a.output }}"}})),
        task("c", json!({"needs": ["a"]})),
        task(
            "d",
            json!({"needs": ["c"], "with": {"k": "{{ steps.a.output }}{{ steps.b.output }}"}})
        ),
    ]);
    assert_eq!(
        found(json!({ "steps": steps })),
        ["step-not-before /steps/1/with/k", "step-not-before /steps/3/with/k"]
    );
    let problems = problems_of(&workflow(json!({ "steps": steps })));
    assert_eq!(problems[0].help, ["add `a` to the `needs` of `b`"]);
    assert_eq!(problems[1].help, ["add `b` to the `needs` of `d`"]);
}

#[test]
fn lists_around_are_seen_as_their_step_sees_them() {
    let inner = |template: &str| json!([task("x", with(template))]);
    let steps = |template: &str| {
        json!([
            task("a", json!({})),
            {"id": "p", "parallel": {"l": {"steps": inner(template)}, "r": {"steps": [task("y", json!({}))]}}},
            task("z", json!({})),
        ])
    };
    let found = |template: &str| found(json!({"steps": steps(template)}));
    let at = "/steps/1/parallel/l/steps/0/with/k";
    assert!(found("{{ steps.a.output }}").is_empty());
    assert_eq!(found("{{ steps.z.output }}"), [format!("step-not-before {at}")]);
    assert_eq!(found("{{ steps.p.output }}"), [format!("step-not-before {at}")]);
    assert_eq!(found("{{ steps.y.output }}"), [format!("step-not-visible {at}")]);
}

#[test]
fn bindings_are_seen_in_their_map_alone() {
    let steps = json!([
        {"id": "m", "map": {"over": "{{ host }}", "as": "host"}, "steps": [
            task("a", with("{{ host.x }}{{ host_index }}{{ hots }}")),
        ], "output": "{{ host }}"},
        {"id": "n", "map": {"over": [1]}, "workflow": "child", "with": {"host": "{{ item }}"}},
        task("b", with("{{ host }}")),
    ]);
    assert_eq!(
        found(json!({"steps": steps, "output": "{{ item }}"})),
        [
            "unknown-name /steps/0/map/over",
            "unknown-name /steps/0/steps/0/with/k",
            "unknown-name /steps/2/with/k",
            "unknown-name /output",
        ]
    );
}

#[test]
fn ends_see_the_whole_list() {
    let steps = json!([
        task(
            "a",
            json!({"cleanup": {"uses": "test.free", "with": {"k": "{{ steps.b.output|default(1) }}"}}})
        ),
        task("b", json!({})),
    ]);
    assert!(found(json!({"steps": steps, "output": "{{ steps.a.output }}"})).is_empty());
    assert_eq!(
        found(json!({"steps": steps, "output": ["{{ steps.c.output }}"]})),
        ["unknown-step /output/0"]
    );
}

#[test]
fn conditions() {
    let steps = json!([
        task("a", json!({"when": {"any": [
            {"field": "$.steps.later.output", "operator": "exists"},
            {"field": "steps.x", "operator": "equals", "value": "{{ nope }}"},
        ]}})),
        task("b", json!({"when": {"field": "$.steps.a.output.x", "operator": "equals", "value": "{{ nope }}"}})),
        task("later", json!({})),
        {"id": "d", "decision": [{"when": "steps.d.output", "steps": []}]},
    ]);
    assert_eq!(
        found(json!({ "steps": steps })),
        [
            "bad-expression /steps/0/when/any/1/field",
            "unknown-name /steps/1/when/value",
            "step-not-before /steps/3/decision/0/when",
        ]
    );
}
