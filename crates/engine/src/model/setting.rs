//! A setting of a policy: written down, or taken from the data of the run.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{HumanDuration, Moment};

/// A value, or a template that gives one when the step starts. `E` is the form of the template:
/// its text in a workflow, compiled in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a value, or a template that gives one")]
pub enum Setting<T, E = String> {
    /// Known before any run.
    Value(T),
    /// Such as `{{ input.timeout }}`. It sees what the step's `with` sees; in `defaults`, the
    /// input and the run alone.
    Template(E),
}

impl<T: Copy, E> Setting<T, E> {
    /// The value, if it is known before any run.
    pub fn value(&self) -> Option<T> {
        match self {
            Self::Value(value) => Some(*value),
            Self::Template(_) => None,
        }
    }
}

impl From<u32> for Setting<u32> {
    fn from(value: u32) -> Self {
        Self::Value(value)
    }
}

impl From<&str> for Setting<u32> {
    fn from(template: &str) -> Self {
        Self::Template(template.to_owned())
    }
}

impl From<Duration> for Setting<HumanDuration> {
    fn from(duration: Duration) -> Self {
        Self::Value(HumanDuration(duration))
    }
}

impl From<HumanDuration> for Setting<HumanDuration> {
    fn from(duration: HumanDuration) -> Self {
        Self::Value(duration)
    }
}

impl From<&str> for Setting<HumanDuration> {
    /// A duration, as in a file; any other text is a template.
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Template(text.to_owned()), Self::Value)
    }
}

impl From<Moment> for Setting<Moment> {
    fn from(moment: Moment) -> Self {
        Self::Value(moment)
    }
}

impl From<&str> for Setting<Moment> {
    /// A point in time, as in a file; any other text is a template.
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Template(text.to_owned()), Self::Value)
    }
}

impl<T: JsonSchema> JsonSchema for Setting<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}OrTemplate", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [
            value,
            {
                "type": "string",
                "description": "A template that gives one when the step starts.",
                "pattern": "\\{\\{",
            },
        ] })
    }
}
