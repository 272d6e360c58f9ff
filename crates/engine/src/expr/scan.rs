//! What an expression refers to, and what in it can be judged before anything is evaluated.

use std::ops::Range;

use super::{
    environment,
    lexer::{Kind, Lexer, Token},
    methods,
};

/// A name that an expression reads, with the attributes that follow it: `steps.flash.output` is
/// root `steps`, path `["flash", "output"]`. An index is its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub root: String,
    pub path: Vec<String>,
    pub range: Range<usize>,
}

/// Something wrong in an expression; the range is in its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScanError {
    pub range: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

const KEYWORDS: [&str; 13] = [
    "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None",
];
/// The longest expression, in bytes: together with the limits on what a filter may produce it
/// bounds what an evaluation can cost.
const LONGEST: usize = 4096;

pub(super) struct Scan<'a> {
    source: &'a str,
    tokens: Vec<Token<'a>>,
    pub names: Vec<Name>,
    pub errors: Vec<ScanError>,
}

impl<'a> Scan<'a> {
    pub(super) fn of(source: &'a str) -> Self {
        let tokens = Lexer::new(source, 0).collect();
        let mut scan = Self { source, tokens, names: Vec::new(), errors: Vec::new() };
        if source.len() > LONGEST {
            scan.refuse(
                0..source.len(),
                format!("the expression is longer than {LONGEST} bytes"),
                "split it over several `set` steps",
            );
            return scan;
        }
        let mut at = 0;
        while at < scan.tokens.len() {
            at = scan.token(at);
        }
        scan.refuse_steps_of_slices();
        scan
    }

    fn refuse(&mut self, range: Range<usize>, message: String, help: impl Into<String>) {
        self.errors.push(ScanError { range, message, help: Some(help.into()) });
    }

    fn sign(&self, at: usize, sign: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(sign))
    }

    /// Whether the token before `at` is this sign or word.
    fn follows(&self, at: usize, text: &str) -> bool {
        at.checked_sub(1).and_then(|at| self.tokens.get(at)).is_some_and(|token| {
            matches!(token.kind, Kind::Sign | Kind::Word) && token.text == text
        })
    }

    /// Judges one token and says where to go on.
    fn token(&mut self, at: usize) -> usize {
        let token = self.tokens[at].clone();
        let starts_operand = at == 0 || !ends_operand(&self.tokens[at - 1]);
        if matches!(token.text, "*" | "**") && token.kind == Kind::Sign && starts_operand {
            self.refuse(
                token.range,
                "arguments can't be unpacked here".to_owned(),
                "write the arguments one by one",
            );
            return at + 1;
        }
        if token.kind != Kind::Word {
            return at + 1;
        }
        if self.follows(at, "|") {
            self.known("filter", &token, environment::filters());
        } else if self.follows(at, "is") && token.text != "not"
            || self.follows(at, "not") && at >= 2 && self.follows(at - 1, "is")
        {
            self.known("test", &token, environment::tests());
        } else if self.follows(at, ".") {
            if self.sign(at + 1, "(") {
                self.known("method", &token, methods::NAMES.iter().copied());
            }
        } else if self.sign(at + 1, "(") && !KEYWORDS.contains(&token.text) {
            self.known("function", &token, environment::FUNCTIONS.iter().copied());
        } else if !KEYWORDS.contains(&token.text) && !self.is_argument(at) {
            return self.name(at);
        }
        at + 1
    }

    /// `attribute` in `map(attribute='x')`.
    fn is_argument(&self, at: usize) -> bool {
        self.sign(at + 1, "=") && (self.follows(at, "(") || self.follows(at, ","))
    }

    fn known<'n>(
        &mut self,
        what: &str,
        token: &Token<'_>,
        names: impl Iterator<Item = &'n str> + Clone,
    ) {
        if names.clone().any(|name| name == token.text) {
            return;
        }
        let help = crate::expr::nearest(token.text, names.clone()).map_or_else(
            || {
                let names: Vec<_> = names.collect();
                format!("known are {}", names.join(", "))
            },
            |name| format!("did you mean `{name}`?"),
        );
        self.refuse(token.range.clone(), format!("no {what} is named `{}`", token.text), help);
    }

    /// Takes a name with the attributes behind it.
    fn name(&mut self, start: usize) -> usize {
        let root = self.tokens[start].clone();
        let mut path = Vec::new();
        let mut at = start + 1;
        while let Some((attribute, next)) = self.attribute(at) {
            if self.sign(next, "(") {
                break; // a method: judged as such
            }
            path.push(attribute);
            at = next;
        }
        let range = root.range.start..self.tokens[at - 1].range.end;
        self.names.push(Name { root: root.text.to_owned(), path, range });
        at
    }

    /// `.name`, `.0`, `['name']` or `[0]` at `at`, and what comes after it.
    fn attribute(&self, at: usize) -> Option<(String, usize)> {
        let value = self.tokens.get(at + 1)?;
        if self.sign(at, ".") {
            let is_name = matches!(value.kind, Kind::Word | Kind::Number);
            return is_name.then(|| (value.text.to_owned(), at + 2));
        }
        if !self.sign(at, "[") || !self.sign(at + 2, "]") {
            return None;
        }
        match value.kind {
            Kind::Text if value.text.len() >= 2 && !value.text.contains('\\') => {
                Some((value.text[1..value.text.len() - 1].to_owned(), at + 3))
            }
            Kind::Number => Some((value.text.to_owned(), at + 3)),
            Kind::Text | Kind::Word | Kind::Sign => None,
        }
    }

    /// `a[1:9:2]`: the evaluator computes the bounds of steps without checking them.
    fn refuse_steps_of_slices(&mut self) {
        let mut colons: Vec<(char, u32)> = Vec::new();
        let mut found = Vec::new();
        for token in &self.tokens {
            match token.text {
                "(" | "[" | "{" => colons.push((token.text.chars().next().unwrap_or('('), 0)),
                ")" | "]" | "}" => drop(colons.pop()),
                ":" => {
                    if let Some((bracket, count)) = colons.last_mut() {
                        *count += 1;
                        if *bracket == '[' && *count == 2 {
                            found.push(token.range.clone());
                        }
                    }
                }
                _ => {}
            }
        }
        for range in found {
            self.refuse(
                range,
                "a slice has no step here".to_owned(),
                "take `[a:b]`, and `|reverse` for the other order",
            );
        }
    }

    /// The source with a check behind each operand of the operators that can make something
    /// large out of something small: `*` repeats texts and lists (so its operands have to be
    /// numbers), `~` and `+` join them (so their size counts). With it, where each check was put
    /// in and how long it is.
    pub(super) fn guarded(&self) -> (String, Vec<(usize, usize)>) {
        let mut checks: Vec<(usize, &str)> = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let check = match token.text {
                "*" => environment::NUMBER_CHECK,
                "+" => environment::SIZE_CHECK,
                "~" => environment::TEXT_CHECK,
                _ => continue,
            };
            if token.kind == Kind::Sign && at > 0 && ends_operand(&self.tokens[at - 1]) {
                checks.push((self.tokens[at - 1].range.end, check));
                checks.extend(self.operand_end(at + 1).map(|end| (end, check)));
            }
        }
        checks.sort_unstable();
        checks.dedup();
        let mut guarded = String::with_capacity(self.source.len() + 16 * checks.len());
        let mut inserted = Vec::with_capacity(checks.len());
        let mut copied = 0;
        for (at, check) in checks {
            guarded.push_str(&self.source[copied..at]);
            inserted.push((guarded.len(), check.len()));
            guarded.push_str(check);
            copied = at;
        }
        guarded.push_str(&self.source[copied..]);
        (guarded, inserted)
    }

    /// Where the operand that starts at `at` ends, its filters included.
    fn operand_end(&self, mut at: usize) -> Option<usize> {
        while self.sign(at, "-") {
            at += 1;
        }
        let mut end = self.group(at)?;
        loop {
            let next = match self.tokens.get(end).map(|token| token.text) {
                Some("." | "|") => end + 2,
                Some("(" | "[") => self.group(end)?,
                _ => break,
            };
            end = next;
        }
        self.tokens.get(end - 1).map(|token| token.range.end)
    }

    /// The index behind the token at `at`, or behind the bracket that opens there.
    fn group(&self, at: usize) -> Option<usize> {
        let mut depth = 0usize;
        for (index, token) in self.tokens.iter().enumerate().skip(at) {
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(index + 1);
            }
        }
        None
    }
}

/// Whether an operator behind this token has a left operand.
fn ends_operand(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Number | Kind::Text => true,
        Kind::Word => !matches!(token.text, "and" | "or" | "not" | "in" | "is" | "if" | "else"),
        Kind::Sign => matches!(token.text, ")" | "]" | "}"),
    }
}

/// The place in the source of a place in the guarded source.
pub(super) fn unguarded(at: usize, inserted: &[(usize, usize)]) -> usize {
    let mut removed = 0;
    for (start, len) in inserted {
        if at > *start {
            removed += (at - start).min(*len);
        }
    }
    at - removed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<String> {
        let scan = Scan::of(source);
        assert_eq!(scan.errors, [], "{source}");
        scan.names
            .into_iter()
            .map(|name| {
                assert!(source[name.range.clone()].starts_with(&name.root));
                std::iter::once(name.root).chain(name.path).collect::<Vec<_>>().join(".")
            })
            .collect()
    }

    #[test]
    fn names_with_their_attributes() {
        assert_eq!(names("steps.flash.output"), ["steps.flash.output"]);
        assert_eq!(names("a['b c'].d[0].1[x]"), ["a.b c.d.0.1", "x"]);
        assert_eq!(names("a|map(attribute='b.c')|join(sep)"), ["a", "sep"]);
        assert_eq!(names("a if b is defined else not c"), ["a", "b", "c"]);
        assert_eq!(names("a.items() | list"), ["a"]);
        assert_eq!(names("x is not none and y is sameas z"), ["x", "y", "z"]);
        assert_eq!(names("{'k': v, 'w': [u, true, None]}"), ["v", "u"]);
        assert_eq!(names("dict(a=b)"), ["b"]);
        assert_eq!(names("'a.b' in c"), ["c"]);
    }

    #[test]
    fn unknown_words() {
        let errors = |source| {
            let errors = Scan::of(source).errors;
            errors.into_iter().map(|e| (e.message, e.help.unwrap(), e.range)).collect::<Vec<_>>()
        };
        let [(message, help, range)] = &errors("a|jion(',')")[..] else { panic!() };
        assert_eq!(
            (message.as_str(), help.as_str()),
            ("no filter is named `jion`", "did you mean `join`?")
        );
        assert_eq!(*range, 2..6);
        assert_eq!(errors("range(9)")[0].0, "no function is named `range`");
        assert_eq!(errors("a is definde")[0].1, "did you mean `defined`?");
        assert_eq!(errors("a is not definde")[0].1, "did you mean `defined`?");
        assert_eq!(errors("a.itmes()")[0].1, "did you mean `items`?");
        assert_eq!(errors("a[::2]")[0].0, "a slice has no step here");
        assert_eq!(errors("dict(*a)")[0].0, "arguments can't be unpacked here");
        assert_eq!(errors(&"a".repeat(5000))[0].0, "the expression is longer than 4096 bytes");
    }

    #[test]
    fn operands_are_guarded() {
        let guarded = |source| {
            let (guarded, inserted) = Scan::of(source).guarded();
            for (start, len) in &inserted {
                assert_eq!(unguarded(start + len, &inserted), unguarded(*start, &inserted));
            }
            assert_eq!(unguarded(guarded.len(), &inserted), source.len());
            guarded
                .replace(environment::NUMBER_CHECK, "#")
                .replace(environment::SIZE_CHECK, "%")
                .replace(environment::TEXT_CHECK, "&")
        };
        assert_eq!(guarded("a * b"), "a# * b#");
        assert_eq!(guarded("-a.b[0] * -c.d|int(2) ** e"), "-a.b[0]# * -c.d|int(2)# ** e");
        assert_eq!(guarded("(a + b) * f(c)[1] is odd"), "(a% + b%)# * f(c)[1]# is odd");
        assert_eq!(guarded("a ~ b ~ 'c*d'"), "a& ~ b& ~ 'c*d'&");
        assert_eq!(guarded("a *"), "a# *");
        assert_eq!(guarded("a * ("), "a# * (");
    }
}
