//! Trees on a terminal, redrawn in place.

use std::{
    fmt::Write as _,
    io::{Write as _, stdout},
};

use console::Term;
use rackwright_engine::model::Timestamp;

use crate::{
    logs::Logs,
    output::Output,
    tree::{Detail, Look, RunTree, draw_within},
};

/// The part of the screen that is redrawn.
pub(crate) struct Live {
    terminal: Term,
    logs: Logs,
    colour: bool,
    /// Lines that stand on the screen, with the width for which they were made.
    drawn: usize,
    width: usize,
}

/// The cursor is hidden while the tree moves.
const HIDE: &str = "\x1b[?25l";
const SHOW: &str = "\x1b[?25h";
/// The terminal shows nothing in between (synchronized output; others ignore it).
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";
const CLEAR_TO_END_OF_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

impl Live {
    pub(crate) fn new(output: &Output, logs: &Logs) -> Self {
        logs.hold();
        let colour = output.colour;
        Self { terminal: Term::stdout(), logs: logs.clone(), colour, drawn: 0, width: 0 }
    }

    /// Draws the trees as they are now.
    pub(crate) fn draw(&mut self, trees: &[RunTree], now: Timestamp) {
        let (height, width) = self.terminal.size();
        let (height, width) = (usize::from(height).max(4), usize::from(width).max(20));
        let look = Look { width: width - 1, now, colour: self.colour, moving: true };
        let lines = draw_within(trees, &look, height - 1);
        let mut frame = String::from(BEGIN);
        frame.push_str(HIDE);
        self.up(&mut frame, width);
        for line in self.logs.take().lines() {
            frame.push_str(line);
            frame.push_str(CLEAR_TO_END_OF_LINE);
            frame.push('\n');
        }
        for line in &lines {
            frame.push_str(line);
            frame.push_str(CLEAR_TO_END_OF_LINE);
            frame.push('\n');
        }
        frame.push_str(CLEAR_BELOW);
        frame.push_str(END);
        show(&frame);
        (self.drawn, self.width) = (lines.len(), width);
    }

    /// Back to where the tree begins. A terminal that became narrower has broken its lines.
    fn up(&self, frame: &mut String, width: usize) {
        let broken = self.width.saturating_sub(1).div_ceil(width).max(1);
        let rows = self.drawn * broken;
        if rows > 0 {
            let _ = write!(frame, "\x1b[{rows}A");
        }
        frame.push('\r');
    }

    /// Takes the tree off the screen; what is printed next stands in its place.
    pub(crate) fn clear(&mut self) {
        let mut frame = String::new();
        self.up(&mut frame, self.width.max(1));
        frame.push_str(CLEAR_BELOW);
        frame.push_str(SHOW);
        show(&frame);
        self.drawn = 0;
        self.logs.release();
    }
}

impl Drop for Live {
    /// However it ends, the cursor comes back.
    fn drop(&mut self) {
        show(SHOW);
        self.logs.release();
    }
}

fn show(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The whole of trees, as they stay on the screen.
pub(crate) fn final_trees(trees: &[RunTree], output: &Output, now: Timestamp) -> Vec<String> {
    let width = crate::tree::width(output);
    let look = Look { width: usize::from(width), now, colour: output.colour, moving: false };
    trees.iter().flat_map(|tree| crate::tree::draw(tree, &look, Detail::Full)).collect()
}
