//! Draws diagnostics.

use std::{fmt::Write as _, ops::Range};

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{
    diagnostics::{Diagnostic, Diagnostics},
    source::{Source, floor},
};

/// More than anybody reads; the rest is counted.
const MOST_SHOWN: usize = 50;
/// Longer distances are shown in pictures of their own, so that drawing stays cheap.
const FAR: usize = 16 * 1024;
/// What is drawn of a line on each side of the place, in bytes.
const LONG: usize = 4 * 1024;

pub(super) fn render(diagnostics: &Diagnostics, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(120);
    let mut out = String::new();
    for (source, problem) in diagnostics.iter().take(MOST_SHOWN) {
        out.push_str(&renderer.render(&[picture(source, problem)]));
        out.push_str("\n\n");
    }
    let summary = summary(diagnostics);
    out.push_str(&renderer.render(&[Group::with_title(Level::ERROR.primary_title(summary))]));
    out.push('\n');
    out
}

fn summary(diagnostics: &Diagnostics) -> String {
    let mut files: Vec<&str> = Vec::new();
    for (source, _) in diagnostics.iter() {
        if !files.contains(&source.name()) {
            files.push(source.name());
        }
    }
    let count = diagnostics.len();
    let plural = if count == 1 { "" } else { "s" };
    let mut text = format!("{count} problem{plural} in {}", files.join(", "));
    if count > MOST_SHOWN {
        // Writing to a String can't fail.
        let _ = write!(text, " (the first {MOST_SHOWN} are shown)");
    }
    text
}

fn picture<'a>(source: &'a Source, problem: &'a Diagnostic) -> Group<'a> {
    let title = Level::ERROR.primary_title(problem.message.as_str()).id(problem.code);
    let help = problem.help.iter().map(|text| Level::HELP.message(text.as_str()));
    if source.text().is_empty() {
        return title.element(Origin::path(source.name())).elements(help);
    }
    let main = Mark {
        span: &problem.span,
        kind: AnnotationKind::Primary,
        label: problem.label.as_deref(),
    };
    let related = problem.related.iter().map(|(span, why)| Mark {
        span,
        kind: AnnotationKind::Context,
        label: Some(why.as_str()),
    });
    let (near, far): (Vec<_>, Vec<_>) =
        related.partition(|mark| mark.span.start.abs_diff(problem.span.start) < FAR);
    let marks: Vec<_> = std::iter::once(main).chain(near).collect();
    let window = window(source, &marks);
    let mut group = Group::with_title(title);
    if cropped(source, &window) {
        // The picture can't know the column any more.
        let (line, column) = source.line_column(problem.span.start);
        group = group.element(Origin::path(source.name()).line(line).char_column(column));
        group = group.element(snippet(source, &window, &marks));
    } else {
        group = group.element(snippet(source, &window, &marks).path(source.name()));
    }
    for mark in far {
        let marks = [mark];
        group = group.element(snippet(source, &self::window(source, &marks), &marks));
    }
    group.elements(help)
}

/// Something to underline.
struct Mark<'a> {
    span: &'a Range<usize>,
    kind: AnnotationKind,
    label: Option<&'a str>,
}

/// The bytes that a picture needs, from the first mark's line to the last one's: drawing costs
/// what it is given, so it is given neither the whole file nor the whole of an endless line.
fn window(source: &Source, marks: &[Mark<'_>]) -> Range<usize> {
    let text = source.text();
    let ends = marks.iter().map(|mark| {
        let (start, end) = (floor(text, mark.span.start), floor(text, mark.span.end));
        let (first, last) = (source.line(start), source.line(end.max(start)));
        first.start.max(start.saturating_sub(LONG))..last.end.min(start.saturating_add(LONG))
    });
    let whole = ends.reduce(|one, two| one.start.min(two.start)..one.end.max(two.end));
    let whole = whole.unwrap_or_default();
    // A byte order mark is no letter of the first line.
    let mark = if whole.start == 0 && text.starts_with('\u{feff}') { 3 } else { 0 };
    let start = floor(text, whole.start).max(mark);
    start..floor(text, whole.end).max(start)
}

/// Whether a window starts inside of a line.
fn cropped(source: &Source, window: &Range<usize>) -> bool {
    source.line_column(window.start).1 != 1
}

fn snippet<'a>(
    source: &'a Source,
    window: &Range<usize>,
    marks: &[Mark<'a>],
) -> Snippet<'a, Annotation<'a>> {
    let (line, _) = source.line_column(window.start);
    let annotations = marks
        .iter()
        .map(|mark| mark.kind.span(inside(source, mark.span, window)).label(mark.label));
    Snippet::source(&source.text()[window.clone()])
        .line_start(line)
        .fold(true)
        .annotations(annotations)
}

/// A span as bytes of a window, on character boundaries. An empty one stays visible.
fn inside(source: &Source, span: &Range<usize>, window: &Range<usize>) -> Range<usize> {
    let text = source.text();
    let start = floor(text, span.start).clamp(window.start, window.end);
    let end = floor(text, span.end).clamp(start, window.end);
    start - window.start..end - window.start
}
