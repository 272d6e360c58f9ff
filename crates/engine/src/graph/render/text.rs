//! Conditions and templates in few words, and how wide a text is.

use serde_json::Value;

use crate::model::{Comparison, Condition, Operator, Repeat, Setting, Wait, WindowUse};

/// The longest line that is drawn, in letters.
const LONGEST: usize = 44;

/// A line of at most [`LONGEST`] letters.
pub(super) fn short(text: &str) -> String {
    shorten(text, LONGEST)
}

/// The title of a box: there is more room.
pub(super) fn headline(text: &str) -> String {
    shorten(text, 72)
}

/// A line of at most `most` letters; what is left out is an ellipsis.
fn shorten(text: &str, most: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let kept: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A condition as one would say it.
pub(super) fn condition(condition: &Condition) -> String {
    match condition {
        Condition::Literal(value) => value.to_string(),
        Condition::Expression(text) => bare(text).to_owned(),
        Condition::All(all) => joined(&all.all, " and "),
        Condition::Any(any) => joined(&any.any, " or "),
        Condition::Not(not) => format!("not ({})", self::condition(&not.not)),
        Condition::Compare(comparison) => compare(comparison),
    }
}

fn joined(conditions: &[Condition], word: &str) -> String {
    let parts: Vec<_> = conditions
        .iter()
        .map(|part| match part {
            Condition::All(_) | Condition::Any(_) => format!("({})", condition(part)),
            Condition::Literal(_)
            | Condition::Expression(_)
            | Condition::Not(_)
            | Condition::Compare(_) => condition(part),
        })
        .collect();
    parts.join(word)
}

fn compare(comparison: &Comparison) -> String {
    let field = comparison.field.strip_prefix("$.").unwrap_or(&comparison.field);
    let operator = match comparison.operator {
        Operator::Equals => "=",
        Operator::NotEquals => "≠",
        Operator::Contains => "contains",
        Operator::NotContains => "does not contain",
        Operator::GreaterThan => ">",
        Operator::GreaterOrEqual => "≥",
        Operator::LessThan => "<",
        Operator::LessOrEqual => "≤",
        Operator::In => "in",
        Operator::NotIn => "not in",
        Operator::Exists => return format!("{field} exists"),
        Operator::NotExists => return format!("{field} is missing"),
    };
    format!("{field} {operator} {}", template(&comparison.value))
}

/// A window as one would say it.
pub(super) fn window(window: &WindowUse) -> String {
    let name = bare(window.name());
    match window.needs() {
        Some(Setting::Value(needs)) => format!("in window {name} for {needs}"),
        Some(Setting::Template(needs)) => format!("in window {name} for {}", bare(needs)),
        None => format!("in window {name}"),
    }
}

/// What a wait waits for.
pub(super) fn wait(wait: &Wait) -> String {
    let duration = wait.duration.as_ref().map(|time| format!("for {}", setting(time)));
    let until = wait.until.as_ref().map(|until| format!("until {}", setting(until)));
    let window = wait.window_use().map(|it| window(&it));
    [duration, until, window].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// How a repeat goes on.
pub(super) fn repeat(repeat: &Repeat) -> String {
    let mut text = format!("until {}", condition(&repeat.until));
    if let Some(delay) = &repeat.delay {
        text = format!("{text}, every {}", setting(delay));
    }
    if let Some(most) = &repeat.max_iterations {
        text = format!("{text}, at most {} times", setting(most));
    }
    text
}

fn setting<T: std::fmt::Display>(setting: &Setting<T>) -> String {
    match setting {
        Setting::Value(value) => value.to_string(),
        Setting::Template(text) => bare(text).to_owned(),
    }
}

/// A template without its braces; anything else as JSON.
pub(super) fn template(value: &Value) -> String {
    match value.as_str() {
        Some(text) => bare(text).to_owned(),
        None => value.to_string(),
    }
}

fn bare(text: &str) -> &str {
    let text = text.trim();
    let inside = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
    inside.filter(|inside| !inside.contains("{{")).map_or(text, str::trim)
}

/// How wide a text is in a sans-serif font of `size` pixels, on the safe side.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let ems: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!'
            | '(' | ')' | '[' | ']' | ' ' | '·' => 0.40,
            'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.98,
            c if c.is_ascii_uppercase() => 0.74,
            c if c.is_ascii() => 0.62,
            c if u32::from(c) < 0x1100 => 0.70,
            _ => 1.05,
        })
        .sum();
    ems * size
}
