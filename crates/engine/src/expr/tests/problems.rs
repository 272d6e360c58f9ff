use rstest::rstest;
use serde_json::{Value, json};

use super::sample;
use crate::{
    expr::{EvalError, Template},
    model::{ErrorClass, StepError},
};

#[rstest]
#[case("{{ input. }}", "syntax error", None)]
#[case("x {{ input.a +* 2 }}", "arguments can't be unpacked here", Some("*"))]
#[case("{{ a b }}", "syntax error: unexpected input after expression", None)]
#[case("{{ }}", "there is no expression in here", Some("{{ }}"))]
#[case("{{ a", "this `{{` is never closed", Some("{{ a"))]
#[case(
    "{% for x in y %}{% endfor %}",
    "`{% for %}` is a statement: only expressions can be used",
    Some("{% for x in y %}")
)]
#[case("{{ a|jion }}", "no filter is named `jion`", Some("jion"))]
#[case("{{ now() }}", "no function is named `now`", Some("now"))]
#[case(
    "{{ steps.x.outptu }}",
    "a step has `status`, `output`, `error` and `items`, but no `outptu`",
    Some("steps.x.outptu")
)]
#[case("{{ steps|length }}", "`steps` needs the id of a step behind it", Some("steps"))]
#[case("{{ 'ab' * 9 }}", "`*` multiplies numbers, and this is a string", Some("'ab'"))]
#[case("{{ 1 // 0 }}", "", Some("1 // 0"))]
#[case("{{.State}}", "syntax error: unexpected `.`", Some("."))]
fn problems_have_their_place(
    #[case] template: &str,
    #[case] message: &str,
    #[case] place: Option<&str>,
) {
    let problems = Template::compile(&json!({"k/": [template]})).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].pointer.as_str(), "/k~1/0");
    assert!(problems[0].message.contains(message), "{:?}", problems[0]);
    if let Some(place) = place {
        assert_eq!(&template[problems[0].range.clone()], place, "{:?}", problems[0]);
    }
}

#[test]
fn all_problems_at_once() {
    let template = json!({"a": "{{ x|nope }} {{ y|nope }}", "b": "{{", "c": "{{ fine }}"});
    let places: Vec<_> = Template::compile(&template)
        .unwrap_err()
        .into_iter()
        .map(|problem| (problem.pointer.to_string(), problem.range))
        .collect();
    assert_eq!(places, [("/a".into(), 5..9), ("/a".into(), 18..22), ("/b".into(), 0..2)]);
}

fn failure(template: &Value) -> EvalError {
    Template::compile(template).unwrap().eval(&sample()).unwrap_err()
}

#[rstest]
#[case("a {{ input.hots }}", "`input` has no `hots`", "did you mean `host`?", "input.hots")]
#[case(
    "{{ input.updates[7].name }}",
    "`input.updates` has no `7`",
    "it is a list of 2",
    "input.updates[7].name"
)]
#[case("{{ 1 + input.host.x }}", "`input.host` has no `x`", "it is a string", "input.host.x")]
#[case("{{ nope.x }}", "`nope` is not defined", "", "nope.x")]
#[case("{{ input.host if nope else 1 }}", "`nope` is not defined", "", "nope")]
#[case("{{ steps.later.output }}", "step `later` has not ended", "", "steps.later.output")]
#[case("{{ item|map(attribute='x')|list }}{{ input.zzz }}", "", "", "")]
#[case("{{ input.tags * 2 }}", "`*` multiplies numbers, and this is a sequence", "", "input.tags")]
#[case("{{ 2 * input.host }}", "`*` multiplies numbers, and this is a string", "", "input.host")]
#[case("{{ input.count // 0 }}", "unable to calculate 3 // 0", "", "input.count // 0")]
#[case("{{ input.count + input.host }}", "tried to use + operator", "", "")]
#[case("{{ 'x{' ~ input.nope|upper ~ '*' }}", "`input` has no `nope`", "", "input.nope")]
#[case("{{ input.big + input.big }}", "does not fit into 64 bits", "", "")]
fn errors_name_their_place(
    #[case] template: &str,
    #[case] message: &str,
    #[case] hint: &str,
    #[case] place: &str,
) {
    let error = failure(&json!([template]));
    assert_eq!(error.pointer.as_str(), "/0");
    assert!(error.message.contains(message), "{error:?}");
    assert!(error.hint.clone().unwrap_or_default().contains(hint), "{error:?}");
    if !place.is_empty() {
        assert_eq!(&template[error.range.clone().unwrap()], place, "{error:?}");
    }
}

#[test]
fn an_error_becomes_one_of_the_step() {
    let error = StepError::from(failure(&json!({"with": "{{ input.hots }}"})));
    assert_eq!(error.code, "engine.expression");
    assert_eq!(error.class, ErrorClass::Permanent);
    assert_eq!(error.message, "`input.hots`: `input` has no `hots`");
    assert_eq!(error.hint.as_deref(), Some("did you mean `host`?"));
    assert_eq!(error.details, json!({"at": "/with", "expression": "input.hots"}));
}

#[test]
fn references_have_their_place() {
    let template =
        json!({"a": "x {{ steps.flash.output[0].v + item_index }}", "b": ["{{ input.x }}"]});
    let compiled = Template::compile(&template).unwrap();
    let found: Vec<_> = compiled
        .references()
        .iter()
        .map(|r| (r.root.as_str(), r.path.join("."), r.pointer.as_str(), r.range.clone()))
        .collect();
    assert_eq!(
        found,
        [
            ("steps", "flash.output.0.v".to_owned(), "/a", 5..28),
            ("item_index", String::new(), "/a", 31..41),
            ("input", "x".to_owned(), "/b/0", 3..10),
        ]
    );
}
