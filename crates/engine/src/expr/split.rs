//! Cuts a string into text and `{{ }}`.

use std::ops::Range;

use super::lexer::{Lexer, Token};

/// A piece of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text, taken as it is.
    Text(Range<usize>),
    /// The inside of `{{ }}`.
    Expression(Range<usize>),
}

/// Something that can't be cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SplitError {
    pub range: Range<usize>,
    pub message: String,
    pub help: String,
}

const STATEMENTS: [&str; 14] = [
    "if", "elif", "else", "endif", "for", "endfor", "set", "macro", "block", "include", "import",
    "with", "raw", "filter",
];

/// Cuts `source`. `{{-` and `-}}` eat the white space beside them, as in Jinja. Only `{{` is
/// special: `{#` stays text, because shells write `${#list[@]}`.
pub(super) fn split(source: &str) -> Result<Vec<Piece>, SplitError> {
    let mut pieces = Vec::new();
    let mut text = 0..0;
    while let Some(found) = source[text.end..].find("{{").map(|at| text.end + at) {
        refuse_statement(source, text.end..found)?;
        let Braces { inside, end, trim_before, trim_after } = expression(source, found)?;
        let before = &source[text.start..found];
        let kept = if trim_before { before.trim_end().len() } else { before.len() };
        push_text(&mut pieces, text.start..text.start + kept);
        pieces.push(Piece::Expression(inside));
        let skipped =
            if trim_after { source[end..].len() - source[end..].trim_start().len() } else { 0 };
        text = end + skipped..end + skipped;
    }
    refuse_statement(source, text.end..source.len())?;
    push_text(&mut pieces, text.start..source.len());
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, range: Range<usize>) {
    if !range.is_empty() {
        pieces.push(Piece::Text(range));
    }
}

struct Braces {
    inside: Range<usize>,
    end: usize,
    trim_before: bool,
    trim_after: bool,
}

/// The expression that opens at `open`.
fn expression(source: &str, open: usize) -> Result<Braces, SplitError> {
    let mut start = open + 2;
    let trim_before = source[start..].starts_with('-');
    if source[start..].starts_with(['-', '+']) {
        start += 1;
    }
    let mut depth = 0usize;
    let mut last: Option<Token<'_>> = None;
    for token in Lexer::new(source, start) {
        let closes = depth == 0 && token.is("}") && source[token.range.start..].starts_with("}}");
        if closes {
            let trim_after = last
                .as_ref()
                .is_some_and(|token| token.is("-") && source[token.range.end..].starts_with("}}"));
            let inside = start..token.range.start - usize::from(trim_after);
            return Ok(Braces { inside, end: token.range.start + 2, trim_before, trim_after });
        }
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        last = Some(token);
    }
    Err(SplitError {
        range: open..source.len(),
        message: "this `{{` is never closed".to_owned(),
        help: "close it with `}}`; for braces that are text write `{{ '{{' }}`".to_owned(),
    })
}

fn refuse_statement(source: &str, range: Range<usize>) -> Result<(), SplitError> {
    let text = &source[range.clone()];
    for (at, _) in text.match_indices("{%") {
        let inside = text[at + 2..].trim_start_matches(['-', '+']).trim_start();
        let word = inside.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        if STATEMENTS.contains(&word) {
            let end = text[at..].find("%}").map_or(text.len(), |end| at + end + 2);
            return Err(SplitError {
                range: range.start + at..range.start + end,
                message: format!("`{{% {word} %}}` is a statement: only expressions can be used"),
                help: "choose with `{{ a if condition else b }}`, go through a list with filters \
                       (`map`, `select`, `selectattr`) or with a `map` step"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(source: &str) -> Vec<String> {
        split(source)
            .unwrap()
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(range) => format!("t:{}", &source[range]),
                Piece::Expression(range) => format!("e:{}", &source[range]),
            })
            .collect()
    }

    #[test]
    fn text_and_expressions() {
        assert_eq!(cut("plain"), ["t:plain"]);
        assert_eq!(cut("{{ a }}"), ["e: a "]);
        assert_eq!(cut("x {{ a }} y {{b}}"), ["t:x ", "e: a ", "t: y ", "e:b"]);
        assert_eq!(cut("{{ {'a': {'b': 1}} }}"), ["e: {'a': {'b': 1}} "]);
        assert_eq!(cut("{{ '}}' }}{{ \"{{\" }}"), ["e: '}}' ", "e: \"{{\" "]);
        assert_eq!(cut("a {{- b -}} c"), ["t:a", "e: b ", "t:c"]);
        assert_eq!(cut("${#list[@]} %{http_code} {%s} }}"), ["t:${#list[@]} %{http_code} {%s} }}"]);
        assert!(cut("").is_empty());
    }

    #[test]
    fn what_cannot_be_cut() {
        let open = split("ab {{ c").unwrap_err();
        assert_eq!(open.range, 3..7);
        let statement = split("{{ a }} {%- if x %}y{% endif %}").unwrap_err();
        assert_eq!(statement.range, 8..19);
        assert!(statement.message.contains("% if %"), "{}", statement.message);
    }
}
