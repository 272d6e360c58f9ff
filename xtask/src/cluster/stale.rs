//! Clusters whose run was killed before it could stop them.
//!
//! The name of a cluster's directory tells the process that started it, by id and start time, so
//! that the next run knows what nobody will stop any more.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{self, Stdio},
};

use anyhow::Context as _;
use rustix::process::geteuid;

use super::programs::Programs;

const PREFIX: &str = "rackwright-pg-";

/// The start of the name of this process's directories.
pub(super) fn prefix() -> anyhow::Result<String> {
    let pid = process::id();
    let started = started(pid).context("/proc is needed")?;
    Ok(format!("{PREFIX}{pid}-{started}-"))
}

/// The data directory of a cluster.
pub(super) fn data(base: &Path) -> PathBuf {
    base.join("server/data")
}

/// Stops and deletes the clusters of dead processes in `place`, as far as they are this user's.
pub(super) fn stop_all(programs: &Programs, place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((pid, start)) = name.to_str().and_then(owner) else { continue };
        // Others may write to the temporary directory too: only what is ours counts.
        let ours =
            entry.metadata().is_ok_and(|data| data.is_dir() && data.uid() == geteuid().as_raw());
        if !ours || started(pid) == Some(start) {
            continue;
        }
        let base = entry.path();
        eprintln!("xtask: stopping the PostgreSQL of a killed run in {}", base.display());
        let mut stop = programs.as_server("pg_ctl", &base);
        stop.arg("-D").arg(data(&base)).args(["-m", "immediate", "-w", "-t", "30", "stop"]);
        // It may be down already; deleting its directory ends it at the latest.
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if let Err(error) = fs::remove_dir_all(&base) {
            eprintln!("xtask: cannot delete {}: {error}", base.display());
        }
    }
}

/// Process id and start time in the name of a directory.
fn owner(name: &str) -> Option<(u32, u64)> {
    let (pid, rest) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let (start, _) = rest.split_once('-')?;
    Some((pid.parse().ok()?, start.parse().ok()?))
}

/// When a process started, in clock ticks since boot; nothing if it is gone.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in parentheses and may hold anything, even those.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_who_owns_a_directory() {
        let pid = process::id();
        let name = format!("{}x7Qz", prefix().unwrap());
        assert_eq!(owner(&name), Some((pid, started(pid).unwrap())));
        assert_eq!(owner("rackwright-pg-old"), None);
        assert_eq!(owner("tmp-1-2-3"), None);
    }
}
