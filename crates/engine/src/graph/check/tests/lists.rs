use rstest::rstest;
use serde_json::{Value, json};

use super::{advice, found, task};

fn none() -> Value {
    json!({})
}

#[rstest]
#[case::duplicate(json!([task("a", none()), task("b", none()), task("a", none())]),
    &["duplicate-id /steps/2/id"])]
#[case::bad_id(json!([task("1a", none()), task("end", none())]),
    &["bad-name /steps/0/id", "bad-name /steps/1/id"])]
#[case::shadowed(json!([task("a", none()), {"id": "g", "steps": [task("a", none())]}]),
    &["shadowed-id /steps/1/steps/0/id"])]
#[case::siblings_may_repeat(json!([
    {"id": "g", "steps": [task("a", none())]}, {"id": "h", "steps": [task("a", none())]}]), &[])]
#[case::unknown_need(json!([task("flash", none()), task("b", json!({"needs": ["flesh"]}))]),
    &["unknown-need /steps/1/needs/0"])]
#[case::self_need(json!([task("a", json!({"needs": ["a"]}))]), &["self-need /steps/0/needs/0"])]
#[case::twice(json!([task("a", none()), task("b", json!({"needs": ["a", "a"]}))]),
    &["duplicate-need /steps/1/needs/0"])]
#[case::cycle(json!([
    task("a", json!({"needs": ["c"]})), task("b", json!({"needs": ["a"]})), task("c", json!({"needs": ["b"]}))]),
    &["cycle /steps/0/needs"])]
#[case::implicit_cycle(json!([task("a", json!({"needs": ["b"]})), task("b", none())]),
    &["cycle /steps/0/needs"])]
#[case::two_cycles(json!([
    task("a", json!({"needs": ["b"]})), task("b", json!({"needs": ["a"]})),
    task("c", json!({"needs": ["d"]})), task("d", json!({"needs": ["c"]}))]),
    &["cycle /steps/0/needs", "cycle /steps/2/needs"])]
#[case::next_to_nothing(json!([task("a", json!({"next": "x"})), task("b", none())]),
    &["unknown-next /steps/0/next", "unreachable-step /steps/1"])]
#[case::backward(json!([task("a", none()), task("b", json!({"next": "a"}))]),
    &["backward-next /steps/1/next"])]
#[case::to_itself(json!([task("a", json!({"next": "a"}))]), &["backward-next /steps/0/next"])]
#[case::with_needs(json!([task("a", json!({"next": "end"})), task("b", json!({"needs": []}))]),
    &["next-with-needs /steps/0/next"])]
#[case::after_end(json!([task("a", json!({"next": "end"})), task("b", none()), task("c", none())]),
    &["unreachable-step /steps/1"])]
#[case::conditional_end(json!([task("a", json!({"next": "end", "when": "input.x"})), task("b", none())]), &[])]
#[case::jumped_over(json!([task("a", json!({"next": "c"})), task("b", none()), task("c", none())]),
    &["unreachable-step /steps/1"])]
#[case::handlers(json!([
    {"id": "d", "decision": [{"when": "input.x", "next": "b"}, {"otherwise": {"next": "c"}}]},
    task("b", json!({"next": "end"})), task("c", none())]), &[])]
#[case::choices_all_jump(json!([
    {"id": "d", "decision": [{"when": "input.x", "next": "c"}, {"otherwise": {"next": "end"}}]},
    task("b", none()), task("c", none())]), &["unreachable-step /steps/1"])]
#[case::no_otherwise(json!([
    {"id": "d", "decision": [{"when": "input.x", "next": "c"}]}, task("b", none()), task("c", none())]), &[])]
#[case::jump_of_choices(json!([
    task("a", none()),
    {"id": "d", "decision": [{"when": "input.x", "next": "a"}, {"otherwise": {"next": "z"}}]}]),
    &["backward-next /steps/1/decision/0/next", "unknown-next /steps/1/decision/1/otherwise/next"])]
#[case::inside(json!([{"id": "g", "steps": [{"id": "p", "parallel": {"x/y": {"steps": [
    task("a", json!({"needs": ["g"]}))]}}}]}]),
    &["unknown-need /steps/0/steps/0/parallel/x~1y/steps/0/needs/0"])]
fn lists(#[case] steps: Value, #[case] expected: &[&str]) {
    assert_eq!(found(json!({ "steps": steps })), expected);
}

#[test]
fn the_cycle_is_named() {
    let steps = json!([
        task("a", json!({"needs": []})),
        task("b", json!({"needs": ["a", "d"]})),
        task("c", json!({"needs": ["b"]})),
        task("d", json!({"needs": ["c"]})),
    ]);
    let problems = super::problems_of(&super::workflow(json!({ "steps": steps })));
    assert_eq!(problems[0].message, "these steps wait for each other: b → c → d → b");
}

#[test]
fn advice_on_edges() {
    let need = |need: &str| {
        advice(json!({"steps": [
            task("flash", none()),
            {"id": "g", "needs": [], "steps": [task("inner", none())]},
            task("b", json!({"needs": [need]})),
        ]}))
    };
    assert_eq!(need("flahs"), "did you mean `flash`?");
    assert!(need("inner").contains("is reached through that one"), "{}", need("inner"));
    let next = advice(json!({"steps": [
        task("a", json!({"next": "fnish", "when": "input.x"})), task("b", none()), task("finish", none()),
    ]}));
    assert_eq!(next, "did you mean `finish`?");
}

#[test]
fn long_lists_are_checked_quickly() {
    let steps: Vec<_> = (0..2000)
        .map(|n| {
            task(
                &format!("s{n}"),
                json!({"needs": if n == 0 { vec![] } else { vec![format!("s{}", n - 1)] }}),
            )
        })
        .collect();
    let start = std::time::Instant::now();
    assert!(found(json!({ "steps": steps })).is_empty());
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_workflow_without_steps() {
    assert_eq!(found(json!({"steps": []})), ["empty-list /steps"]);
}
