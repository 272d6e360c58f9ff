//! From the evaluator's values back to JSON.

#![expect(clippy::wildcard_enum_match_arm, reason = "the evaluator's kinds are an open list")]

use minijinja::{
    Error, ErrorKind,
    value::{Value as Jinja, ValueKind},
};
use serde_json::{Map, Number, Value};

use super::{
    budget::{DEEPEST, LIMIT, too_large},
    view::View,
};

/// The JSON of a value. Undefined, NaN and integers beyond 64 bits have none.
pub(super) fn to_json(value: &Jinja) -> Result<Value, Error> {
    to_json_within(value, &mut { LIMIT })
}

/// The JSON of a value that may weigh `left`, which is lowered by what it does weigh.
pub(super) fn to_json_within(value: &Jinja, left: &mut usize) -> Result<Value, Error> {
    Converter { left }.convert(value, 0)
}

/// The text of a value: a text is itself, anything else its JSON.
pub(super) fn to_text(value: &Jinja) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    Ok(to_json(value)?.to_string())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

struct Converter<'a> {
    left: &'a mut usize,
}

impl Converter<'_> {
    fn take(&mut self, bytes: usize) -> Result<(), Error> {
        *self.left = self.left.checked_sub(bytes).ok_or_else(too_large)?;
        Ok(())
    }

    fn convert(&mut self, value: &Jinja, depth: usize) -> Result<Value, Error> {
        if depth > DEEPEST {
            return Err(invalid("the value is nested too deep"));
        }
        if let Some(view) = value.downcast_object_ref::<View>() {
            let value = view.value();
            self.take(weight(value))?;
            return Ok(value.clone());
        }
        self.take(8)?;
        match value.kind() {
            ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
            ValueKind::None => Ok(Value::Null),
            ValueKind::Bool => Ok(Value::Bool(value.is_true())),
            ValueKind::Number => number(value),
            ValueKind::String => {
                let text = value.as_str().unwrap_or_default();
                self.take(text.len())?;
                Ok(Value::String(text.to_owned()))
            }
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.map(|item| self.convert(&item, depth + 1));
                Ok(Value::Array(items.collect::<Result<_, _>>()?))
            }
            ValueKind::Map => self.map(value, depth),
            // The evaluator's list of kinds is open; what is not data has no JSON.
            kind => Err(invalid(format!("a {kind} can't be a result: call it, or name a value"))),
        }
    }

    fn map(&mut self, value: &Jinja, depth: usize) -> Result<Value, Error> {
        let mut fields = Map::new();
        for key in value.try_iter()? {
            let name = match (key.as_str(), key.kind()) {
                (Some(name), _) => name.to_owned(),
                (None, ValueKind::Number | ValueKind::Bool) => to_text(&key)?,
                _ => return Err(invalid(format!("a {} can't be a key", key.kind()))),
            };
            self.take(name.len())?;
            fields.insert(name, self.convert(&value.get_item(&key)?, depth + 1)?);
        }
        Ok(Value::Object(fields))
    }
}

fn number(value: &Jinja) -> Result<Value, Error> {
    if value.is_integer() {
        if let Some(number) = value.as_i64() {
            return Ok(Value::from(number));
        }
        let number = u64::try_from(value.clone());
        return number
            .map(Value::from)
            .map_err(|_| invalid(format!("{value} does not fit into 64 bits")));
    }
    let number = f64::try_from(value.clone())?;
    Number::from_f64(number)
        .map(Value::Number)
        .ok_or_else(|| invalid(format!("{value} is no number that JSON has")))
}

/// What a value weighs, by the same measure as a converted one.
pub(super) fn weight(value: &Value) -> usize {
    8 + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + weight(value)).sum(),
    }
}
