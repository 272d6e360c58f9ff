//! Conditions.

use serde_json::Value;

use super::{
    Decoder,
    fields::{Fields, wrong_type},
    shapes,
};
use crate::{
    load::yaml::{Kind, Node},
    model::{AllOf, AnyOf, Comparison, Condition, NotOf, Operator, Pointer, Problem},
};

const OPERATORS: [(&str, Operator); 12] = [
    ("equals", Operator::Equals),
    ("not_equals", Operator::NotEquals),
    ("contains", Operator::Contains),
    ("not_contains", Operator::NotContains),
    ("greater_than", Operator::GreaterThan),
    ("greater_or_equal", Operator::GreaterOrEqual),
    ("less_than", Operator::LessThan),
    ("less_or_equal", Operator::LessOrEqual),
    ("in", Operator::In),
    ("not_in", Operator::NotIn),
    ("exists", Operator::Exists),
    ("not_exists", Operator::NotExists),
];

/// What other languages call them.
const SIGNS: [(&str, &str); 9] = [
    ("==", "equals"),
    ("=", "equals"),
    ("eq", "equals"),
    ("!=", "not_equals"),
    ("ne", "not_equals"),
    (">", "greater_than"),
    (">=", "greater_or_equal"),
    ("<", "less_than"),
    ("<=", "less_or_equal"),
];

impl Decoder<'_> {
    pub(super) fn condition(&mut self, node: &Node, at: &Pointer) -> Option<Condition> {
        const EXPECTED: &str =
            "an expression, or a mapping with `field` and `operator`, `all`, `any` or `not`";
        match &node.kind {
            Kind::Bool(value) => Some(Condition::Literal(*value)),
            Kind::Text(text, _) if !text.trim().is_empty() => {
                Some(Condition::Expression(text.to_string()))
            }
            Kind::Map(_) => self.condition_object(node, at),
            Kind::Text(..) | Kind::Null | Kind::Number(_) => {
                self.wrong_type(node, at, EXPECTED);
                None
            }
            Kind::Seq(_) => {
                self.report(
                    wrong_type(node, at, EXPECTED)
                        .help("`all: [ … ]` holds if all of a list hold, `any: [ … ]` if one does"),
                );
                None
            }
        }
    }

    fn condition_object(&mut self, node: &Node, at: &Pointer) -> Option<Condition> {
        let fields = self.fields(node, at, &shapes::COMPARE)?;
        let kinds = fields.present(&["all", "any", "not", "field"]);
        match kinds.as_slice() {
            ["all"] => {
                self.alone(&fields, "all");
                let all = self.optional(&fields, "all", Self::conditions)?;
                Some(Condition::All(AllOf { all }))
            }
            ["any"] => {
                self.alone(&fields, "any");
                let any = self.optional(&fields, "any", Self::conditions)?;
                Some(Condition::Any(AnyOf { any }))
            }
            ["not"] => {
                self.alone(&fields, "not");
                let not = self.optional(&fields, "not", Self::condition)?;
                Some(Condition::Not(NotOf { not: Box::new(not) }))
            }
            [] | ["field"] => self.comparison(&fields).map(Condition::Compare),
            several => {
                self.conflict(&fields, several, "nest them: `all: [ {…}, { any: [ … ] } ]`");
                None
            }
        }
    }

    /// `operator` and `value` belong to `field`.
    fn alone(&mut self, fields: &Fields<'_>, kind: &'static str) {
        for name in fields.present(&["operator", "value"]) {
            self.misplaced(fields, name, &format!("it belongs to `field`, not to `{kind}`"));
        }
    }

    fn conditions(&mut self, node: &Node, at: &Pointer) -> Option<Vec<Condition>> {
        let list = self.list(node, at, "a list of conditions", Self::condition)?;
        self.not_empty(node, at, "a condition")?;
        Some(list)
    }

    fn comparison(&mut self, fields: &Fields<'_>) -> Option<Comparison> {
        let field = self.required(fields, "field", Self::text);
        let operator = self.required(fields, "operator", Self::operator);
        let value = match operator {
            Some(Operator::Exists | Operator::NotExists) => {
                if fields.has("value") {
                    self.misplaced(
                        fields,
                        "value",
                        "`exists` and `not_exists` compare with nothing",
                    );
                }
                Some(Value::Null)
            }
            Some(_) => self.required(fields, "value", Self::free),
            None => self.optional(fields, "value", Self::free),
        };
        Some(Comparison { field: field?, operator: operator?, value: value? })
    }

    fn operator(&mut self, node: &Node, at: &Pointer) -> Option<Operator> {
        if let Kind::Text(text, _) = &node.kind
            && let Some((sign, name)) = SIGNS.iter().find(|(sign, _)| *sign == &**text)
        {
            let message = format!("`{sign}` is called `{name}` here");
            self.report(
                Problem::new("unknown-word", at.clone(), message)
                    .label(format!("use `{name}`"))
                    .help("or write the whole condition as an expression: `when: \"{{ a > b }}\"`"),
            );
            return None;
        }
        self.word(node, at, &OPERATORS)
    }

    /// A list that means nothing when it is empty.
    pub(super) fn not_empty(&mut self, node: &Node, at: &Pointer, what: &str) -> Option<()> {
        let empty = match &node.kind {
            Kind::Seq(items) => items.is_empty(),
            Kind::Map(entries) => entries.is_empty(),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(..) => false,
        };
        if empty {
            let message = format!("expected at least {what}");
            self.report(Problem::new("empty-list", at.clone(), message).label("nothing in here"));
            return None;
        }
        Some(())
    }
}
