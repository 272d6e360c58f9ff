use rstest::rstest;
use serde_json::{Value, json};

use super::{advice, found, task};

fn update(with: Value) -> Value {
    json!({"steps": [{"id": "a", "uses": "redfish.update", "with": with}]})
}

#[rstest]
#[case::unknown_field(json!({"target": "x", "pakage": "p"}), &["unknown-field /steps/0/with/pakage"])]
#[case::missing_field(json!({"package": "p"}), &["missing-field /steps/0/with"])]
#[case::wrong_type(json!({"target": 7}), &["wrong-type /steps/0/with/target"])]
#[case::template_is_a_text(json!({"target": "x", "tries": "{{ input.n }}0"}), &["wrong-type /steps/0/with/tries"])]
#[case::folded(json!({"target": "x", "tries": "{{ 'many' }}"}), &["wrong-type /steps/0/with/tries"])]
#[case::word(json!({"target": "x", "mode": "on_rest"}), &["unknown-word /steps/0/with/mode"])]
#[case::bound(json!({"target": "x", "tries": 11}), &["invalid-value /steps/0/with/tries"])]
#[case::bound_beside_templates(json!({"target": "{{ input.t }}", "tries": 0}), &["invalid-value /steps/0/with/tries"])]
#[case::items(json!({"target": "x", "tags": ["a", 2]}), &["wrong-type /steps/0/with/tags/1"])]
#[case::values(json!({"target": "x", "settings": {"any name": "y"}}), &["wrong-type /steps/0/with/settings/any name"])]
#[case::tagged(json!({"target": "x", "source": {"kind": "file", "path": "/p", "ownr": "me"}}),
    &["unknown-field /steps/0/with/source/ownr"])]
#[case::tagged_missing(json!({"target": "x", "source": {"kind": "http"}}), &["missing-field /steps/0/with/source"])]
#[case::several(json!({"tarjet": "x", "mode": 1}),
    &["missing-field /steps/0/with", "unknown-field /steps/0/with/tarjet", "unknown-word /steps/0/with/mode"])]
#[case::not_an_object(json!("x"), &["wrong-type /steps/0/with"])]
#[case::absent(Value::Null, &["missing-field /steps/0"])]
#[case::good(json!({"target": "{{ input.t }}", "tries": "{{ input.n }}", "mode": "on_reset", "tags": "{{ input.l }}",
    "source": {"kind": "http", "url": "x{{ input.u }}"}, "settings": {"a": 1}, "package": null}), &[])]
#[case::whole(json!("{{ input }}"), &[])]
fn inputs_of_executors(#[case] with: Value, #[case] expected: &[&str]) {
    assert_eq!(found(update(with)), expected);
}

#[test]
fn advice_on_fields() {
    assert_eq!(advice(update(json!({"target": "x", "pakage": "p"}))), "did you mean `package`?");
    assert_eq!(advice(update(json!({}))), "`target`: The BMC's address.");
    let word = advice(update(json!({"target": "x", "mode": "on_rest"})));
    assert_eq!(word, "did you mean `on_reset`?; it takes \"immediate\", \"on_reset\"");
    assert_eq!(advice(update(json!({"target": 7}))), "this is a number; write it in quotes: \"7\"");
}

#[test]
fn unknown_executors() {
    let uses = |name: &str| json!({"steps": [{"id": "a", "uses": name}]});
    assert_eq!(found(uses("redfish.updat")), ["unknown-executor /steps/0/uses"]);
    assert_eq!(advice(uses("redfish.updat")), "did you mean `redfish.update`?");
    assert_eq!(advice(uses("redfish.inventory")), "not known here; `redfish` has `redfish.update`");
    assert_eq!(
        advice(uses("other.thing")),
        "not known here; the libraries are `redfish` and `test`"
    );
    let cleanup = task("a", json!({"cleanup": {"uses": "nope.x"}}));
    assert_eq!(found(json!({"steps": [cleanup]})), ["unknown-executor /steps/0/cleanup/uses"]);
}

#[rstest]
#[case(json!({"retry": {"max_attempts": 0}}), &["out-of-range /steps/0/retry/max_attempts"])]
#[case(json!({"retry": {"max_attempts": 2, "jitter": 1.5}}), &["out-of-range /steps/0/retry/jitter"])]
#[case(json!({"retry": {"max_attempts": 2, "delay": "10s", "max_delay": "5s"}}), &["out-of-range /steps/0/retry/max_delay"])]
#[case(json!({"retry": {"max_attempts": 2, "on": []}}), &["empty-list /steps/0/retry/on"])]
#[case(json!({"timeout": "0s"}), &["out-of-range /steps/0/timeout"])]
#[case(json!({"timeout": {"attempt": "0s"}}), &["out-of-range /steps/0/timeout/attempt"])]
#[case(json!({"timeout": {}}), &["empty-list /steps/0/timeout"])]
#[case(json!({"timeout": {"attempt": "2h", "total": "1h"}}), &["out-of-range /steps/0/timeout/attempt"])]
#[case(json!({"cleanup": {"uses": "test.free", "retry": {"max_attempts": 0}}}), &["out-of-range /steps/0/cleanup/retry/max_attempts"])]
#[case(json!({"timeout": {"attempt": "1h", "total": "2h"}, "retry": {"max_attempts": 2, "max_delay": "5s"}}), &[])]
fn policies(#[case] more: Value, #[case] expected: &[&str]) {
    assert_eq!(found(json!({"steps": [task("a", more)]})), expected);
}

#[rstest]
#[case::template(json!({"retry": {"max_attempts": "{{ input.n + 1 }}", "delay": "{{ steps.z.output.d }}"}, "timeout": {"attempt": "{{ input.t }}"}}), &[])]
#[case::names(json!({"retry": {"max_attempts": "{{ n }}", "delay": "{{ steps.a.output }}", "max_delay": "{{ item }}"}, "timeout": "{{ steps.b.output }}"}),
    &["unknown-name /steps/1/retry/max_attempts", "step-not-before /steps/1/retry/delay", "unknown-name /steps/1/retry/max_delay",
      "step-not-before /steps/1/timeout"])]
#[case::syntax(json!({"retry": {"max_attempts": "{{ input. }}"}, "timeout": {"attempt": "{{ 1 + }}"}}),
    &["bad-expression /steps/1/retry/max_attempts", "bad-expression /steps/1/timeout/attempt"])]
#[case::folded(json!({"retry": {"max_attempts": "{{ 3 - 3 }}", "delay": "10s", "max_delay": "{{ '5s' }}"}, "timeout": {"attempt": "{{ '2h' }}", "total": "1h"}}),
    &["invalid-value /steps/1/retry/max_attempts", "out-of-range /steps/1/retry/max_delay", "out-of-range /steps/1/timeout/attempt"])]
#[case::texts(json!({"retry": {"max_attempts": "3"}, "timeout": "5 minutes"}),
    &["invalid-value /steps/1/retry/max_attempts", "invalid-value /steps/1/timeout"])]
#[case::cleanup(json!({"cleanup": {"uses": "test.free", "timeout": "{{ steps.b.output.t }}", "retry": {"max_attempts": "{{ steps.c.output }}"}}}),
    &["unknown-step /steps/1/cleanup/retry/max_attempts"])]
fn settings(#[case] more: Value, #[case] expected: &[&str]) {
    let steps = json!([task("z", json!({})), task("a", more), task("b", json!({}))]);
    assert_eq!(found(json!({ "steps": steps })), expected);
}

#[rstest]
#[case("{{ input.t }}", None)]
#[case("{{ run.labels.t }}", None)]
#[case("{{ input.u }}", Some("unknown-input /defaults/timeout/attempt"))]
#[case("{{ steps.a.output }}", Some("step-not-visible /defaults/timeout/attempt"))]
#[case("{{ steps.x.output }}", Some("unknown-step /defaults/timeout/attempt"))]
#[case("{{ item }}", Some("unknown-name /defaults/timeout/attempt"))]
fn defaults_read_the_input_and_the_run(#[case] template: &str, #[case] expected: Option<&str>) {
    let fields = json!({
        "input": {"type": "object", "properties": {"t": {"type": "string"}}},
        "defaults": {"timeout": {"attempt": template}},
        "steps": [task("a", json!({}))],
    });
    assert_eq!(found(fields.clone()), Vec::from_iter(expected));
    if expected.is_some_and(|expected| !expected.starts_with("unknown-input")) {
        let help = "`defaults` hold for all tasks, so they read `input` and `run` alone";
        assert_eq!(advice(fields), help);
    }
}

#[test]
fn policies_of_the_workflow_and_of_other_kinds() {
    let group = json!({"id": "g", "steps": [task("a", json!({}))],
        "retry": {"max_attempts": 2}, "timeout": {"attempt": "1s"}});
    assert_eq!(
        found(
            json!({"defaults": {"retry": {"max_attempts": 0}, "timeout": "0s"}, "steps": [group]})
        ),
        [
            "out-of-range /defaults/retry/max_attempts",
            "out-of-range /defaults/timeout",
            "misplaced-field /steps/0/retry",
            "misplaced-field /steps/0/timeout/attempt",
        ]
    );
    let group = json!({"id": "g", "steps": [], "timeout": "{{ input.t }}"});
    assert_eq!(found(json!({ "steps": [group] })), ["misplaced-template /steps/0/timeout"]);
}

#[rstest]
#[case::no_list(json!({"over": 3}), &["wrong-type /steps/0/map/over"])]
#[case::folded(json!({"over": "{{ {} }}"}), &["wrong-type /steps/0/map/over"])]
#[case::none_at_once(json!({"over": [], "max_concurrency": 0}), &["out-of-range /steps/0/map/max_concurrency"])]
#[case::taken(json!({"over": [], "as": "steps"}), &["bad-name /steps/0/map/as"])]
#[case::bad(json!({"over": [], "as": "a-b"}), &["bad-name /steps/0/map/as"])]
#[case::good(json!({"over": "{{ input.x }}", "as": "host"}), &[])]
fn maps(#[case] map: Value, #[case] expected: &[&str]) {
    let step = json!({"id": "m", "map": map, "steps": [task("a", json!({}))]});
    assert_eq!(found(json!({"steps": [step]})), expected);
}

#[test]
fn inner_bindings() {
    let inner = |name: &str| {
        json!({"steps": [{"id": "m", "map": {"over": [1], "as": "host"}, "steps": [
            {"id": "n", "map": {"over": [1], "as": name}, "steps": [task("a", json!({}))]}]}]})
    };
    assert_eq!(found(inner("host")), ["shadowed-name /steps/0/steps/0/map/as"]);
    assert_eq!(found(inner("host_index")), ["shadowed-name /steps/0/steps/0/map/as"]);
    assert!(found(inner("nic")).is_empty());
}

#[rstest]
#[case::none(json!([]), &["empty-list /steps/0/decision"])]
#[case::otherwise_first(json!([{"otherwise": []}, {"when": "input.x", "steps": []}]),
    &["unreachable-choice /steps/0/decision/1"])]
#[case::after_true(json!([{"when": true, "steps": []}, {"otherwise": []}]),
    &["unreachable-choice /steps/0/decision/1"])]
#[case::same(json!([{"when": "input.x", "steps": []}, {"when": "input.x", "next": "end"}]),
    &["unreachable-choice /steps/0/decision/1"])]
#[case::inside(json!([{"when": "input.x", "steps": [task("a", json!({"needs": ["q"]}))]},
    {"otherwise": [task("a", json!({"needs": ["q"]}))]}]),
    &["unknown-need /steps/0/decision/0/steps/0/needs/0", "unknown-need /steps/0/decision/1/otherwise/0/needs/0"])]
fn decisions(#[case] choices: Value, #[case] expected: &[&str]) {
    let steps = json!([{"id": "d", "decision": choices}]);
    assert_eq!(found(json!({ "steps": steps })), expected);
}

#[rstest]
#[case::good(json!({"workflow": "child", "with": {"host": "{{ input.h }}", "count": 2}}), &[])]
#[case::unknown(json!({"workflow": "chidl"}), &["unknown-workflow /steps/0/workflow"])]
#[case::itself(json!({"workflow": "test"}), &["workflow-cycle /steps/0/workflow"])]
#[case::missing(json!({"workflow": "child"}), &["missing-field /steps/0"])]
#[case::field(json!({"workflow": "child", "with": {"host": "h", "cuont": 2}}), &["unknown-field /steps/0/with/cuont"])]
#[case::bound(json!({"workflow": "child", "with": {"host": "{{ input.h }}", "count": 0}}), &["invalid-value /steps/0/with/count"])]
#[case::map(json!({"map": {"over": [1]}, "workflow": "child", "with": {"host": 1}}), &["wrong-type /steps/0/with/host"])]
fn children(#[case] mut step: Value, #[case] expected: &[&str]) {
    step["id"] = json!("c");
    assert_eq!(found(json!({"steps": [step]})), expected);
}

#[test]
fn an_empty_parallel() {
    assert_eq!(
        found(json!({"steps": [{"id": "p", "parallel": {}}]})),
        ["empty-list /steps/0/parallel"]
    );
}

#[test]
fn the_name_of_the_workflow() {
    let mut workflow = super::workflow(json!({"steps": [task("a", json!({}))]}));
    workflow.name = "a b".to_owned();
    let problems = super::problems_of(&workflow);
    assert_eq!((problems[0].code, problems[0].at.as_str()), ("bad-name", "/workflow"));
}
