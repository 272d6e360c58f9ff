//! The tables of a page.

use std::{fs, path::Path};

/// A row of a table.
pub(crate) struct Row {
    /// What stands in backquotes in its first cell.
    pub(crate) names: Vec<String>,
    /// The examples that it links, by the names of their files.
    pub(crate) links: Vec<String>,
}

pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) rows: Vec<Row>,
}

impl Page {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| `")).map(row).collect();
        Self { text, rows }
    }
}

fn row(line: &str) -> Row {
    let first = line.trim_start_matches('|').split('|').next().unwrap_or_default();
    let names = first.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let links = line.split("](examples/").skip(1).filter_map(|rest| rest.split(')').next());
    Row { names, links: links.map(str::to_owned).collect() }
}

/// Whether a workflow file has a field of this name.
pub(crate) fn mentions(text: &str, field: &str) -> bool {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| line.match_indices(field).map(move |found| (line, found.0))).any(
        |(line, at)| {
            let before = line[..at].chars().next_back();
            let after = &line[at + field.len()..];
            before.is_none_or(|c| matches!(c, ' ' | '{' | '-')) && after.starts_with(':')
        },
    )
}
