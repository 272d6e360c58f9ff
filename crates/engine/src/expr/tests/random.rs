//! Whatever is written and whatever the data: no panic, and folding changes nothing.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Data;
use crate::expr::{Template, environment, scan::Scan};

/// JSON values, numbers at their limits included.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-5i64..5).prop_map(Value::from),
        any::<f64>()
            .prop_filter_map("finite", |f| serde_json::Number::from_f64(f).map(Value::from)),
        "[a-c{}' ü]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-c]", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn word(words: Vec<&'static str>) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

/// Expressions that mostly compile.
fn expressions() -> impl Strategy<Value = String> {
    expressions_over(vec!["x", "y", "x.a", "y[0]", "x['b']", "steps.s.output", "steps.s.status"])
}

fn expressions_over(names: Vec<&'static str>) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => word(names),
        2 => word(vec!["1", "0", "-3", "2.5", "9223372036854775807", "18446744073709551615", "1e300"]),
        1 => word(vec!["'a'", "'%d'", "''", "true", "none", "[]", "{}", "(1, 'a')"]),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operators = vec![
            "+", "-", "*", "/", "//", "%", "**", "~", "==", "<", ">=", "in", "not in", "and", "or",
        ];
        let filters: Vec<_> = environment::filters().collect();
        let tests: Vec<_> = environment::tests().collect();
        prop_oneof![
            3 => (inner.clone(), word(operators), inner.clone())
                .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            3 => (inner.clone(), word(filters.clone())).prop_map(|(a, f)| format!("{a}|{f}")),
            2 => (inner.clone(), word(filters), inner.clone(), inner.clone(), 0..3)
                .prop_map(|(a, f, b, c, n)| match n {
                    0 => format!("({a})|{f}({b})"),
                    1 => format!("({a})|{f}({b}, {c})"),
                    _ => format!("({a})|{f}(attribute={b}, reverse={c})"),
                }),
            1 => (inner.clone(), word(tests), inner.clone(), any::<bool>())
                .prop_map(|(a, t, b, arg)| if arg { format!("{a} is {t}({b})") } else { format!("{a} is {t}") }),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("{a} if {b} else {c}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a})[{b}:{c}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            1 => inner.clone().prop_map(|a| format!("({a})")),
            1 => inner.clone().prop_map(|a| format!("-{a}")),
            1 => (inner, word(crate::expr::methods::NAMES.to_vec())).prop_map(|(a, m)| format!("({a}).{m}()")),
        ]
    })
}

fn data(x: &Value, y: &Value) -> Data {
    Data::new(json!({"x": x, "y": y})).step("s", "completed", json!([1, {"a": "b"}]))
}

fn evaluate(template: &Value, data: &Data) -> Option<Result<Value, String>> {
    let compiled = Template::compile(template).ok()?;
    Some(compiled.eval(data).map_err(|error| error.to_string()))
}

/// More of them in the environment variable that proptest itself reads.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2000)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn nothing_panics(expression in expressions(), x in values(), y in values()) {
        let template = json!([format!("{{{{ {expression} }}}}"), format!("a {{{{ {expression} }}}}")]);
        let first = evaluate(&template, &data(&x, &y));
        prop_assert_eq!(first, evaluate(&template, &data(&x, &y)));
    }

    #[test]
    fn no_text_panics(text in "([a-z0-9 .|*~+(){}\\[\\]'\":,=<>%#ü-]|\\{\\{|\\}\\}|\\{%|steps\\.|input){0,24}") {
        let _ = evaluate(&json!(text), &data(&json!(1), &json!({})));
        let condition = crate::model::Condition::Expression(text.clone());
        let _ = crate::expr::Predicate::compile(&condition);
        let path = json!({"field": format!("$.{text}"), "operator": "exists"});
        let path: crate::model::Condition = serde_json::from_value(path).unwrap();
        let _ = crate::expr::Predicate::compile(&path).map(|path| path.eval(&data(&json!(1), &json!({}))));
    }

    #[test]
    fn one_expression_keeps_the_type(x in values()) {
        let value = evaluate(&json!("{{ x }}"), &data(&x, &Value::Null));
        prop_assert_eq!(value, Some(Ok(x)));
    }

    /// An expression over constants that are written into it has the value it has over data.
    #[test]
    fn folding_changes_nothing(a in -9i64..9, b in -9i64..9, expression in expressions_over(vec!["x", "y"])) {
        let names = Scan::of(&expression).names;
        let mut folded = expression.clone();
        for name in names.iter().rev() {
            let constant = if name.root == "x" { a } else { b };
            folded.replace_range(name.range.clone(), &format!("({constant})"));
        }
        let open = evaluate(&json!(format!("{{{{ {expression} }}}}")), &data(&json!(a), &json!(b)));
        match evaluate(&json!(format!("{{{{ {folded} }}}}")), &data(&Value::Null, &Value::Null)) {
            // An error in what depends on nothing is found when it is compiled.
            None => prop_assert!(open.is_none_or(|value| value.is_err())),
            Some(value) => {
                // `x is odd in y`: see below.
                let odd = open.is_none() && expression.contains(" is ");
                prop_assume!(!odd);
                prop_assert!(open.is_some(), "{} compiles, {} does not", folded, expression);
                prop_assert_eq!(open.and_then(Result::ok), value.ok());
            }
        }
    }

    /// The names that are found by tokens are those that the evaluator finds in its syntax tree.
    #[test]
    fn names_are_those_of_the_evaluator(expression in expressions()) {
        let Ok(compiled) = environment::ENVIRONMENT.compile_expression(&expression) else {
            return Ok(());
        };
        let names: HashSet<_> = Scan::of(&expression).names.into_iter().map(|n| n.root).collect();
        let mut known = compiled.undeclared_variables(false);
        // It takes `x is odd in y` for a test with the argument `in`, which no scope has.
        known.retain(|name| !matches!(name.as_str(), "in" | "if" | "not"));
        if expression.contains(':') {
            // It overlooks what is sliced.
            prop_assert!(names.is_superset(&known));
        } else {
            prop_assert_eq!(names, known);
        }
    }
}
