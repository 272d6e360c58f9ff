//! Finding programs, and installing Debian's packages where they are missing.

use std::{
    env,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use rustix::process::geteuid;

use crate::shell;

/// Directories of servers that are not on everyone's `PATH`.
const SYSTEM: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/local/bin"];

/// Whether this process may do anything.
pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// `PATH` with the directories in which Debian keeps servers.
pub(crate) fn path_with_servers() -> std::ffi::OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    for directory in SYSTEM {
        path.push(":");
        path.push(directory);
    }
    path
}

/// A program on `PATH` or among the servers.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&path_with_servers())
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

/// Finds a program, or installs Debian's `package` and looks again.
pub(crate) fn need<T>(
    what: &str,
    package: &str,
    find: impl Fn() -> Option<T>,
) -> anyhow::Result<T> {
    if let Some(found) = find() {
        return Ok(found);
    }
    eprintln!("xtask: {what} is missing, installing Debian's `{package}`");
    apt(package).with_context(|| {
        format!("{what} is needed and could not be installed: install `{package}` and try again")
    })?;
    find().with_context(|| format!("`{package}` is installed, but {what} is still not found"))
}

fn apt(package: &str) -> anyhow::Result<()> {
    if find("apt-get").is_none() {
        bail!("this system has no apt-get");
    }
    let sudo = if is_root() { None } else { Some(sudo()?) };
    let apt_get = |arguments: &[&str]| {
        let mut command = match &sudo {
            Some(sudo) => Command::new(sudo),
            None => Command::new("env"),
        };
        if sudo.is_some() && !std::io::stdin().is_terminal() {
            // Nobody is there to type a password: fail instead of waiting for one.
            command.arg("-n");
        }
        if sudo.is_some() {
            command.arg("env");
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]).args(arguments);
        // In the foreground, unlike all else: sudo may have to ask for a password.
        let status = command.status().with_context(|| shell::line(&command))?;
        anyhow::ensure!(status.success(), "{} failed: {status}", shell::line(&command));
        shell::interrupted().map_err(anyhow::Error::from)
    };
    let install = ["install", "-y", "--no-install-recommends", package];
    if Path::new("/var/lib/apt/lists/lock").exists() && apt_get(&install).is_ok() {
        return Ok(());
    }
    apt_get(&["update"])?;
    apt_get(&install)
}

fn sudo() -> anyhow::Result<PathBuf> {
    find("sudo").context("this user is not root, and there is no sudo")
}
