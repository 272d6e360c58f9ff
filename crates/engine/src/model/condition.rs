//! Conditions: an expression, or a comparison of what a JSONPath finds, combined at will.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// When a step runs, or which way a decision goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Condition {
    /// `true` or `false`, for switching a step off.
    Literal(bool),
    /// A Jinja expression, with or without `{{ }}`; its truth counts.
    Expression(String),
    /// All of them hold.
    All(AllOf),
    /// At least one holds.
    Any(AnyOf),
    /// It does not hold.
    Not(NotOf),
    /// What a JSONPath finds, compared with a value.
    Compare(Comparison),
}

/// `all: [..]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllOf {
    /// The conditions that all have to hold.
    pub all: Vec<Condition>,
}

/// `any: [..]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnyOf {
    /// The conditions of which one has to hold.
    pub any: Vec<Condition>,
}

/// `not: ..`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotOf {
    /// The condition that must not hold.
    pub not: Box<Condition>,
}

/// `{ field, operator, value }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// A JSONPath (RFC 9535) into the run's data: `$.input.x`, `$.steps.plan.output[*].y`.
    pub field: String,
    /// How what it finds is compared.
    pub operator: Operator,
    /// With what; may be a template. Not used by `exists` and `not_exists`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

/// How a [`Comparison`] compares. Of a path that finds several values, `equals`, `not_equals` and
/// the orders compare the single value found (none or several: an error names the path);
/// `contains` asks whether any of them (or any element, key or part of a single one) is the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The same JSON value; numbers by their worth.
    Equals,
    /// Not the same.
    NotEquals,
    /// Any of the values found, or an element, key or part of the single one, is the value.
    Contains,
    /// Nothing found is the value.
    NotContains,
    /// Greater, of numbers or strings.
    GreaterThan,
    /// Greater or equal.
    GreaterOrEqual,
    /// Less.
    LessThan,
    /// Less or equal.
    LessOrEqual,
    /// The value, a list, holds what was found.
    In,
    /// The value, a list, does not hold it.
    NotIn,
    /// The path finds something that is not null.
    Exists,
    /// The path finds nothing, or null.
    NotExists,
}
