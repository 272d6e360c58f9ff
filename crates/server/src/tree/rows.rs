//! A run as rows: what a line says, before it is drawn.

use std::time::Duration;

use rackwright_engine::{
    api::{AttemptEnd, AttemptView, Kind, StepView},
    machine::WindowWait,
    model::{RunStatus, StepError, Timestamp},
};

use super::{Detail, RunTree, elapsed, one_line};

/// What stands before a line's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Pending,
    Running,
    Retrying,
    Paused,
    Attention,
    Completed,
    Failed,
    Cancelled,
    Skipped,
    /// A remark on the line above.
    Note,
}

/// A line and those below it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) mark: Mark,
    pub(super) text: String,
    /// Said more quietly, behind the text.
    pub(super) detail: String,
    /// Items that there are, have ended, have failed.
    pub(super) progress: Option<(usize, usize, usize)>,
    pub(super) time: Option<Duration>,
    pub(super) rows: Vec<Row>,
}

impl Row {
    fn new(mark: Mark, text: impl Into<String>) -> Self {
        let (text, detail) = (text.into(), String::new());
        Self { mark, text, detail, progress: None, time: None, rows: Vec::new() }
    }
}

/// The rows of a run.
pub(super) fn run(tree: &RunTree, now: Timestamp, detail: Detail) -> Row {
    let mark = match tree.status {
        RunStatus::Pending => Mark::Pending,
        RunStatus::Running | RunStatus::Waiting => Mark::Running,
        RunStatus::Paused => Mark::Paused,
        RunStatus::Attention => Mark::Attention,
        RunStatus::Completed => Mark::Completed,
        RunStatus::Failed => Mark::Failed,
        RunStatus::Cancelled => Mark::Cancelled,
    };
    let mut row = Row::new(mark, tree.workflow.clone());
    row.detail = format!("{}  {}", tree.status, tree.run);
    row.time = Some(tree.ended_at.unwrap_or(now).since(tree.created_at));
    let steps = Steps { now, detail };
    row.rows = tree.steps.iter().filter_map(|view| steps.step(view, true)).collect();
    row
}

struct Steps {
    now: Timestamp,
    detail: Detail,
}

impl Steps {
    /// `None` where the detail leaves it out. `top`: it stands at the top of the run.
    fn step(&self, view: &StepView, top: bool) -> Option<Row> {
        let mark = mark_of(view);
        if self.detail == Detail::Tight && !top && is_quiet(mark) {
            return None;
        }
        let name = match &view.label {
            Some(label) => format!("{} {}", view.name, one_line(label)),
            None => view.name.clone(),
        };
        let mut row = Row::new(mark, name);
        row.detail = self.about(view, mark);
        row.progress = view.items.filter(|_| !(is_quiet(mark) && self.detail != Detail::Full));
        row.time = view.started_at.map(|at| view.ended_at.unwrap_or(self.now).since(at));
        if self.detail == Detail::Full || !is_quiet(mark) {
            row.rows = self.below(view, mark);
        }
        Some(row)
    }

    fn about(&self, view: &StepView, mark: Mark) -> String {
        let mut parts = Vec::new();
        match (&view.uses, view.kind) {
            (Some(uses), Kind::Workflow) => parts.push(format!("workflow {uses}")),
            (Some(uses), _) => parts.push(uses.clone()),
            (None, _) => {}
        }
        if view.attempts.len() > 1 {
            parts.push(format!("{} attempts", view.attempts.len()));
        }
        match mark {
            Mark::Skipped => parts.push("skipped".to_owned()),
            Mark::Cancelled => parts.push("cancelled".to_owned()),
            Mark::Attention => parts.push("waits for a person".to_owned()),
            Mark::Running if matches!(view.status, "observing" | "interrupted") => {
                parts.push(format!("{}: looking at the target", view.status));
            }
            Mark::Running if view.status == "revoking" => {
                parts.push("revoking what an attempt held".to_owned());
            }
            Mark::Pending
            | Mark::Running
            | Mark::Paused
            | Mark::Retrying
            | Mark::Completed
            | Mark::Failed
            | Mark::Note => {}
        }
        if let Some(wait) = &view.window {
            parts.push(window(wait, self.now));
        }
        if let Some(wave) = view.wave.filter(|_| mark == Mark::Running) {
            parts.push(format!("wave {} of {}", wave.number, wave.of));
            if let Some(until) = wave.soaks_until {
                parts.push(format!("soaks for {}", elapsed(until.since(self.now))));
            } else if wave.in_gate {
                parts.push("gate".to_owned());
            } else if wave.undoing {
                parts.push("halted: taking back".to_owned());
            }
        }
        if !view.waits_for.is_empty() {
            let names: Vec<_> = view.waits_for.iter().map(ToString::to_string).collect();
            parts.push(format!("waits for {}", names.join(", ")));
        }
        if let Some(at) = view.retry_at {
            parts.push(format!("next attempt in {}", elapsed(at.since(self.now))));
        }
        if let Some(waits) = &view.waits {
            let until =
                waits.until.map(|at| format!(", until {at} (in {})", elapsed(at.since(self.now))));
            parts.push(format!("waits {}{}", waits.reason, until.unwrap_or_default()));
            parts.extend(waits.ask.iter().map(|ask| one_line(&ask.message)));
        }
        parts.join(", ")
    }

    fn below(&self, view: &StepView, mark: Mark) -> Vec<Row> {
        let mut rows = self.attempts(view, mark);
        let held = view.holdings.iter();
        rows.extend(
            held.map(|it| Row::new(Mark::Note, format!("holds {}", one_line(&it.to_string())))),
        );
        if let (true, Some(error)) =
            (view.attempts.is_empty() && view.steps.is_empty(), &view.error)
        {
            rows.extend(error_rows(error));
        }
        // An item that is one child run shows the child's steps as its own.
        let steps = match view.steps.as_slice() {
            [only] if view.kind == Kind::Item && only.kind == Kind::Workflow => {
                if let (true, Some(error)) = (only.steps.is_empty(), &only.error) {
                    rows.extend(error_rows(error));
                }
                &only.steps
            }
            _ => &view.steps,
        };
        rows.extend(steps.iter().filter_map(|step| self.step(step, false)));
        rows
    }

    fn attempts(&self, view: &StepView, mark: Mark) -> Vec<Row> {
        if self.detail != Detail::Full {
            return self.present(view, mark);
        }
        if let [only] = view.attempts.as_slice() {
            let mut rows = self.subtasks(only);
            rows.extend(ending_rows(only));
            return rows;
        }
        view.attempts.iter().map(|attempt| self.attempt(attempt)).collect()
    }

    /// What goes on now: the last sub-task, or why the last attempt failed.
    fn present(&self, view: &StepView, mark: Mark) -> Vec<Row> {
        let Some(last) = view.attempts.last() else { return Vec::new() };
        match (&last.end, mark) {
            (None, _) => self.subtasks(last).pop().into_iter().collect(),
            (Some(AttemptEnd::Failed { error, .. }), Mark::Retrying | Mark::Failed) => {
                vec![error_rows(error).swap_remove(0)]
            }
            (Some(AttemptEnd::Failed { .. } | AttemptEnd::Completed), _) => Vec::new(),
        }
    }

    fn attempt(&self, attempt: &AttemptView) -> Row {
        let mark = match &attempt.end {
            None => Mark::Running,
            Some(AttemptEnd::Completed) => Mark::Completed,
            Some(AttemptEnd::Failed { .. }) => Mark::Failed,
        };
        let mut row = Row::new(mark, format!("attempt {}", attempt.number));
        row.time = Some(attempt.ended_at.unwrap_or(self.now).since(attempt.started_at));
        row.rows = self.subtasks(attempt);
        row.rows.extend(ending_rows(attempt));
        row
    }

    /// Each sub-task lasts until the next one begins.
    fn subtasks(&self, attempt: &AttemptView) -> Vec<Row> {
        let ends = attempt.subtasks.iter().skip(1).map(|next| Some(next.started_at));
        let last = std::iter::once(attempt.ended_at);
        attempt
            .subtasks
            .iter()
            .zip(ends.chain(last))
            .enumerate()
            .map(|(place, (subtask, ended))| {
                let is_last = place + 1 == attempt.subtasks.len();
                let mark = match &attempt.end {
                    None if is_last => Mark::Running,
                    Some(AttemptEnd::Failed { .. }) if is_last => Mark::Failed,
                    None | Some(AttemptEnd::Completed | AttemptEnd::Failed { .. }) => {
                        Mark::Completed
                    }
                };
                let mut row = Row::new(mark, one_line(&subtask.title));
                row.detail = subtask.percent.map(|it| format!("{it}%")).unwrap_or_default();
                row.time = Some(ended.unwrap_or(self.now).since(subtask.started_at));
                row
            })
            .collect()
    }
}

/// What an attempt saw and how it ended.
fn ending_rows(attempt: &AttemptView) -> Vec<Row> {
    let seen = attempt.observations.iter();
    let mut rows: Vec<_> =
        seen.map(|seen| Row::new(Mark::Note, format!("observed: {seen}"))).collect();
    if let Some(AttemptEnd::Failed { error, retry_at }) = &attempt.end {
        rows.extend(error_rows(error));
        if let (Some(at), Some(ended)) = (retry_at, attempt.ended_at) {
            let text = format!("tried again after {}", elapsed(at.since(ended)));
            rows.push(Row::new(Mark::Retrying, text));
        }
    }
    rows
}

fn error_rows(error: &StepError) -> Vec<Row> {
    let mut row = Row::new(Mark::Note, error.code.clone());
    row.detail = one_line(&error.message);
    let mut rows = vec![row];
    if let Some(hint) = &error.hint {
        let mut row = Row::new(Mark::Note, "hint");
        row.detail = one_line(hint);
        rows.push(row);
    }
    rows
}

/// What is waited for, and until when.
pub(crate) fn window(wait: &WindowWait, now: Timestamp) -> String {
    let name = &wait.window;
    match wait.opens {
        Some(at) => format!("waits for window {name}, opens in {}", elapsed(at.since(now))),
        None => format!("waits for window {name}, which is switched off"),
    }
}

/// Nothing goes on there, and nothing went wrong.
const fn is_quiet(mark: Mark) -> bool {
    match mark {
        Mark::Pending | Mark::Completed | Mark::Skipped | Mark::Cancelled => true,
        Mark::Running
        | Mark::Paused
        | Mark::Retrying
        | Mark::Attention
        | Mark::Failed
        | Mark::Note => false,
    }
}

fn mark_of(view: &StepView) -> Mark {
    match view.status {
        "running" | "observing" | "interrupted" | "revoking" | "ready" => Mark::Running,
        "retrying" | "waiting" => Mark::Retrying,
        "attention" => Mark::Attention,
        "completed" => Mark::Completed,
        "failed" => Mark::Failed,
        "cancelled" => Mark::Cancelled,
        "skipped" => Mark::Skipped,
        _ => Mark::Pending,
    }
}
