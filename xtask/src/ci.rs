//! `cargo xtask ci`: everything that must pass before a change lands.

use std::{env, fs, path::PathBuf, process::Command, time::Instant};

use crate::{Outcome, fuzz, house, shell, test, workspace};

/// Pinned, so that a new release cannot turn the CI red by itself. Takes two minutes to build on
/// two cores.
const CARGO_DENY: &str = "cargo-deny@0.20.2";

/// Guided fuzzing would build all dependencies once more, with another toolchain.
const FUZZ: fuzz::Options = fuzz::Options { seconds: 60, stable: true };

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Go on after a failure, to see all of them
    #[arg(long)]
    keep_going: bool,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let mut count = None;
    let steps: [(&str, &mut dyn FnMut() -> Outcome); 6] = [
        ("format", &mut || tool(workspace::cargo().args(["fmt", "--all", "--check"]))),
        ("clippy", &mut clippy),
        ("house numbers", &mut house::run),
        ("dependencies", &mut deny),
        ("tests", &mut || {
            let (code, counted) = test::counted(&test::Options::default())?;
            count = Some(counted);
            Ok(code)
        }),
        ("fuzzing", &mut || fuzz::run(&FUZZ)),
    ];
    let mut failed = 0;
    for (name, step) in steps {
        let start = Instant::now();
        println!("== {name}");
        let code = step()?;
        let outcome = if code == 0 { "passed" } else { "FAILED" };
        println!("== {name}: {outcome} after {} s", start.elapsed().as_secs());
        failed = if failed == 0 { code } else { failed };
        if failed != 0 && !options.keep_going {
            break;
        }
    }
    if let Some(count) = count {
        println!("{count}");
    }
    Ok(failed)
}

fn tool(command: &mut Command) -> Outcome {
    Ok(shell::code(shell::status(command)?))
}

fn clippy() -> Outcome {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    tool(workspace::cargo().args(arguments))
}

fn deny() -> Outcome {
    if !workspace::has_subcommand("deny") {
        println!("cargo-deny is missing, building it (about two minutes)");
        shell::check(workspace::cargo().args(["install", "--quiet", "--locked", CARGO_DENY]))?;
    }
    // Offline, cargo-deny reads the manifests of all targets from the cache.
    shell::check(workspace::cargo().args(["fetch", "--quiet", "--locked"]))?;
    let mut command = workspace::cargo();
    command.args(["deny", "--offline", "check", "bans", "licenses", "sources"]);
    if has_advisories() {
        command.arg("advisories");
    } else {
        println!("NOT checked: advisories. There is no copy of the RustSec database here.");
    }
    tool(&mut command)
}

/// Whether an earlier `cargo deny fetch` left a copy of the advisory database.
fn has_advisories() -> bool {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let Some(home) = cargo_home.or(home) else { return false };
    let copies = fs::read_dir(home.join("advisory-dbs")).into_iter().flatten().flatten();
    copies.map(|entry| entry.path().join(".git")).any(|path| path.exists())
}
