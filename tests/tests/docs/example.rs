//! What an example says of itself, in the comments that it begins with:
//!
//! ```text
//! # input: {"hosts": ["a"]}            the input of the run
//! # window: NAME {"cron": …}          a maintenance window that is there
//! # then: await PATH STATUS            waits until a step has that status
//! # then: override PATH               says not to wait for the window
//! # then: cancel                       asks the run to stop
//! # then: resolve PATH done|failed|retry [JSON]
//! # then: signal NAME JSON             sends a signal
//! # then: approve PATH BY              says yes to a step that asks
//! # then: reject PATH BY               says no to it
//! # then: pause                        lets nothing new start
//! # then: resume                       lets it go on
//! # then: stop                         stops it in an emergency
//! # then: release                      lets it meet what it owes
//! # then: skip PATH                    says that a step is not needed
//! # then: done PATH JSON               says that a step was done by other means
//! # then: retry                        once it has ended: goes on from what failed, as a new run
//! # then: fork PATH JSON               goes on from a step with another input, as a new run
//! # then: rest STATUS                  waits until the run has that status
//! # expect: completed                  how it ends (or `attention`); has to be there
//! # output: {"n": 1}                   what it gives
//! # error: demo.failed                 the code of an error that it gathers
//! # calls: [a, b, a/cleanup]           the steps whose executors were called, in order
//! ```
//!
//! `then` lines are done in order, each as soon as it is possible. Other comments are for people.

use std::{fs, path::Path};

use serde_json::Value;

#[derive(Debug, Default)]
pub(crate) struct Example {
    pub(crate) input: Value,
    pub(crate) windows: Vec<(String, Value)>,
    pub(crate) actions: Vec<Action>,
    pub(crate) expect: String,
    pub(crate) output: Option<Value>,
    pub(crate) error: Option<String>,
    pub(crate) calls: Option<Vec<String>>,
}

/// Something that is done from outside.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    Await { path: String, status: String },
    Cancel,
    Override { path: String },
    Resolve { path: String, verdict: String, output: Value },
    Signal { name: String, payload: Value },
    Answer { path: String, by: String, approved: bool },
    Pause,
    Resume,
    Stop,
    Release,
    Skip { path: String },
    Done { path: String, output: Value },
    Retry,
    Fork { path: String, input: Value },
    Rest { status: String },
}

impl Example {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).unwrap();
        let wrong = |what: String| format!("{}: {what}", path.display());
        let mut example = Self::default();
        for line in text.lines().map_while(|line| line.strip_prefix('#')) {
            let Some((word, rest)) = line.trim().split_once(':') else { continue };
            example
                .note(word, rest.trim())
                .map_err(|what| wrong(format!("`{}`: {what}", line.trim())))?;
        }
        if example.expect.is_empty() {
            return Err(wrong("it does not say how it ends: `# expect: completed`".to_owned()));
        }
        Ok(example)
    }

    fn note(&mut self, word: &str, rest: &str) -> Result<(), String> {
        match word {
            "input" => self.input = json(rest)?,
            "expect" => rest.clone_into(&mut self.expect),
            "output" => self.output = Some(json(rest)?),
            "error" => self.error = Some(rest.to_owned()),
            "window" => {
                let (name, window) = rest.split_once(' ').ok_or("expected a name and JSON")?;
                self.windows.push((name.to_owned(), json(window)?));
            }
            "then" => self.actions.push(action(rest)?),
            "calls" => {
                let list = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                let list = list.ok_or("expected a list of paths")?;
                let paths = list.split(',').map(|path| path.trim().to_owned());
                self.calls = Some(paths.filter(|path| !path.is_empty()).collect());
            }
            _ => {}
        }
        Ok(())
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))
}

fn action(text: &str) -> Result<Action, String> {
    // What comes last may hold blanks.
    if let Some((name, payload)) = text.strip_prefix("signal ").and_then(|it| it.split_once(' ')) {
        return Ok(Action::Signal { name: name.to_owned(), payload: json(payload)? });
    }
    if let Some((path, input)) = text.strip_prefix("fork ").and_then(|it| it.split_once(' ')) {
        return Ok(Action::Fork { path: path.to_owned(), input: json(input)? });
    }
    if let Some((path, output)) = text.strip_prefix("done ").and_then(|it| it.split_once(' ')) {
        return Ok(Action::Done { path: path.to_owned(), output: json(output)? });
    }
    let mut words = text.splitn(4, ' ').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    match word().as_str() {
        "await" => Ok(Action::Await { path: word(), status: word() }),
        "cancel" => Ok(Action::Cancel),
        "pause" => Ok(Action::Pause),
        "resume" => Ok(Action::Resume),
        "stop" => Ok(Action::Stop),
        "release" => Ok(Action::Release),
        "retry" => Ok(Action::Retry),
        "skip" => Ok(Action::Skip { path: word() }),
        "rest" => Ok(Action::Rest { status: word() }),
        "override" => Ok(Action::Override { path: word() }),
        "resolve" => {
            let (path, verdict, output) = (word(), word(), word());
            let output = if output.is_empty() { Value::Null } else { json(&output)? };
            Ok(Action::Resolve { path, verdict, output })
        }
        "approve" => Ok(Action::Answer { path: word(), by: word(), approved: true }),
        "reject" => Ok(Action::Answer { path: word(), by: word(), approved: false }),
        other => Err(format!("nobody knows how to `{other}`")),
    }
}
