//! `cargo xtask fuzz`: damaged workflow files for the loader, for a while; none may panic.

use clap::Args;

use crate::{Outcome, shell, workspace};

#[derive(Args)]
pub(crate) struct Options {
    /// How long
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u32,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let guided = workspace::root().join("fuzz/Cargo.toml").exists()
        && shell::output(workspace::cargo_of("nightly").args(["fuzz", "--version"])).is_ok();
    let mut command = if guided { cargo_fuzz(options) } else { mutations(options) };
    Ok(shell::code(shell::status(&mut command)?))
}

/// Coverage leads the way: needs a nightly toolchain and `cargo-fuzz`.
fn cargo_fuzz(options: &Options) -> std::process::Command {
    let mut command = workspace::cargo_of("nightly");
    command.args(["fuzz", "run", "loader", "--"]);
    command.arg(format!("-max_total_time={}", options.seconds));
    command
}

/// Random damage to good files: runs everywhere.
fn mutations(options: &Options) -> std::process::Command {
    eprintln!("xtask: no nightly with cargo-fuzz here, so the damage is random, not guided");
    let mut command = workspace::cargo();
    command.args(["run", "--quiet", "--package", "rackwright-engine", "--example", "fuzz_loader"]);
    command.args(["--", "--seconds", &options.seconds.to_string()]);
    command
}
