//! JSON as the evaluator sees it: containers are views that share the value, so that reading one
//! item of a list of ten thousand costs one item.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja, ValueKind};
use serde_json::{Number, Value};

/// One step down into a value.
#[derive(Clone, Debug)]
enum Segment {
    Key(Arc<str>),
    Index(usize),
}

/// A list or an object somewhere inside a shared value.
#[derive(Debug)]
pub(super) struct View {
    root: Arc<Value>,
    path: Vec<Segment>,
}

impl View {
    /// The value that is viewed.
    pub(super) fn value(&self) -> &Value {
        let mut value = &*self.root;
        for segment in &self.path {
            let next = match segment {
                Segment::Key(key) => value.get(&**key),
                Segment::Index(index) => value.get(*index),
            };
            value = next.unwrap_or(&Value::Null);
        }
        value
    }

    fn child(&self, value: &Value, segment: impl FnOnce() -> Segment) -> Jinja {
        match value {
            Value::Array(_) | Value::Object(_) => {
                let mut path = Vec::with_capacity(self.path.len() + 1);
                path.extend_from_slice(&self.path);
                path.push(segment());
                Jinja::from_object(Self { root: Arc::clone(&self.root), path })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value),
        }
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.value().is_array() { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let Some(items) = self.value().as_array() else {
            return self.get_value_by_str(key.as_str()?);
        };
        if key.kind() != ValueKind::Number {
            return None;
        }
        let index = key.as_usize()?;
        Some(self.child(items.get(index)?, || Segment::Index(index)))
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        let value = self.value().as_object()?.get(key)?;
        Some(self.child(value, || Segment::Key(key.into())))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.value() {
            Value::Array(items) => Enumerator::Seq(items.len()),
            Value::Object(fields) => {
                Enumerator::Values(fields.keys().map(|key| Jinja::from(key.as_str())).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Enumerator::Empty,
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        match self.value() {
            Value::Array(items) => Some(items.len()),
            Value::Object(fields) => Some(fields.len()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(0),
        }
    }
}

/// Shows a value to the evaluator.
pub(super) fn view(value: &Arc<Value>) -> Jinja {
    match &**value {
        Value::Array(_) | Value::Object(_) => {
            Jinja::from_object(View { root: Arc::clone(value), path: Vec::new() })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value),
    }
}

fn scalar(value: &Value) -> Jinja {
    match value {
        Value::Bool(value) => Jinja::from(*value),
        Value::Number(value) => number(value),
        Value::String(value) => Jinja::from(value.as_str()),
        Value::Null | Value::Array(_) | Value::Object(_) => Jinja::from(()),
    }
}

fn number(value: &Number) -> Jinja {
    if let Some(value) = value.as_i64() {
        Jinja::from(value)
    } else if let Some(value) = value.as_u64() {
        Jinja::from(value)
    } else {
        value.as_f64().map_or(Jinja::from(()), Jinja::from)
    }
}
