//! `rackwright`: durable workflows for bare metal, on the command line.

mod cli;
mod credentials;
mod exit;
mod fleet;
mod follow;
mod graph;
mod home;
mod inputs;
mod lab;
mod locks;
mod logs;
mod metrics;
mod migrate;
mod node;
mod nodes;
mod output;
mod resume;
mod run;
mod runs;
mod schedules;
mod schema;
mod signals;
mod size;
mod steps;
mod tree;
mod validate;
mod windows;
mod worker;
mod workflows;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use exit::{Exit, Outcome};
use output::Output;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    // Stores, logs and labs hold what runs were given: they are their owner's alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors: clap tells by the exit code.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.code() } else { Exit::Completed.code() };
        }
    };
    let logs = logs::start();
    let output = Output::new(cli.common.json);
    match perform(cli, &output, &logs).await {
        Ok(exit) => exit.code(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit.code()
        }
    }
}

async fn perform(cli: Cli, output: &Output, logs: &logs::Logs) -> Outcome<Exit> {
    let common = &cli.common;
    match &cli.command {
        Command::Run(arguments) => run::run(common, arguments, output, logs).await,
        Command::Validate(arguments) => validate::validate(common, arguments, output),
        Command::Graph(arguments) => graph::graph(common, arguments, output),
        Command::Steps(arguments) => steps::steps(common, arguments, output),
        Command::Schema => Ok(schema::schema(output)),
        Command::Runs { command } => runs::runs(common, command, output, logs).await,
        Command::Migrate(arguments) => migrate::migrate(common, arguments, output).await,
        Command::Schedules { command } => schedules::schedules(common, command, output).await,
        Command::Node(arguments) => node::node(common, arguments, output).await,
        Command::Worker(arguments) => worker::worker(common, arguments, output).await,
        Command::Windows { command } => windows::windows(common, command, output).await,
        Command::Locks { command } => locks::locks(common, command, output).await,
        Command::Resume(arguments) => resume::resume(common, arguments, output, logs).await,
        Command::Lab(arguments) => lab::serve(common, arguments, output).await,
    }
}
