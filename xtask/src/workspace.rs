//! Where the workspace is, where it builds, and what cargo built.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use serde_json::Value;

use crate::shell;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The cargo that runs us, at the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = shell::command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Another toolchain's cargo: `cargo +nightly`, found as a person's shell finds it.
pub(crate) fn cargo_of(toolchain: &str) -> Command {
    let mut command = shell::command("cargo");
    command.arg(format!("+{toolchain}")).current_dir(root());
    // Rustup sets these for us; they would pin the toolchain that runs us.
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
    command
}

/// Whether `cargo NAME` exists.
pub(crate) fn has_subcommand(name: &str) -> bool {
    shell::output(cargo().args([name, "--version"])).is_ok()
}

/// The directory that cargo builds into, wherever the environment or a configuration put it.
pub(crate) fn target_dir() -> anyhow::Result<PathBuf> {
    let text = shell::output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    let path = metadata["target_directory"].as_str().context("no target_directory in metadata")?;
    Ok(path.into())
}

/// A program of the workspace.
pub(crate) struct Program {
    /// `--bin` or `--example`.
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
}

impl Program {
    /// Builds the program and gives its path.
    pub(crate) fn build(&self, release: bool) -> anyhow::Result<PathBuf> {
        let mut command = cargo();
        command.args(["build", "--message-format", "json-render-diagnostics"]);
        // All packages choose the features, as in the tests: else the dependencies build anew.
        command.args(["--workspace", self.kind, self.name]);
        if release {
            command.arg("--release");
        }
        let mut path = None;
        let status = shell::lines(&mut command, |text| {
            let Ok(message) = serde_json::from_str::<Value>(text) else { return };
            if message["target"]["name"] == self.name
                && let Some(executable) = message["executable"].as_str()
            {
                path = Some(PathBuf::from(executable));
            }
        })?;
        anyhow::ensure!(status.success(), "{} failed", shell::line(&command));
        path.with_context(|| format!("`{}` left no program", shell::line(&command)))
    }
}
