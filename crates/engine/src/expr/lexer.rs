//! The tokens of an expression with their places. The evaluator's own lexer keeps its tokens to
//! itself; this one is for what stands around it: where an expression ends, what it refers to.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A number; may end where the evaluator would cut it, never in front of a name.
    Number,
    /// A string with its quotes.
    Text,
    /// An operator, a bracket or another sign.
    Sign,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Bytes in the source.
    pub range: Range<usize>,
}

impl Token<'_> {
    pub(super) fn is(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }
}

/// Two-byte operators that must not be read as two one-byte ones.
const DOUBLE: [&str; 6] = ["**", "//", "==", "!=", "<=", ">="];

/// Reads tokens from `start` until the source ends.
pub(super) struct Lexer<'a> {
    source: &'a str,
    at: usize,
    /// The last token was a dot: digits after it are an index, not the start of a fraction.
    after_dot: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str, start: usize) -> Self {
        Self { source, at: start, after_dot: false }
    }

    fn take(&mut self, kind: Kind, len: usize) -> Token<'a> {
        let range = self.at..self.at + len;
        self.at = range.end;
        let token = Token { kind, text: &self.source[range.clone()], range };
        self.after_dot = token.is(".");
        token
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let rest = &self.source[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        let first = trimmed.chars().next()?;
        Some(if first.is_ascii_digit() {
            let len = number_len(trimmed, self.after_dot);
            self.take(Kind::Number, len)
        } else if is_word(first) {
            let len = trimmed.find(|c| !is_word(c)).unwrap_or(trimmed.len());
            self.take(Kind::Word, len)
        } else if matches!(first, '"' | '\'') {
            self.take(Kind::Text, text_len(trimmed, first))
        } else {
            let double = DOUBLE.iter().any(|sign| trimmed.starts_with(sign));
            self.take(Kind::Sign, if double { 2 } else { first.len_utf8() })
        })
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

fn number_len(source: &str, after_dot: bool) -> usize {
    let whole = source.find(|c| !is_word(c)).unwrap_or(source.len());
    let fraction = &source[whole..];
    let is_fraction = !after_dot
        && fraction.starts_with('.')
        && fraction[1..].starts_with(|c: char| c.is_ascii_digit());
    if !is_fraction {
        return whole;
    }
    whole + 1 + fraction[1..].find(|c| !is_word(c)).unwrap_or(fraction.len() - 1)
}

/// The length of a quoted string; an unclosed one reaches to the end.
fn text_len(source: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in source.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    source.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        Lexer::new(source, 0).map(|token| token.text).collect()
    }

    #[test]
    fn tokens_of_an_expression() {
        assert_eq!(
            words("a.b[0]|map(attribute='x\\'y') ** 2.5 // -c.1.0"),
            [
                "a",
                ".",
                "b",
                "[",
                "0",
                "]",
                "|",
                "map",
                "(",
                "attribute",
                "=",
                "'x\\'y'",
                ")",
                "**",
                "2.5",
                "//",
                "-",
                "c",
                ".",
                "1",
                ".",
                "0"
            ]
        );
        assert_eq!(words("0x1f 1e5 1_000 'open"), ["0x1f", "1e5", "1_000", "'open"]);
        assert_eq!(words("é≤'ü'"), ["é", "≤", "'ü'"]);
    }
}
