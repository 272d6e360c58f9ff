//! Problems with their places in files: for people, and as JSON for editors.

use std::{collections::HashSet, fmt, ops::Range, sync::Arc};

use serde_json::{Value, json};

use super::{render, source::Source};
use crate::model::Pointer;

/// One problem and its place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable: `unknown-field`.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// The bytes of the file that are underlined.
    pub span: Range<usize>,
    /// The value in the workflow, where the file could be read that far.
    pub pointer: Option<Pointer>,
    /// What stands under the underline.
    pub label: Option<String>,
    /// How to mend it.
    pub help: Vec<String>,
    /// Other places in the file that matter, and why.
    pub related: Vec<(Range<usize>, String)>,
}

impl Diagnostic {
    pub(super) fn new(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            span,
            pointer: None,
            label: None,
            help: Vec::new(),
            related: Vec::new(),
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    pub(super) fn related(mut self, span: Range<usize>, why: impl Into<String>) -> Self {
        self.related.push((span, why.into()));
        self
    }
}

/// All problems of a file and of the files that it refers to. `Display` shows them without
/// colour.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(Vec<(Arc<Source>, Diagnostic)>);

impl Diagnostics {
    pub(super) fn new(source: &Arc<Source>, problems: Vec<Diagnostic>) -> Self {
        let with_source = |mut problem: Diagnostic| {
            problem.span = source.first_line(&problem.span);
            (Arc::clone(source), problem)
        };
        Self(problems.into_iter().map(with_source).collect())
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many problems there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each problem with the file it is in.
    pub fn iter(&self) -> impl Iterator<Item = (&Source, &Diagnostic)> {
        self.0.iter().map(|(source, problem)| (&**source, problem))
    }

    /// Adds the problems of another file.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Adds problems, but not those with a value that was reported already: what an unknown alias
    /// stands for has no type either.
    pub(super) fn extend_elsewhere(&mut self, other: Self) {
        let known: HashSet<_> = self.0.iter().map(|(_, problem)| problem.span.clone()).collect();
        self.0.extend(other.0.into_iter().filter(|(_, problem)| !known.contains(&problem.span)));
    }

    /// In the order of the file; for the problems of one file.
    pub(super) fn sort(&mut self) {
        self.0.sort_by_key(|(_, problem)| problem.span.start);
    }

    /// For a terminal: as the Rust compiler shows its errors.
    pub fn coloured(&self) -> String {
        render::render(self, true)
    }

    /// For editors and scripts: a list of objects with `file`, `code`, `message`, `pointer`,
    /// `start` and `end` (each `line`, `column`, `offset`; lines and columns from 1, columns in
    /// characters, offsets in bytes), `label`, `help` and `related`.
    pub fn to_json(&self) -> Value {
        self.iter().map(|(source, problem)| json_of(source, problem)).collect()
    }
}

fn json_of(source: &Source, problem: &Diagnostic) -> Value {
    let place = |byte: usize| {
        let (line, column) = source.line_column(byte);
        json!({ "line": line, "column": column, "offset": byte.min(source.text().len()) })
    };
    let related: Vec<_> = problem
        .related
        .iter()
        .map(|(span, why)| {
            json!({ "start": place(span.start), "end": place(span.end), "message": why })
        })
        .collect();
    json!({
        "file": source.name(),
        "severity": "error",
        "code": problem.code,
        "message": problem.message,
        "pointer": problem.pointer.as_ref().map(Pointer::as_str),
        "start": place(problem.span.start),
        "end": place(problem.span.end),
        "label": problem.label,
        "help": problem.help,
        "related": related,
    })
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render::render(self, false))
    }
}

impl std::error::Error for Diagnostics {}
