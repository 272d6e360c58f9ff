//! What can be wrong with a text as YAML, in the words of people who write it.

use std::ops::Range;

use serde_saphyr::granit_parser::{ErrorKind, ScanError};

use super::{Kind, Limits, Node, scalar::BadNumber};
use crate::load::{diagnostics::Diagnostic, words};

/// The problems found so far; beyond [`Self::MOST`] they only cost time.
#[derive(Default)]
pub(super) struct Report(Vec<Diagnostic>);

impl Report {
    const MOST: usize = 500;

    pub(super) fn push(&mut self, problem: Diagnostic) {
        if self.0.len() < Self::MOST {
            self.0.push(problem);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_inner(self) -> Vec<Diagnostic> {
        self.0
    }
}

pub(super) fn empty() -> Diagnostic {
    Diagnostic::new("empty-file", 0..0, "the file holds no workflow")
        .help("a workflow needs at least `workflow: NAME` and `steps:`")
}

pub(super) fn second_document(at: Range<usize>) -> Diagnostic {
    Diagnostic::new("several-documents", at, "a second document starts here")
        .label("only one workflow a file")
        .help("move it to a file of its own")
}

pub(super) fn unknown_alias(name: &str, known: &[String], at: Range<usize>) -> Diagnostic {
    let problem =
        Diagnostic::new("unknown-alias", at, format!("no anchor `&{name}` stands before"))
            .label("unknown alias");
    match words::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("there is an anchor `&{near}`")),
        None => problem.help("text that starts with `*` has to be in quotes"),
    }
}

pub(super) fn recursive_alias(at: Range<usize>) -> Diagnostic {
    Diagnostic::new("recursive-alias", at, "an alias inside of its own anchor")
        .label("this would never end")
}

pub(super) fn unknown_tag(tag: &str, at: Range<usize>) -> Diagnostic {
    let tag = tag.replace("tag:yaml.org,2002:", "!!");
    Diagnostic::new("unknown-tag", at, format!("the tag `{tag}` is not known or does not fit here"))
        .label("tagged value")
        .help("only the tags of YAML's core schema are read, such as `!!str 12`; text that starts with `!` has to be in quotes")
}

pub(super) fn bad_number(text: &str, why: &BadNumber, at: Range<usize>) -> Diagnostic {
    Diagnostic::new("bad-number", at, format!("`{text}` is {}", why.explain()))
        .label("text or a number?")
        .help(format!("write \"{text}\" if it is text"))
}

pub(super) fn too_deep(most: usize, at: Range<usize>) -> Diagnostic {
    Diagnostic::new("too-deep", at, format!("more than {most} levels of nesting"))
        .label("too deep")
        .help("move inner steps to a workflow of their own and call it with `workflow:`")
}

pub(super) fn too_much(limits: Limits, at: Range<usize>) -> Diagnostic {
    Diagnostic::new(
        "too-large",
        at,
        format!(
            "with its aliases written out the file holds more than {} values or {} MiB of text",
            limits.nodes,
            limits.text >> 20
        ),
    )
    .label("the limit is reached here")
    .help("large data belongs in the input of a run, not in a workflow")
}

pub(super) fn bad_key(text: &str, node: &Node) -> Diagnostic {
    let problem = |message: &str| Diagnostic::new("bad-key", node.span.clone(), message);
    match &node.kind {
        Kind::Map(_) if template_before(text, node.span.start) => {
            let both = node.span.start - 1..node.span.end;
            Diagnostic::new("bad-key", both, "a template has to be in quotes")
                .label("without quotes this is a YAML mapping")
                .help("write \"{{ … }}\"")
        }
        Kind::Map(_) => problem("a mapping can't be a key").label("expected text"),
        Kind::Seq(_) => problem("a list can't be a key").label("expected text"),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(..) => {
            problem("a key is missing").label("expected text before the `:`")
        }
    }
}

/// Whether the `{` at `at` is the second one of `{{`.
fn template_before(text: &str, at: usize) -> bool {
    text.get(..at).is_some_and(|before| before.ends_with('{'))
}

pub(super) fn duplicate_key(key: &str, first: Range<usize>, at: Range<usize>) -> Diagnostic {
    Diagnostic::new("duplicate-key", at, format!("the key `{key}` stands here twice"))
        .label("second time")
        .related(first, "first time")
}

pub(super) fn bad_merge(at: Range<usize>) -> Diagnostic {
    Diagnostic::new("bad-merge", at, "`<<` takes a mapping, or a list of mappings")
        .label("not a mapping")
        .help("use it as `<<: *name`, where `&name` marks a mapping")
}

/// A syntax error: the parser's place, our words where the parser's help nobody.
pub(super) fn syntax(text: &str, error: &ScanError) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return too_deep(Limits::DEFAULT.depth, at..at + 1);
    }
    let (message, help) = explain(error.kind());
    // The parser names the start of the text that the tab is in.
    let tab = text.get(at..).and_then(|rest| rest.find('\t')).filter(|_| message.contains("tab"));
    let at = at + tab.unwrap_or_default();
    let problem = Diagnostic::new("yaml-syntax", at..at + 1, message);
    let line_start = text.get(..at).and_then(|t| t.rfind('\n')).map_or(0, |newline| newline + 1);
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let problem = match help {
        Some(help) => problem.help(help),
        None => problem,
    };
    if line.contains(": {{") || line.contains("- {{") {
        return problem.help("a value that starts with `{{` has to be in quotes: \"{{ … }}\"");
    }
    problem
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's own words do for the rest")]
fn explain(kind: &ErrorKind) -> (String, Option<&'static str>) {
    let (message, help) = match kind {
        ErrorKind::MappingValueNotAllowed => (
            "a `key: value` can't stand here",
            Some("check the indentation; text that holds `: ` has to be in quotes"),
        ),
        ErrorKind::ExpectedBlockMappingKey => (
            "expected a key at the indentation of the keys above",
            Some("check the indentation, and that quotes and brackets are closed"),
        ),
        ErrorKind::ExpectedBlockSequenceEntry => {
            ("expected `- ` at the indentation of the list above", Some("check the indentation"))
        }
        ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => {
            ("a tab can't be used here", Some("YAML is indented with spaces"))
        }
        ErrorKind::UnclosedQuotedScalar => ("a quote is never closed", None),
        ErrorKind::InvalidQuotedScalarIndent => {
            ("text in quotes goes on at a wrong indentation", Some("is the quote above closed?"))
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            ("expected `: ` after this key", Some("a key and its `:` stand on one line"))
        }
        ErrorKind::InvalidColonPlacement
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::ExpectedFlowMappingSeparator => {
            ("expected `,` or a closing bracket", Some("is the bracket above closed?"))
        }
        ErrorKind::InvalidIndentation => ("wrong indentation", None),
        ErrorKind::UnexpectedCharacter { character } => {
            return (
                format!("text can't start with `{}`", character.escape_debug()),
                Some("put the text in quotes"),
            );
        }
        other => return (other.to_string(), None),
    };
    (message.to_owned(), help)
}
