//! How a run ended: every error, and what waits for a person.

use owo_colors::OwoColorize;
use rackwright_engine::{
    api::{RunView, StepView},
    machine::RunError,
    model::RunStatus,
};
use serde_json::{Value, json};

use super::harmless;
use crate::follow::{Family, Standing};

/// What is said after the tree.
pub(crate) fn ending(family: &Family, colour: bool) -> Vec<String> {
    let mut lines = errors(family, colour);
    lines.extend(attention(family, colour));
    lines.extend(stopped(family, colour));
    lines
}

/// What was stopped in an emergency and waits for a word, with the command that gives it.
fn stopped(family: &Family, colour: bool) -> Vec<String> {
    let root = family.root();
    let state = family.view(root).map(RunView::state).filter(|state| state.waits_for_release());
    let Some(by) = state.and_then(|it| it.emergency.as_ref()).map(|it| &it.order.by) else {
        return Vec::new();
    };
    let head = format!("stopped by {by}; what it owes waits for a person's word:");
    let head = if colour { head.yellow().to_string() } else { head };
    let release = format!("    rackwright runs release {root} --reason \"…\"");
    let resume = format!("  and carry it on with: rackwright resume {root}");
    vec![String::new(), head, release, resume]
}

/// Every error with its sub-task, hint and attempts.
fn errors(family: &Family, colour: bool) -> Vec<String> {
    let errors = family.errors();
    let mut lines = Vec::new();
    if errors.is_empty() {
        return lines;
    }
    let word = if errors.len() == 1 { "error" } else { "errors" };
    lines.push(String::new());
    lines.push(format!("{} {word}:", errors.len()));
    for RunError { path, attempt, error } in errors {
        let head = format!("{}: {}", error.code, harmless(error.message.trim_end()));
        let head = if colour { head.red().to_string() } else { head };
        lines.push(String::new());
        let word = if *attempt == 1 { "attempt" } else { "attempts" };
        let of = family.labels(path).into_iter().fold(String::new(), |of, it| of + &it + ", ");
        lines.push(format!("  {path}  ({of}{attempt} {word}, {})", error.class));
        lines.extend(head.lines().map(|line| format!("    {line}")));
        if let Some(subtask) = &error.subtask {
            lines.push(format!("    while: {}", harmless(subtask)));
        }
        if let Some(hint) = &error.hint {
            lines.push(format!("    hint:  {}", harmless(hint)));
        }
    }
    lines
}

/// What waits for a person, with the evidence and the commands that decide.
fn attention(family: &Family, colour: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (run, path, shown) in family.in_attention() {
        let head = format!("{shown} waits for a person:");
        lines.push(String::new());
        lines.push(if colour { head.yellow().to_string() } else { head });
        let tree = family.view(run).map(RunView::tree).unwrap_or_default();
        if let Some(evidence) = evidence(&tree, &path) {
            lines.extend(format!("{evidence:#}").lines().map(|line| format!("    {line}")));
        }
        lines.push("  say what became of it:".to_owned());
        for verdict in ["retry", "done", "failed"] {
            let reason = "--reason \"…\"";
            lines.push(format!("    rackwright runs resolve {run} {path} {verdict} {reason}"));
        }
        lines.push(format!("  and carry it on with: rackwright resume {}", family.root()));
    }
    lines
}

fn evidence(steps: &[StepView], path: &str) -> Option<Value> {
    steps.iter().find_map(|step| {
        let own = step.evidence.as_ref().filter(|_| step.path == path);
        own.map(|it| (**it).clone()).or_else(|| evidence(&step.steps, path))
    })
}

/// The last JSON object about a run.
pub(crate) fn outcome(family: &Family) -> Value {
    let view = family.view(family.root());
    let status = match family.standing() {
        Standing::Ended(status) => status,
        Standing::Waiting => RunStatus::Attention,
        Standing::Going => RunStatus::Running,
    };
    let elapsed = view.and_then(|view| Some(view.ended_at()?.since(view.created_at())));
    let attention: Vec<_> = family
        .in_attention()
        .into_iter()
        .map(|(run, step, path)| json!({ "run": run, "step": step, "path": path }))
        .collect();
    let output = view.filter(|_| status.is_ended()).map(|view| view.state().output.clone());
    json!({
        "type": "outcome",
        "run": family.root(),
        "workflow": view.map(|view| view.state().created.workflow.clone()),
        "status": status,
        "output": output,
        "errors": family.errors(),
        "attention": attention,
        "elapsed_ms": elapsed.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
    })
}
