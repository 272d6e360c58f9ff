//! A data directory of its own for each test.

use std::{
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use assert_cmd::{Command, assert::Assert};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Sandbox {
    dir: TempDir,
}

/// Longer than anything here takes, shorter than anybody's patience.
const PATIENCE: Duration = Duration::from_mins(2);

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, and gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn process(&self) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("rackwright"));
        for (name, _) in std::env::vars_os() {
            let ours = name.to_string_lossy().starts_with("RACKWRIGHT_");
            if ours || name == "NO_COLOR" || name == "CLICOLOR_FORCE" || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.env("RACKWRIGHT_DATA_DIR", self.path("data")).env("USER", "tester");
        command
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::from_std(self.process());
        command.timeout(PATIENCE);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn rackwright(&self, arguments: &[&str]) -> Assert {
        self.command().args(arguments).assert()
    }

    /// Starts the program, and lets it go on.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.process();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// The newest run, as `runs show --json` tells it; none while there is none.
    pub(crate) fn last_run(&self) -> Option<Value> {
        let shown = self.command().args(["runs", "show", "last", "--json"]).output().unwrap();
        serde_json::from_slice(&shown.stdout).ok()
    }

    /// Asks until something is there.
    pub(crate) fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "{what} did not come about");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

pub(crate) fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

pub(crate) fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

/// The JSON objects of an output, one per line.
pub(crate) fn objects(assert: &Assert) -> Vec<Value> {
    stdout(assert).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
pub(crate) fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
}

/// A file that ships.
pub(crate) fn shipped(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows");
    root.join(name).display().to_string()
}

/// A workflow that needs no machine.
pub(crate) const SUM: &str = "\
workflow: sum
input:
  type: object
  required: [left]
  properties:
    left: { type: integer, description: the first number }
    right: { type: integer, default: 2 }
steps:
  - id: both
    parallel:
      a: [{ id: left, set: \"{{ input.left }}\" }]
      b: [{ id: right, set: \"{{ input.right }}\" }]
  - id: never
    when: \"{{ input.left < 0 }}\"
    set: 0
  - id: sum
    set: \"{{ input.left + input.right }}\"
";
