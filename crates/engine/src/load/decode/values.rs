//! Scalars with a meaning: names, durations, numbers, words; and data without one.

use serde_json::Value;

use super::Decoder;
use crate::{
    load::{
        words,
        yaml::{Kind, Node},
    },
    model::{HumanDuration, Next, Pointer, Problem},
};

const LONGEST_NAME: usize = 100;

/// What a name names, and which texts may.
struct NameRule {
    what: &'static str,
    rule: &'static str,
}

const ID: NameRule =
    NameRule { what: "an id", rule: "letters, digits, `_` and `-`, starting with a letter or `_`" };
const NEXT: NameRule = NameRule {
    what: "an id to go on at",
    rule: "the id of a later step of the same list, or `end`",
};
const WORKFLOW: NameRule = NameRule {
    what: "the name of a workflow",
    rule: "letters, digits, `_`, `-` and `.`, starting with a letter or digit",
};
const EXECUTOR: NameRule = NameRule {
    what: "the name of an executor",
    rule: "`library.name`, as `rackwright steps` lists them",
};
const SIGNAL: NameRule = NameRule {
    what: "the name of a signal",
    rule: "letters, digits, `_` and `-`, starting with a letter or `_`",
};
const BINDING: NameRule = NameRule {
    what: "the name of an item",
    rule: "letters, digits and `_`, starting with a letter or `_`",
};

impl Decoder<'_> {
    /// Any text.
    pub(super) fn text(&mut self, node: &Node, at: &Pointer) -> Option<String> {
        self.text_like(node, at, "text")
    }

    fn text_like(&mut self, node: &Node, at: &Pointer, expected: &str) -> Option<String> {
        match &node.kind {
            Kind::Text(text, _) if !text.trim().is_empty() => Some(text.to_string()),
            Kind::Text(..)
            | Kind::Null
            | Kind::Bool(_)
            | Kind::Number(_)
            | Kind::Seq(_)
            | Kind::Map(_) => {
                self.wrong_type(node, at, expected);
                None
            }
        }
    }

    fn name(
        &mut self,
        node: &Node,
        at: &Pointer,
        rule: &NameRule,
        good: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let text = self.text_like(node, at, rule.what)?;
        let good = |text: &str| good(text) && text.len() <= LONGEST_NAME;
        if good(&text) {
            return Some(text);
        }
        let message = match text.trim_end() {
            shown if shown.chars().count() <= 40 && !shown.contains('\n') => {
                format!("`{shown}` is not {}", rule.what)
            }
            _ => format!("this is not {}", rule.what),
        };
        let problem =
            Problem::new("bad-name", at.clone(), message).label(format!("expected {}", rule.rule));
        let mended: String =
            text.trim().chars().map(|c| if name_letter(c) { c } else { '_' }).collect();
        let fair = !mended.starts_with('_') && mended != text && good(&mended);
        self.report(if fair { problem.help(format!("for example `{mended}`")) } else { problem });
        None
    }

    pub(super) fn id(&mut self, node: &Node, at: &Pointer) -> Option<String> {
        let id = self.name(node, at, &ID, is_id)?;
        if id == Next::END {
            self.report(
                Problem::new("bad-name", at.clone(), "`end` can't be an id")
                    .label("has a meaning in `next`")
                    .help("`next: end` ends a list"),
            );
            return None;
        }
        Some(id)
    }

    pub(super) fn next(&mut self, node: &Node, at: &Pointer) -> Option<Next> {
        self.name(node, at, &NEXT, is_id).map(Next)
    }

    pub(super) fn signal_name(&mut self, node: &Node, at: &Pointer) -> Option<String> {
        self.name(node, at, &SIGNAL, is_id)
    }

    pub(super) fn workflow_name(&mut self, node: &Node, at: &Pointer) -> Option<String> {
        self.name(node, at, &WORKFLOW, |text| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.chars().all(|c| name_letter(c) || c == '.')
        })
    }

    pub(super) fn executor(&mut self, node: &Node, at: &Pointer) -> Option<String> {
        self.name(node, at, &EXECUTOR, |text| {
            text.split('.').count() >= 2 && text.split('.').all(is_id)
        })
    }

    /// What expressions call the current item.
    pub(super) fn binding(&mut self, node: &Node, at: &Pointer) -> Option<String> {
        let name = self.name(node, at, &BINDING, |text| is_id(text) && !text.contains('-'))?;
        if super::patterns::TAKEN.contains(&name.as_str()) {
            let message = format!("`{name}` can't be the name of an item");
            self.report(
                Problem::new("bad-name", at.clone(), message)
                    .label("has a meaning in expressions already"),
            );
            return None;
        }
        Some(name)
    }

    pub(super) fn duration(&mut self, node: &Node, at: &Pointer) -> Option<HumanDuration> {
        const EXPECTED: &str = "a duration such as `90s`, `5m` or `1h30m`";
        match &node.kind {
            Kind::Text(text, _) => match text.parse() {
                Ok(duration) => return Some(duration),
                Err(_) => self.report(
                    Problem::new("bad-duration", at.clone(), format!("expected {EXPECTED}"))
                        .label("not a duration")
                        .help("units are `ms`, `s`, `m`, `h` and `d`, the largest first; at most a hundred years"),
                ),
            },
            Kind::Number(number) => self.report(
                Problem::new("bad-duration", at.clone(), format!("expected {EXPECTED}"))
                    .label("a number without a unit")
                    .help(format!("write `{number}s` for seconds or `{number}m` for minutes")),
            ),
            Kind::Null | Kind::Bool(_) | Kind::Seq(_) | Kind::Map(_) => {
                self.wrong_type(node, at, EXPECTED);
            }
        }
        None
    }

    /// A whole number from 1.
    pub(super) fn count(&mut self, node: &Node, at: &Pointer) -> Option<u32> {
        match &node.kind {
            Kind::Number(number) => {
                let value = number.as_u64().and_then(|value| u32::try_from(value).ok());
                if value.is_none_or(|value| value == 0) {
                    let message = format!("expected a whole number from 1 to {}", u32::MAX);
                    self.report(
                        Problem::new("out-of-range", at.clone(), message)
                            .label(format!("`{number}` is not")),
                    );
                    return None;
                }
                value
            }
            Kind::Null | Kind::Bool(_) | Kind::Text(..) | Kind::Seq(_) | Kind::Map(_) => {
                self.wrong_type(node, at, "a whole number from 1");
                None
            }
        }
    }

    /// A number from 0 to 1.
    pub(super) fn fraction(&mut self, node: &Node, at: &Pointer) -> Option<f64> {
        const EXPECTED: &str = "a number from 0 to 1";
        match &node.kind {
            Kind::Number(number) => {
                let value = number.as_f64().filter(|value| (0.0..=1.0).contains(value));
                if value.is_none() {
                    let message = format!("expected {EXPECTED}");
                    let problem = Problem::new("out-of-range", at.clone(), message);
                    self.report(problem.label(format!("`{number}` is not")));
                }
                value
            }
            Kind::Null | Kind::Bool(_) | Kind::Text(..) | Kind::Seq(_) | Kind::Map(_) => {
                self.wrong_type(node, at, EXPECTED);
                None
            }
        }
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(
        &mut self,
        node: &Node,
        at: &Pointer,
        known: &[(&'static str, T)],
    ) -> Option<T> {
        let names = || known.iter().map(|(name, _)| *name);
        let text = self.text_like(node, at, &format!("one of {}", words::list(names())))?;
        if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let message = format!("expected one of {}", words::list(names()));
        let problem = Problem::new("unknown-word", at.clone(), message);
        let near = words::nearest(&text, names());
        self.report(match near {
            Some(near) => problem.label(format!("did you mean `{near}`?")),
            None => problem.label("not known here"),
        });
        None
    }

    /// Data of any shape, templates in it.
    #[expect(clippy::unnecessary_wraps, reason = "the shape of all decoders")]
    pub(super) fn free(&mut self, node: &Node, at: &Pointer) -> Option<Value> {
        self.check_numbers(node, at);
        Some(node.to_json())
    }

    /// `version: 2.10` is the number 2.1: firmware of another version.
    fn check_numbers(&mut self, node: &Node, at: &Pointer) {
        match &node.kind {
            Kind::Number(number) => {
                let written = self.text.get(node.span.clone()).unwrap_or_default();
                let lost = written
                    .split_once('.')
                    .is_some_and(|(_, part)| part.len() > 1 && part.ends_with('0'));
                if lost && !written.contains(['e', 'E']) {
                    let message = format!("`{written}` is read as the number {number}");
                    self.report(
                        Problem::new("bad-number", at.clone(), message)
                            .label("the last zero is lost")
                            .help(format!("write \"{written}\" for a version or other text, `{number}` for the number")),
                    );
                }
            }
            Kind::Seq(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.check_numbers(item, &at.index(index));
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    self.check_numbers(&entry.value, &at.key(&entry.key));
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Text(..) => {}
        }
    }
}

fn name_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Letters, digits, `_` and `-`; the first a letter or `_`.
pub(super) fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(name_letter)
}
