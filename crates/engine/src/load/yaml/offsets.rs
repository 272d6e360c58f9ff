//! A place in a scalar's value → the place in the file, through quotes, escapes and folds.

use std::ops::Range;

use super::{Kind, Node, Style};

/// The bytes of the file that hold `range` of a scalar's value; `None` if the node is no text or
/// the text can't be followed (an alias).
pub(in crate::load) fn source_range(
    file: &str,
    node: &Node,
    range: &Range<usize>,
) -> Option<Range<usize>> {
    let Kind::Text(value, style) = &node.kind else { return None };
    let raw = file.get(node.span.clone())?;
    let map = align(raw, value, *style)?;
    let start = *map.get(range.start)?;
    // The end is where the last byte of the range ends, not where the next one starts: an
    // indentation may lie between.
    let end = match range.end.checked_sub(1) {
        Some(last) if last >= range.start => {
            let from = *map.get(last)?;
            from + raw.get(from..)?.chars().next().map_or(0, char::len_utf8)
        }
        _ => start,
    };
    Some(node.span.start + start..node.span.start + end.max(start))
}

/// For each byte of `value` (and its end) the offset in `raw` where its letter is written.
fn align(raw: &str, value: &str, style: Style) -> Option<Vec<usize>> {
    let mut map = Vec::with_capacity(value.len() + 1);
    let mut at = usize::from(matches!(style, Style::Single | Style::Double));
    for letter in value.chars() {
        at = find(raw, at, letter, style)?;
        map.extend(std::iter::repeat_n(at, letter.len_utf8()));
        at += written_length(raw.get(at..)?, style);
    }
    map.push(at.min(raw.len()));
    Some(map)
}

/// The next place where `letter` may be written: past line breaks and indentations that a fold
/// took away. A fold itself is written as the break.
fn find(raw: &str, mut at: usize, letter: char, style: Style) -> Option<usize> {
    loop {
        let rest = raw.get(at..)?;
        let first = rest.chars().next()?;
        if first == letter && !(style == Style::Double && first == '\\') {
            return Some(at);
        }
        match first {
            '\\' if style == Style::Double => {
                let after = rest[1..].chars().next()?;
                if matches!(after, '\n' | '\r') {
                    at += 1;
                    continue;
                }
                return Some(at);
            }
            '\n' | '\r' if letter == ' ' || letter == '\n' => return Some(at),
            ' ' | '\t' | '\n' | '\r' => at += 1,
            _ => return None,
        }
    }
}

/// How many bytes the letter at the start of `rest` takes as written.
fn written_length(rest: &str, style: Style) -> usize {
    let mut letters = rest.chars();
    match (letters.next(), letters.next(), style) {
        (Some('\\'), Some(escape), Style::Double) => {
            1 + match escape {
                'x' => 3,
                // Two of them make one letter beyond the basic plane.
                'u' if rest
                    .get(3..4)
                    .is_some_and(|d| matches!(d, "8" | "9" | "a" | "b" | "A" | "B"))
                    && matches!(rest.get(2..3), Some("d" | "D")) =>
                {
                    11
                }
                'u' => 5,
                'U' => 9,
                other => other.len_utf8(),
            }
        }
        (Some('\''), Some('\''), Style::Single) => 2,
        (Some(letter), ..) => letter.len_utf8(),
        (None, ..) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::load::yaml::{Limits, parse};

    /// Where `needle` of the value under `a` stands in the file.
    fn locate<'f>(file: &'f str, needle: &str) -> Option<&'f str> {
        let tree: Arc<Node> = parse(file, Limits::DEFAULT).tree.unwrap();
        let node = &tree.get("a").unwrap().value;
        let Kind::Text(value, _) = &node.kind else { panic!("not text") };
        let start = value.find(needle).unwrap();
        source_range(file, node, &(start..start + needle.len())).map(|range| &file[range])
    }

    #[test]
    fn follows_every_style() {
        for (file, needle, found) in [
            ("a: {{ x }} é nowhere", "nowhere", "nowhere"),
            ("a: 'it''s \"nowhere\"'", "nowhere", "nowhere"),
            ("a: \"t\\tq\\\"\\u00e9 \\x41 nowhere\"", "nowhere", "nowhere"),
            ("a: \"one\\\n   two nowhere\"", "nowhere", "nowhere"),
            ("a: one\n  two nowhere\n", "nowhere", "nowhere"),
            ("a: |\n   one\n\n     two nowhere\n", "nowhere", "nowhere"),
            ("a: >-\n   one\n   two\n\n   nowhere\n", "nowhere", "nowhere"),
            ("a: |\r\n  one\r\n  nowhere\r\n", "nowhere", "nowhere"),
            ("a: \"\\ud834\\udd1e nowhere\"", "nowhere", "nowhere"),
        ] {
            let file = file.replace("{{ x }}", "x");
            assert_eq!(locate(&file, needle), Some(found), "{file:?}");
        }
    }
}
