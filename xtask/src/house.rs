//! `cargo xtask house`: the lengths of files and functions, so that a missing concept shows.

use std::fs;

use crate::{Outcome, shell, workspace};

/// A file longer than this needs an argument.
const ARGUED: usize = 500;
/// A file is never longer than this.
const FILE: usize = 800;
/// A function is never longer than this.
const FUNCTION: usize = 80;

pub(crate) fn run() -> Outcome {
    let mut git = shell::command("git");
    git.current_dir(workspace::root());
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs", "*.py", "*.sh"]);
    let (mut files, mut functions) = (Vec::new(), Vec::new());
    let mut wrong = 0_u8;
    for name in shell::output(&mut git)?.lines() {
        // A file that is deleted, but not yet in the index, has no length.
        let Ok(text) = fs::read_to_string(workspace::root().join(name)) else { continue };
        let lines: Vec<_> = text.lines().collect();
        files.push(lines.len());
        if lines.len() > ARGUED {
            let verdict = if lines.len() > FILE { "too long" } else { "needs an argument" };
            println!("{name}: {} lines, {verdict}", lines.len());
            wrong |= u8::from(lines.len() > FILE);
        }
        for function in rust_functions(&lines) {
            functions.push(function.length);
            if function.length > FUNCTION {
                println!("{name}:{}: a function of {} lines", function.line, function.length);
                wrong = 1;
            }
        }
    }
    files.sort_unstable();
    functions.sort_unstable();
    println!(
        "{} files: median {}, longest {} lines; {} functions: 90 % up to {}, longest {} lines",
        files.len(),
        percentile(&files, 50),
        percentile(&files, 100),
        functions.len(),
        percentile(&functions, 90),
        percentile(&functions, 100),
    );
    Ok(wrong)
}

fn percentile(sorted: &[usize], percent: usize) -> usize {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0)
}

#[derive(Debug, PartialEq, Eq)]
struct Function {
    /// Where it begins, from 1.
    line: usize,
    length: usize,
}

/// The functions of a formatted file: one ends with the brace below its beginning.
fn rust_functions(lines: &[&str]) -> Vec<Function> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate().filter(|(_, line)| begins_function(line)) {
        let indent = line.len() - line.trim_start().len();
        let own = |line: &&str| line.len() - line.trim_start().len() == indent;
        let body =
            lines[start..].iter().position(|line| own(line) && line.ends_with(['{', '}', ';']));
        let Some(body) = body else { continue };
        if !lines[start + body].ends_with('{') {
            continue;
        }
        let rest = &lines[start + body + 1..];
        let length = rest.iter().position(|line| own(line) && line.trim() == "}");
        if let Some(length) = length {
            found.push(Function { line: start + 1, length: body + length + 2 });
        }
    }
    found
}

fn begins_function(line: &str) -> bool {
    let mut words = line.trim_start().split(' ');
    let modifier = |word: &&str| {
        matches!(*word, "pub" | "const" | "async" | "extern") || word.starts_with("pub(")
    };
    words.find(|word| !modifier(word)) == Some("fn")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_functions_from_their_first_to_their_last_line() {
        let text = "\
impl A {
    pub(crate) async fn long(
        &self,
    ) -> u8
    where
        Self: Sized,
    {
        if true {
            1
        } else {
            2
        }
    }
    fn short() { 1 }
    fn without_body();
}
fn last() {
    let fn_like = 1;
}";
        let lines: Vec<_> = text.lines().collect();
        let expected = [Function { line: 2, length: 12 }, Function { line: 17, length: 3 }];
        assert_eq!(rust_functions(&lines), expected);
    }
}
