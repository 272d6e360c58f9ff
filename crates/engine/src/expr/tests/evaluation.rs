use std::sync::Arc;

use rstest::rstest;
use serde_json::{Value, json};

use super::{Data, sample};
use crate::expr::{Scope, StepView, Template};

fn eval(template: &Value) -> Value {
    let compiled = Template::compile(template).unwrap_or_else(|e| panic!("{template}: {e:#?}"));
    compiled.eval(&sample()).unwrap_or_else(|e| panic!("{template}: {e:#?}"))
}

#[rstest]
// A string that is one expression keeps its type.
#[case("{{ input.count }}", json!(3))]
#[case("{{ input.ratio }}", json!(0.5))]
#[case("{{ input.big }}", json!(u64::MAX))]
#[case("{{ input.small }}", json!(i64::MIN))]
#[case("{{ input.on }}", json!(true))]
#[case("{{ input.none }}", Value::Null)]
#[case("{{ input.tags }}", json!(["b", "a", "b"]))]
#[case("{{ input.settings }}", json!({"BootMode": "Uefi", "SecureBoot": "On"}))]
#[case(" {{ input.count }}\n", json!(3))]
#[case("{{input.count}}", json!(3))]
// Any other becomes a text, in which what is no text stands as JSON.
#[case("{{ input.count }}x", json!("3x"))]
#[case("a {{ input.on }} {{ input.none }} {{ input.tags }} {{ input.ratio }}",
    json!("a true null [\"b\",\"a\",\"b\"] 0.5"))]
#[case("{{ input.host }}{{ input.count }}", json!("srv0013"))]
#[case("a {{- input.count -}} b", json!("a3b"))]
#[case("{{ '{{' }} x", json!("{{ x"))]
// Operators.
#[case("{{ input.count + 1 }}", json!(4))]
#[case("{{ input.count * 2 }}", json!(6))]
#[case("{{ -input.count * -2 * (1 + 1) }}", json!(12))]
#[case("{{ input.count / 2 }}", json!(1.5))]
#[case("{{ input.count // 2 }}", json!(1))]
#[case("{{ 7 % input.count }}", json!(1))]
#[case("{{ 2 ** input.count }}", json!(8))]
#[case("{{ input.host ~ '-' ~ input.count ~ input.on }}", json!("srv001-3true"))]
#[case("{{ input.host + '!' }}", json!("srv001!"))]
#[case("{{ input.tags + ['c'] }}", json!(["b", "a", "b", "c"]))]
#[case("{{ input.count * '4'|int }}", json!(12))]
#[case("{{ 1 < input.count <= 3 and not input.none }}", json!(true))]
#[case("{{ 'a' in input.tags and 'BootMode' in input.settings }}", json!(true))]
#[case("{{ 'big' if input.count > 2 else 'small' }}", json!("big"))]
#[case("{{ input.big - 1 }}", json!(u64::MAX - 1))]
// Reaching in.
#[case("{{ input.tags[0] ~ input.tags[-1] ~ input['host'][0:3] }}", json!("bbsrv"))]
#[case("{{ steps.plan.output[item_index].v }}", json!(2))]
#[case("{{ steps.plan.output[0]['v'] }}", json!(1))]
#[case("{{ steps['my-step'].output['a b'].c[1] }}", json!(20))]
#[case("{{ steps.plan.status }} {{ steps.flash.status }}", json!("completed failed"))]
#[case("{{ steps.flash.error.code }}", json!("bmc.busy"))]
#[case("{{ steps.plan.error }}", Value::Null)]
#[case("{{ item.items }}", json!(7))]
// Undefined can be asked for.
#[case("{{ input.nope is defined }}", json!(false))]
#[case("{{ nope is undefined }}", json!(true))]
#[case("{{ steps.later is defined }}", json!(false))]
#[case("{{ input.nope|default('x') }}", json!("x"))]
#[case("{{ input.none|default('x', true) }}", json!("x"))]
fn strings(#[case] template: &str, #[case] expected: Value) {
    assert_eq!(eval(&json!(template)), expected, "{template}");
}

#[rstest]
#[case("input.updates|map(attribute='name')|join(', ')", json!("bios, nic"))]
#[case("input.updates|join('+', attribute='version')", json!("2.1+1.0"))]
#[case("[true, none, 1, 'x']|join(' ')", json!("true null 1 x"))]
#[case("input.updates|selectattr('reboot')|map(attribute='name')|list", json!(["bios"]))]
#[case("input.updates|selectattr('version', 'eq', '1.0')|list|length", json!(1))]
#[case("input.updates|rejectattr('reboot')|first", json!({"name": "nic", "version": "1.0", "reboot": false}))]
#[case("input.tags|select('eq', 'b')|list", json!(["b", "b"]))]
#[case("input.tags|unique", json!(["b", "a"]))]
#[case("input.tags|sort", json!(["a", "b", "b"]))]
#[case("input.updates|sort(attribute='name', reverse=true)|map(attribute='name')|list", json!(["nic", "bios"]))]
#[case("input.tags|reverse|list", json!(["b", "a", "b"]))]
#[case("input.tags|last", json!("b"))]
#[case("[1, 2.5]|sum", json!(3.5))]
#[case("[3, 1]|min + [3, 1]|max", json!(4))]
#[case("input.settings|items|list", json!([["BootMode", "Uefi"], ["SecureBoot", "On"]]))]
#[case("input.settings.items()|list|length", json!(2))]
#[case("input.settings.keys()|list", json!(["BootMode", "SecureBoot"]))]
#[case("input.settings.values()", json!(["Uefi", "On"]))]
#[case("input.settings.get('x', 1)", json!(1))]
#[case("input.settings|combine({'SecureBoot': 'Off', 'New': 1})",
    json!({"BootMode": "Uefi", "SecureBoot": "Off", "New": 1}))]
#[case("input.settings|tojson", json!("{\"BootMode\":\"Uefi\",\"SecureBoot\":\"On\"}"))]
#[case("'{\"a\": [1, 2.0, \"<\"]}'|from_json", json!({"a": [1, 2.0, "<"]}))]
#[case("'<&>'|tojson", json!("\"<&>\""))]
#[case("'a,b'|split(',')", json!(["a", "b"]))]
#[case("'a,b'.split(',')[1]", json!("b"))]
#[case("' x '.strip()|upper", json!("X"))]
#[case("input.host.startswith('srv') and input.host.endswith('1')", json!(true))]
#[case("'v2.1'|replace('v', '')|float", json!(2.1))]
#[case("'0x1f'|int(base=16)", json!(31))]
#[case("'no'|bool or 'yes'|bool", json!(true))]
#[case("['no', 'on']|map('bool')|list", json!([false, true]))]
#[case("2.567|round(1)", json!(2.6))]
#[case("'%05.1f|%s'|format(2.25, 'x')", json!("002.2|x"))]
#[case("input.on|string", json!("true"))]
#[case("dict(a=1, b=input.host)", json!({"a": 1, "b": "srv001"}))]
#[case("{'k': [input.count, {'n': none}]}", json!({"k": [3, {"n": null}]}))]
#[case("input.updates|groupby('reboot')|map('first')|list", json!([false, true]))]
#[case("[1,2,3,4,5]|batch(2)|list", json!([[1, 2], [3, 4], [5]]))]
#[case("input.count is divisibleby 3 and input.host is string and input.tags is sequence", json!(true))]
#[case("'b' is in input.tags", json!(true))]
fn filters(#[case] expression: &str, #[case] expected: Value) {
    assert_eq!(eval(&json!(format!("{{{{ {expression} }}}}"))), expected, "{expression}");
}

#[test]
fn every_filter_and_test_that_is_offered_exists() {
    use crate::expr::environment::{ENVIRONMENT, filters, tests};
    for name in filters() {
        let error = ENVIRONMENT
            .compile_expression_owned(format!("1|{name}"))
            .unwrap()
            .eval(())
            .err()
            .map(|error| error.kind());
        assert_ne!(error, Some(minijinja::ErrorKind::UnknownFilter), "{name}");
    }
    for name in tests() {
        let result = ENVIRONMENT.compile_expression_owned(format!("1 is {name}")).unwrap().eval(());
        let error = result.err().map(|error| error.kind());
        assert_ne!(error, Some(minijinja::ErrorKind::UnknownTest), "{name}");
    }
}

#[test]
fn structures_keep_their_shape() {
    let template = json!({
        "z": "{{ input.host }}", "a": [1, "{{ input.count }}", {"k": "v{{ input.count }}"}],
        "{{ key }}": null,
    });
    let value = eval(&template);
    let expected = r#"{"z":"srv001","a":[1,3,{"k":"v3"}],"{{ key }}":null}"#;
    assert_eq!(value.to_string(), expected);
}

#[test]
fn what_depends_on_nothing_is_folded() {
    let compiled = Template::compile(&json!({"a": "{{ 1 + 2 }}", "b": ["x{{ 'y' }}", 4]})).unwrap();
    assert_eq!(compiled.constant(), Some(&json!({"a": 3, "b": ["xy", 4]})));
    assert!(compiled.references().is_empty());
    let open = Template::compile(&json!({"a": "{{ input.x }}", "b": 1})).unwrap();
    assert_eq!(open.constant(), None);
}

/// Panics when a value is asked for that the expression does not name.
struct Only(Data);

impl Scope for Only {
    fn root(&self, name: &str) -> Option<Arc<Value>> {
        assert_eq!(name, "item_index");
        self.0.root(name)
    }

    fn step(&self, id: &str) -> Option<StepView> {
        assert_eq!(id, "plan");
        Scope::step(&self.0, id)
    }
}

#[test]
fn only_what_is_named_is_looked_up() {
    let compiled = Template::compile(&json!("{{ steps.plan.output[item_index].v }}")).unwrap();
    assert_eq!(compiled.eval(&Only(sample())).unwrap(), json!(2));
}

#[test]
fn one_item_of_many_costs_one_item() {
    let items: Vec<_> = (0..10_000).map(|n| json!({"n": n, "pad": "x".repeat(100)})).collect();
    let data = Data::new(json!({"item_index": 9_999})).step("m", "completed", json!(items));
    let compiled = Template::compile(&json!("{{ steps.m.output[item_index].n }}")).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..1000 {
        assert_eq!(compiled.eval(&data).unwrap(), json!(9_999));
    }
    // Converting the list each time would take minutes; the margin is for a busy machine.
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}
