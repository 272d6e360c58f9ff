//! The fields of an object: those that may be there, those that have to.

use std::sync::Arc;

use super::{
    Decoder,
    shapes::{STEP, Shape},
};
use crate::{
    load::{
        words,
        yaml::{Entry, Kind, Node},
    },
    model::{Pointer, Problem},
};

/// An object whose fields were looked through.
pub(super) struct Fields<'n> {
    node: &'n Node,
    pub(super) at: Pointer,
    what: &'static str,
    /// Fields that unknown ones were probably meant to be: nobody needs to hear that they lack.
    meant: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// A field's value and its place.
    pub(super) fn get(&self, name: &str) -> Option<(&'n Arc<Node>, Pointer)> {
        self.node.get(name).map(|entry| (&entry.value, self.at.key(name)))
    }

    /// Whether a field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.node.get(name).is_some()
    }

    /// Those of `names` that are there, in the order of the file.
    pub(super) fn present(&self, names: &[&'static str]) -> Vec<&'static str> {
        let Kind::Map(entries) = &self.node.kind else { return Vec::new() };
        let known = |entry: &Entry| names.iter().copied().find(|name| *name == &*entry.key);
        entries.iter().filter_map(known).collect()
    }
}

impl Decoder<'_> {
    /// Looks through an object's fields. `None` if it is none.
    pub(super) fn fields<'n>(
        &mut self,
        node: &'n Node,
        at: &Pointer,
        shape: &Shape,
    ) -> Option<Fields<'n>> {
        let Kind::Map(entries) = &node.kind else {
            let expected = format!("a mapping with {}", words::list(shape.main()));
            self.wrong_type(node, at, &expected);
            return None;
        };
        let mut fields = Fields { node, at: at.clone(), what: shape.what, meant: Vec::new() };
        for entry in entries {
            let name = &*entry.key;
            if shape.later.contains(&name) {
                self.report(not_yet(name, shape, at));
            } else if !shape.fields.contains(&name) {
                let near = words::nearest(name, shape.fields.iter().chain(shape.later).copied());
                self.report(unknown(name, shape, &fields, near));
                fields.meant.extend(near);
            }
        }
        Some(fields)
    }

    /// A field that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        decode: impl FnOnce(&mut Self, &Node, &Pointer) -> Option<T>,
    ) -> Option<T> {
        let (node, at) = fields.get(name)?;
        decode(self, node, &at)
    }

    /// A field that has to be there.
    pub(super) fn required<T>(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        decode: impl FnOnce(&mut Self, &Node, &Pointer) -> Option<T>,
    ) -> Option<T> {
        if !fields.has(name) {
            if fields.meant.contains(&name) {
                return None;
            }
            let message = format!("{} needs `{name}`", fields.what);
            self.report(
                Problem::new("missing-field", fields.at.clone(), message)
                    .label(format!("`{name}` is missing")),
            );
            return None;
        }
        self.optional(fields, name, decode)
    }

    /// A list, element by element.
    pub(super) fn list<T>(
        &mut self,
        node: &Node,
        at: &Pointer,
        expected: &str,
        mut decode: impl FnMut(&mut Self, &Node, &Pointer) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Kind::Seq(items) = &node.kind else {
            self.wrong_type(node, at, expected);
            return None;
        };
        let decode = |(index, item): (usize, &Arc<Node>)| decode(self, item, &at.index(index));
        Some(items.iter().enumerate().filter_map(decode).collect())
    }

    /// A value of another type than expected.
    pub(super) fn wrong_type(&mut self, node: &Node, at: &Pointer, expected: &str) {
        self.report(wrong_type(node, at, expected));
    }

    /// A field that may not stand where it stands.
    pub(super) fn misplaced(&mut self, fields: &Fields<'_>, name: &str, why: &str) {
        let message = format!("`{name}` can't be used here: {why}");
        let problem = Problem::new("misplaced-field", fields.at.key(name), message);
        self.report(problem.on_key());
    }

    /// Two fields that exclude each other; the second is shown.
    pub(super) fn conflict(&mut self, fields: &Fields<'_>, names: &[&'static str], help: &str) {
        let [first, second, ..] = names else { return };
        let message =
            format!("{} can't have {} together", fields.what, words::list(names.iter().copied()));
        self.report(
            Problem::new("conflicting-fields", fields.at.key(second), message)
                .on_key()
                .label(format!("not together with `{first}`"))
                .help(help),
        );
    }
}

impl Shape {
    /// The fields that say the most, for messages.
    fn main(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().copied().take(3)
    }
}

/// What a value is, in words.
fn found(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "nothing".to_owned(),
        Kind::Bool(value) => format!("the boolean `{value}`"),
        Kind::Number(number) => format!("the number `{number}`"),
        Kind::Text(text, _) if text.is_empty() => "an empty text".to_owned(),
        Kind::Text(text, _) if text.chars().count() <= 30 && !text.contains('\n') => {
            format!("the text `{text}`")
        }
        Kind::Text(..) => "text".to_owned(),
        Kind::Seq(_) => "a list".to_owned(),
        Kind::Map(_) => "a mapping".to_owned(),
    }
}

fn not_yet(name: &str, shape: &Shape, at: &Pointer) -> Problem {
    let message =
        format!("`{name}` in {} is part of the format, but not supported yet", shape.what);
    Problem::new("not-supported-yet", at.key(name), message)
        .on_key()
        .label("this version can't run it")
}

fn unknown(name: &str, shape: &Shape, fields: &Fields<'_>, near: Option<&'static str>) -> Problem {
    let message = format!("unknown field `{}` in {}", short(name), shape.what);
    let problem = Problem::new("unknown-field", fields.at.key(name), message).on_key();
    if let Some((_, hint)) = shape.hints.iter().find(|(word, _)| *word == name) {
        return problem.label("not known here").help(*hint);
    }
    if shape.fields != STEP.fields && STEP.fields.contains(&name) {
        return problem
            .label("not known here")
            .help(format!("`{name}` is a field of a step: check the indentation"));
    }
    match near {
        Some(near) if fields.has(near) => problem.label(format!("`{near}` is there already")),
        Some(near) => problem.label(format!("did you mean `{near}`?")),
        None => {
            let allowed = words::list(shape.fields.iter().copied());
            problem.label("not known here").help(format!("{} may have {allowed}", shape.what))
        }
    }
}

/// A value of another type than expected; the place tells its name.
pub(super) fn wrong_type(node: &Node, at: &Pointer, expected: &str) -> Problem {
    let names: Vec<_> = at.segments().collect();
    let index = |name: &str| name.bytes().all(|b| b.is_ascii_digit());
    let message = match names.as_slice() {
        [] => "a wrong type for a workflow".to_owned(),
        [.., holder, last] if index(last) => format!("a wrong type in `{}`", short(holder)),
        [.., last] => format!("a wrong type for `{}`", short(last)),
    };
    Problem::new("wrong-type", at.clone(), message)
        .label(format!("expected {expected}, found {}", found(node)))
}

/// A name that fits a message.
fn short(name: &str) -> String {
    match name.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
