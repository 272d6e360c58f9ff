//! The built `rackwright`.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Names a program to test instead of the one that is built here.
const BINARY: &str = "RACKWRIGHT_TEST_BINARY";

/// The workspace's directory.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The program, built first if it is not up to date.
///
/// # Errors
/// When it does not build.
pub fn rackwright() -> Result<&'static Path> {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = PATH.get() {
        return Ok(path);
    }
    let path = match env::var_os(BINARY) {
        Some(path) => path.into(),
        None => build()?,
    };
    Ok(PATH.get_or_init(|| path))
}

/// Cargo sets `CARGO_BIN_EXE_…` for the tests of the program's own package only. It holds its lock
/// on the target directory while it builds, not while tests run: asking it again is safe, and
/// quick when there is nothing to do.
fn build() -> Result<PathBuf> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    // All packages choose the features, as in the tests: else the dependencies build anew.
    command.args(["build", "--quiet", "--workspace", "--bin", "rackwright"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    // TARGET/PROFILE/deps/THIS-TEST: whatever this test was built with is there already.
    let this = env::current_exe().context("where is this test?")?;
    let built = this.ancestors().nth(2).context("tests are built into PROFILE/deps")?;
    if built.file_name().is_some_and(|profile| profile == "release") {
        command.arg("--release");
    }
    if let Some(target) = built.parent() {
        command.arg("--target-dir").arg(target);
    }
    let output = command.output().context("cargo can't be started")?;
    if !output.status.success() {
        bail!("rackwright does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "rackwright")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.context("cargo built rackwright and did not say where")
}
