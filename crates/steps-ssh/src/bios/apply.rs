//! Changing a file to what a device type wants.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Accepts, Document, Form, Place, Setting, SettingValue, xml};
use crate::device::DeviceType;

/// A setting that is not as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The setting's full name.
    pub setting: String,
    /// What it is.
    pub from: SettingValue,
    /// What it is to be.
    pub to: SettingValue,
}

/// A file with the profile applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The text, equal to what was given but for the changes.
    pub text: String,
    /// What was changed, in the profile's order.
    pub changes: Vec<Change>,
}

/// Why a profile can't be applied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileProblem {
    /// The file comes from another model.
    #[error("the settings come from a `{found}`, the profile is for {}", Quoted(expected))]
    Model {
        /// What the file says.
        found: String,
        /// What the device type expects.
        expected: Vec<String>,
    },
    /// The file lacks a setting that it has to hold.
    #[error("the export lacks `{0}`: it is not complete")]
    Incomplete(String),
    /// The machine has no such setting.
    #[error("there is no setting `{setting}`{}", Nearest(nearest.as_deref()))]
    Unknown {
        /// The name.
        setting: String,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// Several settings have that name.
    #[error("`{setting}` is not unique: write one of {}", Quoted(candidates))]
    Ambiguous {
        /// The name.
        setting: String,
        /// The full names.
        candidates: Vec<String>,
    },
    /// It can't be changed.
    #[error("`{setting}` is read-only; it is `{value}`, and `{wanted}` is wanted")]
    ReadOnly {
        /// The name.
        setting: String,
        /// What it is.
        value: SettingValue,
        /// What it should be.
        wanted: SettingValue,
    },
    /// It can't take that value.
    #[error("`{setting}` can't be `{wanted}`: it takes {accepts}")]
    Value {
        /// The name.
        setting: String,
        /// What it should be.
        wanted: SettingValue,
        /// What it may be, in words.
        accepts: String,
    },
}

/// Applies a device type's profile to a file. Pure.
///
/// # Errors
/// All problems at once.
pub fn apply(
    text: &str,
    document: &Document,
    device_type: &DeviceType,
) -> Result<Applied, Vec<ProfileProblem>> {
    let mut problems = validate(document, device_type);
    let mut changes = Vec::new();
    let mut splices: Vec<(&Place, &SettingValue)> = Vec::new();
    let mut wanted = Vec::new();
    for (name, value) in &device_type.bios.settings {
        match find(document, name).and_then(|setting| plan(setting, value, device_type, name)) {
            Ok(Some(change)) => wanted.push(change),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    for (place, change) in &wanted {
        splices.push((*place, &change.to));
        changes.push(change.clone());
    }
    Ok(Applied { text: splice(text, splices), changes })
}

fn validate(document: &Document, device_type: &DeviceType) -> Vec<ProfileProblem> {
    let validation = &device_type.validation;
    let mut problems = Vec::new();
    if !validation.models.is_empty() {
        let found = document.model.clone().unwrap_or_else(|| "unknown model".to_owned());
        if !validation.models.contains(&found) {
            let expected = validation.models.clone();
            problems.push(ProfileProblem::Model { found, expected });
        }
    }
    for name in &validation.required {
        if let Err(ProfileProblem::Unknown { .. }) = find(document, name) {
            problems.push(ProfileProblem::Incomplete(name.clone()));
        }
    }
    problems
}

/// The setting of that name: by its full name, else by its short one.
pub(crate) fn find<'a>(document: &'a Document, name: &str) -> Result<&'a Setting, ProfileProblem> {
    let all = &document.settings;
    let full: Vec<_> = all.iter().filter(|setting| setting.name == name).collect();
    let found = if full.is_empty() {
        all.iter().filter(|setting| setting.short.as_deref() == Some(name)).collect()
    } else {
        full
    };
    match found[..] {
        [one] => Ok(one),
        [] => {
            let names = all.iter().flat_map(|s| s.short.iter().chain([&s.name]));
            let nearest = names
                .map(|known| (strsim::damerau_levenshtein(known, name), known))
                .filter(|(distance, _)| *distance <= name.len().max(3) / 3)
                .min_by_key(|(distance, _)| *distance)
                .map(|(_, known)| known.clone());
            Err(ProfileProblem::Unknown { setting: name.to_owned(), nearest })
        }
        _ => Err(ProfileProblem::Ambiguous {
            setting: name.to_owned(),
            candidates: found.iter().map(|setting| setting.name.clone()).collect(),
        }),
    }
}

fn plan<'a>(
    setting: &'a Setting,
    wanted: &SettingValue,
    device_type: &DeviceType,
    name: &str,
) -> Result<Option<(&'a Place, Change)>, ProfileProblem> {
    let refused = |accepts: String| ProfileProblem::Value {
        setting: setting.name.clone(),
        wanted: wanted.clone(),
        accepts,
    };
    let Some(to) = wanted.like(&setting.value) else {
        let kind = match setting.value {
            SettingValue::Bool(_) => "true or false",
            SettingValue::Int(_) => "a whole number",
            SettingValue::Text(_) => "a text",
        };
        return Err(refused(kind.to_owned()));
    };
    if !setting.accepts.takes(&to) {
        return Err(refused(setting.accepts.to_string()));
    }
    if let Some(allowed) = device_type.bios.allowed.get(name)
        && !allowed.iter().any(|value| value.like(&setting.value).as_ref() == Some(&to))
    {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        return Err(refused(Quoted(&allowed).to_string()));
    }
    if to == setting.value {
        return Ok(None);
    }
    let Some(place) = &setting.place else {
        let (value, wanted) = (setting.value.clone(), to);
        return Err(ProfileProblem::ReadOnly { setting: setting.name.clone(), value, wanted });
    };
    let from = setting.value.clone();
    Ok(Some((place, Change { setting: setting.name.clone(), from, to })))
}

/// Replaces the places, which don't overlap: each is the value of another setting.
fn splice(text: &str, mut splices: Vec<(&Place, &SettingValue)>) -> String {
    splices.sort_by_key(|(place, _)| place.span.start);
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for (place, value) in splices {
        out.push_str(&text[at..place.span.start]);
        out.push_str(&place.form.write(value));
        at = place.span.end;
    }
    out.push_str(&text[at..]);
    out
}

impl Form {
    fn write(&self, value: &SettingValue) -> String {
        match self {
            Self::XmlContent => xml::escape(&value.to_string(), None),
            Self::XmlAttribute(quote) => xml::escape(&value.to_string(), Some(*quote)),
            Self::XmlEmptyElement(name) => {
                format!(">{}</{name}>", xml::escape(&value.to_string(), None))
            }
            Self::Json => match value {
                SettingValue::Bool(value) => value.to_string(),
                SettingValue::Int(value) => value.to_string(),
                SettingValue::Text(value) => serde_json::Value::from(value.as_str()).to_string(),
            },
        }
    }
}

impl Accepts {
    fn takes(&self, value: &SettingValue) -> bool {
        let text = value.to_string();
        match self {
            Self::Anything => true,
            Self::OneOf(values) => values.contains(&text),
            Self::Number { min, max, step } => text.parse::<i64>().is_ok_and(|number| {
                (*min..=*max).contains(&number)
                    && (*step <= 1 || number.wrapping_sub(*min) % step == 0)
            }),
            Self::Text { min, max } => (*min..=*max).contains(&text.chars().count()),
        }
    }
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anything => f.write_str("anything"),
            Self::OneOf(values) => Quoted(values).fmt(f),
            Self::Number { min, max, step } if *step > 1 => {
                write!(f, "{min} to {max} in steps of {step}")
            }
            Self::Number { min, max, .. } => write!(f, "{min} to {max}"),
            Self::Text { min, max } => write!(f, "a text of {min} to {max} characters"),
        }
    }
}

struct Quoted<'a>(&'a [String]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, text) in self.0.iter().enumerate() {
            write!(f, "{}`{text}`", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

struct Nearest<'a>(Option<&'a str>);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "; did you mean `{name}`?"),
            None => Ok(()),
        }
    }
}
