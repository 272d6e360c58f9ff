//! Rows → lines: guides, marks, colours, all within the width.

use console::{measure_text_width, truncate_str};
use owo_colors::{OwoColorize, Style};

use super::{
    Look, elapsed,
    rows::{Mark, Row},
};

/// Times stand in a column of their own, but not further to the right than this.
const WIDEST: usize = 110;
const TIME: usize = 9;
const BAR: usize = 20;

/// Draws a row and all below it.
pub(super) fn paint(row: &Row, look: &Look) -> Vec<String> {
    let mut lines = vec![line(row, "", look)];
    below(&row.rows, "", look, &mut lines);
    lines
}

/// A remark: all of it, in as many lines as it takes.
fn note(row: &Row, own: &str, inner: &str, look: &Look, lines: &mut Vec<String>) {
    let dim = |text: String| if look.colour { text.dimmed().to_string() } else { text };
    let (mark, _) = glyph(row.mark, look);
    let room = look.width.min(WIDEST).saturating_sub(measure_text_width(own) + 2).max(20);
    let text = format!("{}: {}", row.text, row.detail);
    for (place, part) in wrap(&text, room).into_iter().enumerate() {
        let lead = if place == 0 { format!("{own}{mark} ") } else { format!("{inner}  ") };
        lines.push(dim(format!("{lead}{part}")));
    }
}

fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let used = measure_text_width(&lines[last]);
        if used > 0 && used + 1 + measure_text_width(word) > room {
            lines.push(word.to_owned());
        } else {
            if used > 0 {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

fn below(rows: &[Row], guide: &str, look: &Look, lines: &mut Vec<String>) {
    for (place, row) in rows.iter().enumerate() {
        let last = place + 1 == rows.len();
        let (own, inner) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let (own, inner) = (format!("{guide}{own}"), format!("{guide}{inner}"));
        if row.mark == Mark::Note && !row.detail.is_empty() && !look.moving {
            note(row, &own, &inner, look, lines);
            continue;
        }
        lines.push(line(row, &own, look));
        below(&row.rows, &inner, look, lines);
    }
}

fn line(row: &Row, guide: &str, look: &Look) -> String {
    let paint = |text: &str, style: Style| {
        if look.colour { text.style(style).to_string() } else { text.to_owned() }
    };
    let dim = Style::new().dimmed();
    let column = look.width.min(WIDEST).saturating_sub(TIME + 1);
    let (glyph, style) = glyph(row.mark, look);
    let lead = measure_text_width(guide) + measure_text_width(&glyph) + 1;
    let progress = row.progress.map(bar).unwrap_or_default();
    let room = column.saturating_sub(lead);
    let text = truncate_str(&row.text, room, "…");
    let mut used = measure_text_width(&text);
    let mut line = format!("{}{} ", paint(guide, dim), paint(&glyph, style));
    let text_style = if row.mark == Mark::Failed { style } else { Style::new() };
    line.push_str(&paint(&text, text_style));
    for part in [&progress, &row.detail].into_iter().filter(|part| !part.is_empty()) {
        // What does not fit in a few columns says nothing any more.
        let left = room.saturating_sub(used + 2);
        if left < 4 {
            break;
        }
        let part = truncate_str(part, left, "…");
        used += 2 + measure_text_width(&part);
        line.push_str("  ");
        line.push_str(&paint(&part, dim));
    }
    if let Some(time) = row.time.filter(|_| lead + used <= column) {
        let pad = room.saturating_sub(used) + 1;
        let time = format!("{:pad$}{:>TIME$}", "", elapsed(time));
        line.push_str(&paint(&time, dim));
    }
    line
}

/// `[████████░░░░░░░░░░░░] 4/10, 1 failed`
fn bar((all, ended, failed): (usize, usize, usize)) -> String {
    let full = (BAR * ended.min(all)).checked_div(all).unwrap_or(BAR);
    let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    format!("[{}{}] {ended}/{all}{failed}", "█".repeat(full), "░".repeat(BAR - full))
}

const TURNING: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

fn glyph(mark: Mark, look: &Look) -> (String, Style) {
    let plain = Style::new();
    let (glyph, style) = match mark {
        Mark::Pending => ("○", plain.dimmed()),
        Mark::Running if look.moving => {
            let frame = look.now.micros().unsigned_abs() / 100_000 % 10;
            (TURNING[usize::try_from(frame).unwrap_or(0)], plain.cyan())
        }
        Mark::Running => ("●", plain.cyan()),
        Mark::Retrying => ("↻", plain.yellow()),
        Mark::Paused => ("‖", plain.yellow()),
        Mark::Attention => ("!", plain.yellow().bold()),
        Mark::Completed => ("✔", plain.green()),
        Mark::Failed => ("✖", plain.red()),
        Mark::Cancelled => ("■", plain.yellow()),
        Mark::Skipped => ("–", plain.dimmed()),
        Mark::Note => ("·", plain.dimmed()),
    };
    (glyph.to_owned(), style)
}
