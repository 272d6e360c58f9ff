//! `cargo xtask test`: every test of the workspace, with the servers they need.

mod count;

use std::{env, fs, os::unix::fs::DirBuilderExt as _, path::Path, process::Command};

use clap::Args;

use self::count::Count;
use crate::{
    Outcome,
    cluster::{Cluster, Durability},
    install, shell, workspace,
};

/// The PostgreSQL that tests use; each makes its own database or schema there.
const POSTGRES: &str = "RACKWRIGHT_TEST_POSTGRES";
/// Set: a test whose foreign server is missing fails instead of being skipped.
const REQUIRE_PEERS: &str = "RACKWRIGHT_REQUIRE_PEERS";

#[derive(Args)]
pub(crate) struct Options {
    /// Let PostgreSQL write to the disk (slower; for what concerns a power cut)
    #[arg(long)]
    fsync: bool,
    /// Skip the tests that need OpenSSH's server instead of installing it
    #[arg(long)]
    no_peers: bool,
    /// Handed on to the test runner, for instance `-E 'package(xtask)'`; doc tests are left out
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Outcome {
    // What the environment names is used as it is: a person may want another version.
    let cluster = match env::var_os(POSTGRES) {
        Some(_) => None,
        None if options.fsync => Some(Cluster::start(Durability::Full)?),
        None => Some(Cluster::start(Durability::None)?),
    };
    let prepare = |command: &mut Command| -> anyhow::Result<()> {
        if let Some(cluster) = &cluster {
            command.env(POSTGRES, cluster.url("postgres"));
        }
        if !options.no_peers {
            require_peers(command)?;
        }
        Ok(())
    };
    let mut count = Count::default();
    let mut code = if workspace::has_subcommand("nextest") {
        nextest(&options.arguments, prepare, &mut count)?
    } else {
        eprintln!("xtask: no cargo-nextest here, `cargo test` does it too");
        let mut command = workspace::cargo();
        command.args(["test", "--workspace", "--all-targets", "--no-fail-fast"]);
        command.args(&options.arguments);
        prepare(&mut command)?;
        cargo_test(&mut command, &mut count)?
    };
    if options.arguments.is_empty() {
        let mut command = workspace::cargo();
        command.args(["test", "--workspace", "--doc", "--no-fail-fast"]);
        prepare(&mut command)?;
        let doc = cargo_test(&mut command, &mut count)?;
        code = if code == 0 { doc } else { code };
    }
    drop(cluster);
    println!("{count}");
    Ok(code)
}

/// Finds or installs OpenSSH's server and tells the tests that they may count on it.
pub(crate) fn require_peers(command: &mut Command) -> anyhow::Result<()> {
    install::need("OpenSSH's server", "openssh-server", || install::find("sshd"))?;
    // As root sshd wants its directory of privilege separation; without systemd nobody made it.
    let separation = Path::new("/run/sshd");
    if install::is_root() && !separation.exists() {
        fs::DirBuilder::new().mode(0o755).create(separation)?;
    }
    command.env(REQUIRE_PEERS, "1").env("PATH", install::path_with_servers());
    Ok(())
}

/// Runs nextest, whose report (JUnit XML) holds the counts.
pub(crate) fn nextest(
    arguments: &[String],
    prepare: impl Fn(&mut Command) -> anyhow::Result<()>,
    count: &mut Count,
) -> Outcome {
    let mut command = workspace::cargo();
    command.args(["nextest", "run", "--workspace"]).args(arguments);
    prepare(&mut command)?;
    let reports = count::Reports::clear();
    let status = shell::status(&mut command)?;
    *count += reports.read();
    Ok(shell::code(status))
}

/// Runs `cargo test`, whose summaries hold the counts.
fn cargo_test(command: &mut Command, count: &mut Count) -> Outcome {
    let status = shell::lines(command, |line| {
        println!("{line}");
        *count += Count::of_libtest(line);
    })?;
    Ok(shell::code(status))
}
