//! The shell of a machine: takes a command line apart and runs the program.
//!
//! No pipes, no variables: what the step library sends, and what a person types to look around.

use std::time::Duration;

use rackwright_engine::model::Timestamp;

use super::tools;
use crate::{LabState, Rack};

/// What a command answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) exit: u32,
}

impl Answer {
    pub(super) fn ok(stdout: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    /// A failure that is told on standard output, as most vendors' tools do.
    pub(super) fn says(exit: u32, stdout: impl Into<String>) -> Self {
        Self { exit, ..Self::ok(stdout) }
    }

    pub(super) fn fails(exit: u32, stderr: impl Into<String>) -> Self {
        Self { stderr: stderr.into(), exit, ..Self::default() }
    }
}

/// A program's view of the machine it runs on.
pub(super) struct Seat<'a> {
    pub(super) rack: &'a mut Rack,
    pub(super) machine: usize,
    pub(super) now: Timestamp,
    pub(super) clock: crate::Clock,
}

impl Seat<'_> {
    pub(super) fn machine(&mut self) -> &mut crate::Machine {
        &mut self.rack.machines[self.machine]
    }

    /// The point in time that comes a simulated duration from now.
    pub(super) fn after(&self, simulated: Duration) -> Timestamp {
        self.now.after(self.clock.real(simulated))
    }
}

/// Runs a command line. `None` if the machine went down meanwhile, or the lab's file can't be
/// written: then there is no answer. Half of the time passes before the effect, half after it.
pub(super) async fn run(state: &LabState, machine: usize, line: &str) -> Option<Answer> {
    let clock = state.clock();
    let words = match words(line) {
        Ok(words) => as_root(words),
        Err(message) => return Some(Answer::fails(2, format!("sh: 1: {message}\n"))),
    };
    let half = tools::duration(&words) / 2;
    clock.sleep(half).await;
    let answer = state.update(|rack, now| {
        let up = rack.machines[machine].is_up(now);
        up.then(|| tools::run(&mut Seat { rack, machine, now, clock }, &words))
    });
    let answer = answer.inspect_err(|error| tracing::error!(%error, "can't write the lab's file"));
    let answer = answer.ok().flatten()?;
    clock.sleep(half).await;
    let reboots = words.first().is_some_and(|program| program == "reboot");
    let up = state.read(|rack, now| rack.machines[machine].is_up(now));
    (up || reboots).then_some(answer)
}

/// `sudo -n` asks for nothing here: the user of an image that MAAS deploys may do everything.
fn as_root(mut words: Vec<String>) -> Vec<String> {
    if words.first().is_some_and(|program| program == "sudo") {
        let options = words.iter().skip(1).take_while(|word| word.starts_with('-')).count();
        words.drain(..=options);
    }
    words
}

/// Splits as a POSIX shell does, for words, quotes and backslashes; the rest is refused.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("Syntax error: Unterminated quoted string".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some(c) => word.push(c),
                        None => return Err("Syntax error: Unterminated quoted string".to_owned()),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '|' | '&' | ';' | '<' | '>' | '$' | '`' | '(' | ')' => {
                return Err(format!("Syntax error: \"{c}\" unexpected"));
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_runs_the_rest() {
        let run = |line| as_root(words(line).unwrap());
        assert_eq!(run("sudo -n racadm get"), ["racadm", "get"]);
        assert_eq!(run("sudo reboot"), ["reboot"]);
        assert_eq!(run("cat sudo"), ["cat", "sudo"]);
        assert_eq!(run("sudo"), Vec::<String>::new());
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        let split = |line| words(line).unwrap();
        assert_eq!(split("a  b\tc"), ["a", "b", "c"]);
        assert_eq!(split(r"cat '/tmp/a b' x\ y"), ["cat", "/tmp/a b", "x y"]);
        assert_eq!(split(r"echo 'it'\''s' ''"), ["echo", "it's", ""]);
        assert!(words("a | b").is_err());
        assert!(words("echo 'open").is_err());
    }
}
