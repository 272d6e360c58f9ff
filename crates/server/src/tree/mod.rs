//! Runs drawn as trees. Pure: a tree, a width and a time give lines.

mod paint;
pub(crate) mod report;
mod rows;

pub(crate) use rows::window;

#[cfg(test)]
mod tests;

use std::time::Duration;

use console::Term;
use rackwright_engine::{
    api::StepView,
    model::{RunId, RunStatus, Timestamp},
};

use crate::output::Output;

/// A run with all its steps, those of child runs under the steps that started them.
#[derive(Clone, Debug)]
pub(crate) struct RunTree {
    pub(crate) run: RunId,
    pub(crate) workflow: String,
    pub(crate) status: RunStatus,
    pub(crate) created_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) steps: Vec<StepView>,
}

/// How a tree is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Columns.
    pub(crate) width: usize,
    /// For what is under way.
    pub(crate) now: Timestamp,
    pub(crate) colour: bool,
    /// Redrawn often: what is under way turns.
    pub(crate) moving: bool,
}

/// How much is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Everything.
    Full,
    /// What is under way with its present sub-task; what is done in one line.
    Live,
    /// The same, without what is done or has not begun inside of other steps.
    Tight,
}

/// Draws a tree.
pub(crate) fn draw(tree: &RunTree, look: &Look, detail: Detail) -> Vec<String> {
    paint::paint(&rows::run(tree, look.now, detail), look)
}

/// Draws trees in as much detail as fits.
pub(crate) fn draw_within(trees: &[RunTree], look: &Look, height: usize) -> Vec<String> {
    let all = |detail| trees.iter().flat_map(|tree| draw(tree, look, detail)).collect::<Vec<_>>();
    let lines = all(Detail::Live);
    let mut lines = if lines.len() <= height { lines } else { all(Detail::Tight) };
    if lines.len() > height {
        let more = lines.len() - (height - 1);
        lines.truncate(height - 1);
        lines.push(format!("… and {more} lines more"));
    }
    lines
}

/// The columns that there are; 100 where nobody says.
pub(crate) fn width(output: &Output) -> u16 {
    if output.terminal() { Term::stdout().size().1.max(20) } else { 100 }
}

/// A span of time for people: `340ms`, `12.3s`, `1m 02s`, `3h 04m`, `2d 03h`.
pub(crate) fn elapsed(time: Duration) -> String {
    let millis = time.as_millis();
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{millis}ms"),
        1..60 => format!("{}.{}s", seconds, (millis % 1000) / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        86400.. => format!("{}d {:02}h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// A text in one line, without what would move a terminal's cursor: machines may say anything.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    harmless(&words.join(" "))
}

/// A text without control characters other than line breaks.
pub(crate) fn harmless(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}
