//! What HPE's `ilorest save --select Bios.` writes: a list of objects, the first about the
//! machine, then one per resource: type, path, content.
//!
//! ```text
//! [ { "Comments": { "Model": "ProLiant DL385 Gen10 Plus", … } },
//!   { "#Bios.v1_0_0.Bios": { "/redfish/v1/systems/1/bios/settings/": { "Attributes": { … } } } } ]
//! ```

use indexmap::IndexMap;
use serde_json::{Value, value::RawValue};

use super::{Accepts, Document, Form, Place, Setting, SettingValue};

type Object<'a> = IndexMap<String, &'a RawValue>;

pub(super) fn parse(text: &str) -> Result<Document, String> {
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut document = Document { model: None, settings: Vec::new() };
    let mut found = false;
    for item in items {
        for (kind, inner) in object(item)? {
            if kind == "Comments" {
                let model = object(inner)?.get("Model").copied();
                document.model = model.and_then(|raw| serde_json::from_str(raw.get()).ok());
            } else if is_bios(&kind) {
                found = true;
                for (_, resource) in object(inner)? {
                    resource_settings(text, &object(resource)?, &mut document.settings)?;
                }
            }
        }
    }
    if found { Ok(document) } else { Err("it holds no resource of the type `Bios`".to_owned()) }
}

/// `Bios.v1_0_0` and `#Bios.v1_0_4.Bios` on Gen10 and later, `HpBios.1.2.0` on Gen9.
fn is_bios(kind: &str) -> bool {
    let kind = kind.trim_start_matches('#');
    kind.starts_with("Bios.") || kind.starts_with("HpBios.")
}

fn resource_settings(
    text: &str,
    resource: &Object<'_>,
    settings: &mut Vec<Setting>,
) -> Result<(), String> {
    let attributes = match resource.get("Attributes") {
        Some(attributes) => object(attributes)?,
        None => resource.clone(),
    };
    for (name, raw) in attributes {
        let value = match serde_json::from_str(raw.get()) {
            Ok(Value::Bool(value)) => SettingValue::Bool(value),
            Ok(Value::String(value)) => SettingValue::Text(value),
            Ok(Value::Number(number)) => match number.as_i64() {
                Some(value) => SettingValue::Int(value),
                None => continue,
            },
            // Nothing that a profile could name.
            Ok(Value::Null | Value::Array(_) | Value::Object(_)) => continue,
            Err(error) => return Err(error.to_string()),
        };
        if name.contains('@') {
            continue;
        }
        settings.push(Setting {
            name,
            short: None,
            value,
            accepts: Accepts::Anything,
            place: Some(place(text, raw)),
        });
    }
    Ok(())
}

/// A raw value borrows from the text, so its distance from the text's start is its place.
fn place(text: &str, raw: &RawValue) -> Place {
    let start = raw.get().as_ptr().addr() - text.as_ptr().addr();
    Place { span: start..start + raw.get().len(), form: Form::Json }
}

fn object(raw: &RawValue) -> Result<Object<'_>, String> {
    serde_json::from_str(raw.get()).map_err(|error| error.to_string())
}
