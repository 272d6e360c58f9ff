//! BIOS settings as text: the files of the vendors' tools, read without losing anything.
//!
//! A file is parsed for the places of its values, and changed by replacing just those places:
//! comments, order, white space and whatever is not understood stay as they are, so that nothing
//! wanted means the same bytes again.

mod apply;
mod conrep;
mod ilorest;
mod racadm;
mod sum;
mod text;
mod value;
mod xml;

use std::ops::Range;

use thiserror::Error;

pub use apply::{Applied, Change, ProfileProblem, apply};
pub use text::{Encoding, decode, encode};
pub use value::SettingValue;

use crate::device::ToolKind;

/// A file of settings, parsed.
#[derive(Clone, Debug)]
pub struct Document {
    /// The model that the file says it comes from.
    pub model: Option<String>,
    /// The settings in it, in the file's order.
    pub settings: Vec<Setting>,
}

/// One setting in a file.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its full name, unique wherever the format allows.
    pub name: String,
    /// The short name that stands for it if no other setting has it.
    pub short: Option<String>,
    /// Its value.
    pub value: SettingValue,
    /// What the file says that it may be.
    pub accepts: Accepts,
    /// Where the value is written, and how; absent where it can't be changed.
    pub(crate) place: Option<Place>,
}

/// What a file says that a setting may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// The file doesn't say.
    Anything,
    /// One of these.
    OneOf(Vec<String>),
    /// A whole number from `min` to `max` in steps of `step`.
    Number {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
        /// The distance from `min` to the next; 0 or 1 means any.
        step: i64,
    },
    /// A text of so many characters.
    Text {
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
}

/// Where a value is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) span: Range<usize>,
    pub(crate) form: Form,
}

/// How a value is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The content of an XML element.
    XmlContent,
    /// The value of an XML attribute within this quote.
    XmlAttribute(char),
    /// In the place of the `/>` of an empty element of this name.
    XmlEmptyElement(String),
    /// A JSON value.
    Json,
}

/// A text that is not what the tool writes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("this is not what {tool} writes: {reason}")]
pub struct FormatError {
    /// The tool.
    pub tool: &'static str,
    /// What is wrong, with its place where there is one.
    pub reason: String,
}

/// Reads what a tool wrote.
///
/// # Errors
/// [`FormatError`] if it is something else.
pub fn parse(tool: ToolKind, text: &str) -> Result<Document, FormatError> {
    let parsed = match tool {
        ToolKind::Racadm => racadm::parse(text),
        ToolKind::Conrep => conrep::parse(text),
        ToolKind::Ilorest => ilorest::parse(text),
        ToolKind::Sum | ToolKind::Saa => sum::parse(text),
    };
    parsed.map_err(|reason| FormatError { tool: tool.program(), reason })
}
