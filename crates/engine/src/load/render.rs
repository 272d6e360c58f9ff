//! Draws diagnostics.

use std::{fmt::Write as _, ops::Range};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{
    diagnostics::{Diagnostic, Diagnostics},
    source::{Source, floor},
};

/// More than anybody reads; the rest is counted.
const MOST_SHOWN: usize = 50;
/// Longer distances are shown in pictures of their own, so that drawing stays cheap.
const FAR: usize = 16 * 1024;

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
    let mut near = Vec::new();
    let mut far = Vec::new();
    for (span, why) in &problem.related {
        let distant = span.start.abs_diff(problem.span.start) > FAR;
        if distant { &mut far } else { &mut near }.push((span, why));
    }
    let window = near.iter().fold(lines(source, &problem.span), |window, (span, _)| {
        let other = lines(source, span);
        window.start.min(other.start)..window.end.max(other.end)
    });
    let mut snippet = snippet(source, &window).annotation(
        AnnotationKind::Primary
            .span(inside(source, &problem.span, &window))
            .label(problem.label.as_deref()),
    );
    for (span, why) in near {
        let span = inside(source, span, &window);
        snippet = snippet.annotation(AnnotationKind::Context.span(span).label(why.as_str()));
    }
    let mut group = title.element(snippet);
    for (span, why) in far {
        let window = lines(source, span);
        let span = inside(source, span, &window);
        group = group.element(
            self::snippet(source, &window)
                .annotation(AnnotationKind::Context.span(span).label(why.as_str())),
        );
    }
    group.elements(help)
}

/// The bytes of the lines that hold a span, without the last line's break.
fn lines(source: &Source, span: &Range<usize>) -> Range<usize> {
    let text = source.text();
    let start = floor(text, span.start);
    let end = floor(text, span.end.max(start));
    let from = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let to = text[end..].find(['\n', '\r']).map_or(text.len(), |line| end + line);
    from..to
}

/// A picture of some lines: drawing costs what it is given, so it is not given the whole file.
fn snippet<'a, T: Clone>(source: &'a Source, window: &Range<usize>) -> Snippet<'a, T> {
    let (line, _) = source.line_column(window.start);
    Snippet::source(&source.text()[window.clone()]).path(source.name()).line_start(line).fold(true)
}

/// A span as bytes of a window, on character boundaries. An empty one stays visible.
fn inside(source: &Source, span: &Range<usize>, window: &Range<usize>) -> Range<usize> {
    let text = source.text();
    let start = floor(text, span.start).clamp(window.start, window.end);
    let end = floor(text, span.end).clamp(start, window.end);
    start - window.start..end - window.start
}
