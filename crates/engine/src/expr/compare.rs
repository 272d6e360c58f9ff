//! The operators of `{ field, operator, value }`.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use crate::model::Operator;

/// Compares what a path found with a value. The error is what to say of the path.
pub(super) fn compare(found: &[&Value], operator: Operator, value: &Value) -> Result<bool, String> {
    Ok(match operator {
        Operator::Equals => same(single(found)?, value),
        Operator::NotEquals => !same(single(found)?, value),
        Operator::Contains => contains(found, value),
        Operator::NotContains => !contains(found, value),
        Operator::GreaterThan => order(found, value)?.is_gt(),
        Operator::GreaterOrEqual => order(found, value)?.is_ge(),
        Operator::LessThan => order(found, value)?.is_lt(),
        Operator::LessOrEqual => order(found, value)?.is_le(),
        Operator::In => is_in(found, value)?,
        Operator::NotIn => !is_in(found, value)?,
        Operator::Exists => exists(found),
        Operator::NotExists => !exists(found),
    })
}

fn single<'a>(found: &[&'a Value]) -> Result<&'a Value, String> {
    match found {
        [value] => Ok(value),
        [] => Err("finds nothing to compare".to_owned()),
        many => Err(format!("finds {} values, and one is compared", many.len())),
    }
}

fn exists(found: &[&Value]) -> bool {
    found.iter().any(|value| !value.is_null())
}

fn is_in(found: &[&Value], value: &Value) -> Result<bool, String> {
    let found = single(found)?;
    let list =
        value.as_array().ok_or_else(|| format!("is compared with {}", not(value, "a list")))?;
    Ok(list.iter().any(|item| same(found, item)))
}

fn contains(found: &[&Value], value: &Value) -> bool {
    if found.iter().any(|found| same(found, value)) {
        return true;
    }
    match found {
        [Value::Array(items)] => items.iter().any(|item| same(item, value)),
        [Value::Object(fields)] => value.as_str().is_some_and(|key| fields.contains_key(key)),
        [Value::String(text)] => value.as_str().is_some_and(|part| text.contains(part)),
        _ => false,
    }
}

fn order(found: &[&Value], value: &Value) -> Result<Ordering, String> {
    match (single(found)?, value) {
        (Value::Number(a), Value::Number(b)) => Ok(order_numbers(a, b)),
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (found @ (Value::Number(_) | Value::String(_)), _) => {
            Err(format!("finds {found}, which has no order with {value}"))
        }
        (found, _) => Err(format!("finds {}", not(found, "a number or a text"))),
    }
}

fn not(value: &Value, wanted: &str) -> String {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("{kind}, not {wanted}")
}

/// The same JSON value; numbers by their worth.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => order_numbers(a, b).is_eq(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Integers are compared exactly, beyond what a float can tell apart too.
fn order_numbers(a: &Number, b: &Number) -> Ordering {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => order_mixed(a, b.as_f64().unwrap_or(0.0)),
        (None, Some(b)) => order_mixed(b, a.as_f64().unwrap_or(0.0)).reverse(),
        (None, None) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
    }
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// An integer against a finite float: by the float's whole part, then by its fraction.
fn order_mixed(a: i128, b: f64) -> Ordering {
    #[expect(clippy::cast_possible_truncation, reason = "a float beyond i128 stays beyond i64")]
    let whole = b.trunc() as i128;
    a.cmp(&whole).then(0.0_f64.partial_cmp(&b.fract()).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::{Operator, compare};

    #[rstest]
    #[case::same(json!(1), Operator::Equals, json!(1.0), true)]
    #[case::same_deep(json!({"a": [1, 2.0]}), Operator::Equals, json!({"a": [1.0, 2]}), true)]
    #[case::kinds_differ(json!(1), Operator::Equals, json!("1"), false)]
    #[case::null_is_a_value(Value::Null, Operator::Equals, Value::Null, true)]
    #[case::big_integers(json!(u64::MAX), Operator::Equals, json!(u64::MAX - 1), false)]
    #[case::big_and_float(json!(u64::MAX), Operator::Equals, json!(18_446_744_073_709_551_616.0), false)]
    #[case::differs(json!("a"), Operator::NotEquals, json!("b"), true)]
    #[case::element(json!([1, 2]), Operator::Contains, json!(2.0), true)]
    #[case::whole(json!([1, 2]), Operator::Contains, json!([1, 2]), true)]
    #[case::key(json!({"a": 1}), Operator::Contains, json!("a"), true)]
    #[case::part(json!("abc"), Operator::Contains, json!("bc"), true)]
    #[case::no_part(json!("abc"), Operator::NotContains, json!("x"), true)]
    #[case::number_has_no_parts(json!(123), Operator::Contains, json!(2), false)]
    #[case::greater(json!(2), Operator::GreaterThan, json!(1.5), true)]
    #[case::greater_negative(json!(-1), Operator::GreaterThan, json!(-1.5), true)]
    #[case::not_greater(json!(2), Operator::GreaterThan, json!(2), false)]
    #[case::or_equal(json!(2), Operator::GreaterOrEqual, json!(2.0), true)]
    #[case::texts(json!("a"), Operator::LessThan, json!("b"), true)]
    #[case::less_or_equal(json!(3), Operator::LessOrEqual, json!(2), false)]
    #[case::listed(json!("a"), Operator::In, json!(["b", "a"]), true)]
    #[case::not_listed(json!("c"), Operator::NotIn, json!(["b", "a"]), true)]
    #[case::there(json!(false), Operator::Exists, Value::Null, true)]
    #[case::null_is_not_there(Value::Null, Operator::Exists, Value::Null, false)]
    #[case::null_is_absent(Value::Null, Operator::NotExists, Value::Null, true)]
    fn of_one_value(
        #[case] found: Value,
        #[case] operator: Operator,
        #[case] value: Value,
        #[case] expected: bool,
    ) {
        assert_eq!(compare(&[&found], operator, &value), Ok(expected));
    }

    #[rstest]
    #[case::any(Operator::Contains, json!(2), true)]
    #[case::none(Operator::Contains, json!(9), false)]
    #[case::nothing(Operator::NotContains, json!(9), true)]
    #[case::not_inside(Operator::Contains, json!("a"), false)]
    #[case::there(Operator::Exists, Value::Null, true)]
    fn of_several_values(#[case] operator: Operator, #[case] value: Value, #[case] expected: bool) {
        let (a, b) = (json!(1), json!(2));
        let texts = json!("abc");
        assert_eq!(compare(&[&a, &texts, &b], operator, &value), Ok(expected));
    }

    #[test]
    fn of_no_value() {
        assert_eq!(compare(&[], Operator::Contains, &json!(1)), Ok(false));
        assert_eq!(compare(&[], Operator::NotContains, &json!(1)), Ok(true));
        assert_eq!(compare(&[], Operator::Exists, &Value::Null), Ok(false));
        assert_eq!(compare(&[], Operator::NotExists, &Value::Null), Ok(true));
        for operator in [Operator::Equals, Operator::NotEquals, Operator::In, Operator::LessThan] {
            let error = compare(&[], operator, &json!([1])).unwrap_err();
            assert_eq!(error, "finds nothing to compare");
        }
    }

    #[rstest]
    #[case::several(&[json!(1), json!(2)], Operator::Equals, json!(1), "finds 2 values")]
    #[case::no_list(&[json!(1)], Operator::In, json!(1), "with a number, not a list")]
    #[case::kinds(&[json!(1)], Operator::LessThan, json!("1"), "no order with \"1\"")]
    #[case::no_order(&[json!(true)], Operator::LessThan, json!(1), "not a number or a text")]
    fn what_cannot_be_compared(
        #[case] found: &[Value],
        #[case] operator: Operator,
        #[case] value: Value,
        #[case] message: &str,
    ) {
        let found: Vec<_> = found.iter().collect();
        let error = compare(&found, operator, &value).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}
