//! Text → a tree in which every key and value knows its place.
//!
//! This module alone knows the YAML crate. It takes the event parser that serde-saphyr re-exports
//! and not its deserializer, because that one stops at the first error and forgets where keys
//! stood. What a file may say:
//! - YAML 1.2's core schema: `yes`, `on` and the like are text; only `true` and `false` are
//!   booleans; `0123` and numbers that would lose digits are refused, because YAML's versions
//!   read them differently.
//! - Anchors, aliases and merge keys (`<<: *base`, as Ansible and Compose files use them) within
//!   [`Limits`]: the tree is counted as if every alias were written out.
//! - Keys are text, as written. One document a file. Core tags only (`!!str 12`).

mod build;
mod offsets;
mod report;
mod scalar;

use std::{ops::Range, sync::Arc};

use serde_json::{Number, Value};

pub(super) use self::{build::parse, offsets::source_range};

/// What a file may ask for at most, so that a small file can't take all memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Values in the tree, with aliases written out.
    pub nodes: usize,
    /// Bytes of text in the tree, with aliases written out.
    pub text: usize,
    /// Levels of nesting.
    pub depth: usize,
}

impl Limits {
    /// What the loader allows. The largest workflows that people write stay a hundred times below.
    pub const DEFAULT: Self = Self { bytes: 1 << 20, nodes: 100_000, text: 4 << 20, depth: 64 };
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    /// `|` and `>`.
    Block,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(Arc<str>, Style),
    Seq(Vec<Arc<Node>>),
    Map(Vec<Entry>),
}

/// A value with its place in the text, in bytes. Of an alias that is the `*name`.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
    /// How much it costs with its aliases written out.
    weight: Weight,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Arc<str>,
    pub(super) key_span: Range<usize>,
    pub(super) value: Arc<Node>,
    /// Brought in by a merge key: a field written here wins over it.
    merged: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    nodes: usize,
    text: usize,
    depth: usize,
}

impl Node {
    /// The value under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| &*entry.key == key),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(..) | Kind::Seq(_) => None,
        }
    }

    /// The same as JSON.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text, _) => Value::String(text.to_string()),
            Kind::Seq(items) => items.iter().map(|item| item.to_json()).collect(),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|e| (e.key.to_string(), e.value.to_json())).collect(),
            ),
        }
    }
}
