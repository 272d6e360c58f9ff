use rstest::rstest;
use serde_json::json;

use super::Data;
use crate::expr::Template;

/// A text of 1 MiB, lists of a thousand numbers, nulls and copies.
fn large() -> Data {
    let numbers: Vec<_> = (0..1000).collect();
    Data::new(json!({
        "input": {
            "text": "x".repeat(1 << 20),
            "numbers": numbers,
            "nulls": vec![json!(null); 1000],
            "n": 1_000_000_000,
        },
    }))
}

#[rstest]
#[case("input.numbers|join(input.text)")]
#[case("input.text|replace('x', input.text)")]
#[case("input.text|replace('', input.text)")]
#[case("('x\n' ~ input.text)|indent(input.n)")]
#[case("('x\n' ~ input.text)|indent(width=input.n)")]
#[case("'%1000000000d'|format(input.n)")]
#[case("'%*d'|format(input.n, 1)")]
#[case("''|indent(input.n)")]
#[case("input.numbers|batch(input.n, 0)|list")]
#[case("input.nulls|map('default', input.text, true)|map('upper')|list")]
#[case("input.nulls|map('default', input.text, true)|join")]
#[case("input.nulls|map('default', input.text, true)|list|tojson")]
#[case("input.nulls|map('default', input.text, true)|list|string")]
#[case("input.nulls|map('default', input.text, true)|list")]
#[case("(input.nulls|map('default', input.text, true)|list) ~ ''")]
#[case(
    "input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text ~ input.text"
)]
#[case("input.text|list|map('replace', 'x', input.text)|list")]
fn much_of_little(#[case] expression: &str) {
    let template = json!(format!("{{{{ {expression} }}}}"));
    let error = Template::compile(&template)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .eval(&large());
    let error = error.err().unwrap_or_else(|| panic!("{expression} has a value"));
    let limited = ["too large", "three digits", "can't be unpacked"];
    assert!(limited.iter().any(|part| error.message.contains(part)), "{error:?}");
}

#[rstest]
#[case("'x' * 1000000000")]
#[case("[1] * 1000000000")]
#[case("1000000000 * (1, 2)")]
#[case("'%1000000000d'|format(1)")]
#[case("range(1000000000)")]
#[case("[1, 2]|slice(1000000000)|list")]
fn constants_are_limited_when_they_are_compiled(#[case] expression: &str) {
    let template = json!(format!("{{{{ {expression} }}}}"));
    assert!(Template::compile(&template).is_err(), "{expression}");
}

#[test]
fn a_result_of_many_parts_is_limited_as_a_whole() {
    let parts: Vec<_> = (0..20).map(|_| json!("{{ input.text }}")).collect();
    let error = Template::compile(&json!(parts)).unwrap().eval(&large()).unwrap_err();
    assert!(error.message.contains("too large"), "{error:?}");
    let text = "{{ input.text }} ".repeat(20);
    let error = Template::compile(&json!(text)).unwrap().eval(&large()).unwrap_err();
    assert!(error.message.contains("too large"), "{error:?}");
}

#[test]
fn depth_is_limited() {
    let deep = format!("{{{{ {}1{} }}}}", "[".repeat(1000), "]".repeat(1000));
    assert!(Template::compile(&json!(deep)).is_err());
    let parens = format!("{{{{ {}1{} }}}}", "(".repeat(1000), ")".repeat(1000));
    assert!(Template::compile(&json!(parens)).is_err());
    let minus = format!("{{{{ {}1 }}}}", "- ".repeat(2000));
    let _ = Template::compile(&json!(minus));
    let not = format!("{{{{ {} input.text }}}}", "not ".repeat(1000));
    let _ = Template::compile(&json!(not)).map(|template| template.eval(&large()));
    let power = format!("{{{{ {} 1 }}}}", "1 ** ".repeat(800));
    let _ = Template::compile(&json!(power));
}
