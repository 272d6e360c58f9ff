//! `cargo xtask …`: what a contributor and the CI run, with the set-up included.
//!
//! Each command starts from a bare Debian with Rust: what is missing is installed, what is
//! started is stopped again, whatever way the command ends.

mod bench;
mod ci;
mod cluster;
mod fuzz;
mod house;
mod install;
mod peers;
mod shell;
mod sim;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// Tests, measures and checks Rackwright, with all the set-up that needs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Cli {
    /// Run all tests, over a private PostgreSQL that is stopped again.
    Test(test::Options),
    /// Run the tests against software that others wrote.
    Peers(peers::Options),
    /// Measure the engine and the raw store under it, in one run.
    Bench(bench::Options),
    /// Feed damaged workflow files to the loader.
    Fuzz(fuzz::Options),
    /// Play random workflows on nodes to which random things happen.
    Sim(sim::Options),
    /// Check the lengths of files and functions.
    House,
    /// Everything that must pass before a change lands.
    Ci(ci::Options),
}

/// How a command ended: 0, or the exit code of the tool that failed.
type Outcome = anyhow::Result<u8>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match shell::listen().and_then(|()| run(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let interrupted = error.downcast_ref().map(shell::Interrupted::exit_code);
            eprintln!("xtask: {error:#}");
            ExitCode::from(interrupted.unwrap_or(2))
        }
    }
}

fn run(cli: Cli) -> Outcome {
    match cli {
        Cli::Test(options) => test::run(&options),
        Cli::Peers(options) => peers::run(&options),
        Cli::Bench(options) => bench::run(&options),
        Cli::Fuzz(options) => fuzz::run(&options),
        Cli::Sim(options) => sim::run(&options),
        Cli::House => house::run(),
        Cli::Ci(options) => ci::run(&options),
    }
}
