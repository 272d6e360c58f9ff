//! `cargo xtask test`: every test of the workspace, with the servers they need.

mod count;

pub(crate) use self::count::Count;

use std::{env, fs, os::unix::fs::DirBuilderExt as _, path::Path, process::Command};

use clap::Args;

use crate::{
    Outcome,
    cluster::{Cluster, Durability},
    install, shell, workspace,
};

/// The PostgreSQL server that tests use, without a database: each test makes its own.
pub(crate) const POSTGRES: &str = "RACKWRIGHT_TEST_POSTGRES";
/// Set: a test whose foreign server is missing fails instead of being skipped.
const REQUIRE_PEERS: &str = "RACKWRIGHT_REQUIRE_PEERS";

#[derive(Args, Default)]
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
    let (code, count) = counted(options)?;
    println!("{count}");
    Ok(code)
}

/// Runs the tests and tells the exit code of the runner and the counts.
pub(crate) fn counted(options: &Options) -> anyhow::Result<(u8, Count)> {
    // What the environment names is used as it is: a person may want another version.
    let durability = if options.fsync { Durability::Full } else { Durability::None };
    let cluster = match env::var_os(POSTGRES) {
        Some(_) => None,
        None => Some(Cluster::start(durability, &env::temp_dir())?),
    };
    let prepare = |command: &mut Command| -> anyhow::Result<()> {
        if let Some(cluster) = &cluster {
            command.env(POSTGRES, cluster.url());
        }
        if !options.no_peers {
            require_peers(command)?;
        }
        Ok(())
    };
    let mut count = Count::default();
    let mut command = workspace::cargo();
    let mut code = if workspace::has_subcommand("nextest") {
        command.args(["nextest", "run"]).args(scope(&options.arguments));
        command.args(&options.arguments);
        prepare(&mut command)?;
        nextest(&mut command, &mut count)?
    } else {
        eprintln!("xtask: no cargo-nextest here, `cargo test` does it too");
        command.args(["test", "--all-targets", "--no-fail-fast"]).args(scope(&options.arguments));
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
    Ok((code, count))
}

/// The whole workspace, unless the arguments choose packages: cargo lets the wider one win.
fn scope(arguments: &[String]) -> Option<&'static str> {
    let chooses = |argument: &String| argument.starts_with("-p") || argument.starts_with("--pack");
    (!arguments.iter().any(chooses)).then_some("--workspace")
}

/// Finds or installs OpenSSH's server and tells the tests that they may count on it.
fn require_peers(command: &mut Command) -> anyhow::Result<()> {
    install::need("OpenSSH's server", "openssh-server", || install::find("sshd"))?;
    install::need("OpenSSH's client", "openssh-client", || install::find("sftp"))?;
    // As root sshd wants its directory of privilege separation; without systemd nobody made it.
    let separation = Path::new("/run/sshd");
    if install::is_root() && !separation.exists() {
        fs::DirBuilder::new().mode(0o755).create(separation)?;
    }
    command.env(REQUIRE_PEERS, "1").env("PATH", install::path_with_servers());
    Ok(())
}

/// Runs the test targets of one name, in whatever package, over the servers they need.
pub(crate) fn target(name: &str) -> Outcome {
    let mut command = workspace::cargo();
    let nextest = workspace::has_subcommand("nextest");
    command.args(if nextest { &["nextest", "run"][..] } else { &["test", "--no-fail-fast"] });
    command.args(["--workspace", "--test", name]);
    require_peers(&mut command)?;
    let mut count = Count::default();
    let run = if nextest { self::nextest } else { cargo_test };
    let code = run(&mut command, &mut count)?;
    println!("{count}");
    Ok(code)
}

/// Runs nextest, whose report (JUnit XML) holds the counts.
fn nextest(command: &mut Command, count: &mut Count) -> Outcome {
    let reports = count::Reports::clear();
    let status = shell::status(command)?;
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
