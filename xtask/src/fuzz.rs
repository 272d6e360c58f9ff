//! `cargo xtask fuzz`: damaged workflow files for the loader, for a while; none may panic.

use clap::Args;

use crate::{
    Outcome, shell,
    workspace::{self, Program},
};

#[derive(Args)]
pub(crate) struct Options {
    /// How long
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u32,
    /// Random damage, even where a nightly toolchain with cargo-fuzz could be guided by coverage
    #[arg(long)]
    pub(crate) stable: bool,
}

/// Random damage to good files: runs everywhere.
const MUTATIONS: Program = Program { kind: "--example", name: "fuzz_loader" };

pub(crate) fn run(options: &Options) -> Outcome {
    let guided = !options.stable
        && workspace::root().join("fuzz/Cargo.toml").exists()
        && shell::output(workspace::cargo_of("nightly").args(["fuzz", "--version"])).is_ok();
    let mut command = if guided {
        // Coverage leads the way.
        let mut command = workspace::cargo_of("nightly");
        command.args(["fuzz", "run", "loader", "--"]);
        command.arg(format!("-max_total_time={}", options.seconds));
        command
    } else {
        eprintln!("xtask: random damage (guided by coverage it needs a nightly with cargo-fuzz)");
        let mut command = shell::command(MUTATIONS.build(false)?);
        command.args(["--seconds", &options.seconds.to_string()]);
        command
    };
    Ok(shell::code(shell::status(&mut command)?))
}
