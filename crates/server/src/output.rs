//! What goes to the standard output and the standard error.

use std::{
    fmt::Display,
    io::{IsTerminal, Write, stderr, stdout},
};

use owo_colors::OwoColorize;
use serde::Serialize;

use crate::exit::Failure;

/// How this process may speak. A reader that has gone away (`rackwright … | head`) is no reason
/// to stop: runs go on, they are only not shown any more.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    mode: Mode,
    /// Colours are wanted on the standard output.
    pub(crate) colour: bool,
    colour_errors: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// One JSON object per line.
    Json,
    /// For a terminal that can move its cursor.
    Terminal,
    /// For a file, a pipe, or a terminal that can't.
    Lines,
    /// Nobody listens.
    Silent,
}

impl Output {
    /// As the environment allows (`NO_COLOR`, `CLICOLOR_FORCE`, `TERM=dumb`).
    pub(crate) fn new(json: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let forced = set("CLICOLOR_FORCE") && !set("NO_COLOR");
        let colour = |terminal: bool| forced || (terminal && !dumb && !set("NO_COLOR"));
        let terminal = stdout().is_terminal();
        let mode = match (json, terminal && !dumb) {
            (true, _) => Mode::Json,
            (false, true) => Mode::Terminal,
            (false, false) => Mode::Lines,
        };
        let colour_errors = colour(stderr().is_terminal());
        Self { mode, colour: colour(terminal) && !json, colour_errors }
    }

    /// One JSON object per line is wanted.
    pub(crate) fn json(&self) -> bool {
        self.mode == Mode::Json
    }

    /// The standard output is a terminal that can move its cursor.
    pub(crate) fn terminal(&self) -> bool {
        self.mode == Mode::Terminal
    }

    /// The same for a process that nobody listens to.
    pub(crate) fn silent(&self) -> Self {
        Self { mode: Mode::Silent, ..self.clone() }
    }

    /// A line on the standard output.
    pub(crate) fn line(&self, line: impl Display) {
        if self.mode == Mode::Silent {
            return;
        }
        let _ = writeln!(stdout(), "{line}");
    }

    /// A JSON object on a line of its own.
    pub(crate) fn object(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.line(text),
            Err(error) => tracing::error!(%error, "an object could not be printed"),
        }
    }

    /// A note for people on the standard error.
    #[expect(clippy::unused_self, reason = "what can be printed is said by having an output")]
    pub(crate) fn note(&self, note: impl Display) {
        let _ = writeln!(stderr(), "{note}");
    }

    /// Whether problems of files are shown in colour.
    pub(crate) const fn colours_errors(&self) -> bool {
        self.colour_errors
    }

    /// Why the command ends.
    pub(crate) fn failure(&self, failure: &Failure) {
        let mut text = if failure.rendered {
            failure.message.trim_end().to_owned()
        } else if self.colour_errors {
            format!("{} {}", "error:".red().bold(), failure.message)
        } else {
            format!("error: {}", failure.message)
        };
        if let Some(hint) = &failure.hint {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        self.note(text);
    }
}
