//! The text that a workflow came from, and where in it each value stands.

use std::{ops::Range, sync::Arc};

use super::{
    diagnostics::{Diagnostic, Diagnostics},
    yaml::{self, Kind, Node},
};
use crate::model::{Pointer, Problem};

/// A file as it was read. Problems that are found later are shown in it.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    /// The byte where each line starts.
    lines: Vec<usize>,
    tree: Option<Arc<Node>>,
}

/// Where a value stands.
pub(super) struct Place {
    pub(super) key: Option<Range<usize>>,
    pub(super) node: Arc<Node>,
    /// Whether the pointer led to the value itself, not to what would hold it.
    exact: bool,
}

impl Source {
    pub(super) fn new(name: &str, text: &str, tree: Option<Arc<Node>>) -> Arc<Self> {
        let starts = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Arc::new(Self { name: name.to_owned(), text: text.to_owned(), lines, tree })
    }

    /// The file's name as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte, both from 1, the column in characters.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let byte = floor(&self.text, byte);
        let number = self.lines.partition_point(|start| *start <= byte);
        // A byte order mark takes no column.
        let before = self.text[self.line(byte).start..byte].trim_start_matches('\u{feff}');
        (number, before.chars().count() + 1)
    }

    /// The bytes of the line that holds a byte, without its break.
    pub(super) fn line(&self, byte: usize) -> Range<usize> {
        let number = self.lines.partition_point(|start| *start <= byte);
        let start = self.lines[number.saturating_sub(1)];
        let end = self.lines.get(number).copied().unwrap_or(self.text.len());
        start..start + self.text[start..end].trim_end_matches(['\n', '\r']).len()
    }

    /// Line and column of a value.
    pub fn locate(&self, at: &Pointer) -> Option<(usize, usize)> {
        self.place(at).map(|place| self.line_column(place.node.span.start))
    }

    /// Shows problems that were found in the workflow, such as those of the semantic checks.
    pub fn diagnostics(self: &Arc<Self>, problems: Vec<Problem>) -> Diagnostics {
        let mut list: Vec<_> = problems.into_iter().map(|problem| self.resolve(problem)).collect();
        list.sort_by_key(|problem| problem.span.start);
        Diagnostics::new(self, list)
    }

    /// Follows a pointer as far as it leads.
    fn place(&self, at: &Pointer) -> Option<Place> {
        let mut node = Arc::clone(self.tree.as_ref()?);
        let mut key = None;
        for segment in at.segments() {
            let next = match &node.kind {
                Kind::Map(entries) => entries
                    .iter()
                    .find(|entry| *entry.key == *segment)
                    .map(|entry| (Some(entry.key_span.clone()), Arc::clone(&entry.value))),
                // A branch may be written as the list of its steps.
                Kind::Seq(_) if segment == "steps" => continue,
                Kind::Seq(items) => segment
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index))
                    .map(|item| (None, Arc::clone(item))),
                Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(..) => None,
            };
            match next {
                Some((next_key, next_node)) => (key, node) = (next_key, next_node),
                None => return Some(Place { key, node, exact: false }),
            }
        }
        Some(Place { key, node, exact: true })
    }

    fn resolve(&self, problem: Problem) -> Diagnostic {
        let span = match self.place(&problem.at) {
            Some(place) => self.underline(&place, problem.on_key, problem.range.as_ref()),
            None => 0..0,
        };
        let related = problem
            .related
            .into_iter()
            .filter_map(|(at, why)| {
                let place = self.place(&at)?;
                Some((self.underline(&place, false, None), why))
            })
            .collect();
        Diagnostic {
            code: problem.code,
            message: problem.message,
            span,
            pointer: Some(problem.at),
            label: problem.label,
            help: problem.help,
            related,
        }
    }

    /// What of a place to underline: never more than a line, or the picture hides the text.
    fn underline(&self, place: &Place, on_key: bool, range: Option<&Range<usize>>) -> Range<usize> {
        let node = &place.node;
        if let Some(key) = place.key.as_ref().filter(|_| on_key && place.exact) {
            return key.clone();
        }
        if let Some(range) = range.filter(|_| place.exact)
            && let Some(found) = yaml::source_range(&self.text, node, range)
        {
            return found;
        }
        let text = self.text.get(node.span.clone()).unwrap_or_default();
        let nested = matches!(node.kind, Kind::Seq(_) | Kind::Map(_));
        if let Some(key) =
            place.key.as_ref().filter(|_| text.is_empty() || (nested && text.contains('\n')))
        {
            return key.clone();
        }
        self.first_line(&node.span)
    }

    /// The part of a span that stands on its first line.
    pub(super) fn first_line(&self, span: &Range<usize>) -> Range<usize> {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default().trim_end();
        if line.is_empty() { span.clone() } else { span.start..span.start + line.len() }
    }
}

/// The start of the character that holds byte `at`; the end if it lies beyond.
pub(super) fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}
