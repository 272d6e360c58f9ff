//! The server programs of PostgreSQL, and the user that they run as.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{install, shell};

/// The oldest major version that the store supports.
const OLDEST: u32 = 14;

pub(super) struct Programs {
    directory: PathBuf,
    /// As root: the unprivileged user, by name.
    server_user: Option<&'static str>,
    /// Its user and group.
    pub(super) server_ids: Option<(u32, u32)>,
    pub(super) version: String,
}

impl Programs {
    pub(super) fn find_or_install() -> anyhow::Result<Self> {
        let directory = install::need("PostgreSQL's server", "postgresql", directory)?;
        let version = shell::output(shell::command(directory.join("postgres")).arg("--version"))?;
        let version = version.split_whitespace().nth(2).unwrap_or_default().to_owned();
        let major = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let major: u32 = major.parse().with_context(|| format!("version `{version}`"))?;
        anyhow::ensure!(major >= OLDEST, "PostgreSQL {version} is too old, {OLDEST} is needed");
        let mut programs = Self { directory, server_user: None, server_ids: None, version };
        if install::is_root() {
            let (user, ids) = unprivileged()?;
            (programs.server_user, programs.server_ids) = (Some(user), Some(ids));
        }
        Ok(programs)
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }

    /// A program run as the server's user: PostgreSQL refuses root.
    pub(super) fn as_server(&self, program: &str, directory: &Path) -> Command {
        let mut command = match self.server_user {
            Some(user) => {
                let mut command = shell::command("runuser");
                command.args(["-u", user, "--"]).arg(self.path(program));
                command
            }
            None => shell::command(self.path(program)),
        };
        command.current_dir(directory).env("LC_ALL", "C");
        command
    }
}

/// The directory of the server programs: what `pg_config` says, else Debian's newest.
fn directory() -> Option<PathBuf> {
    let said = install::find("pg_config")
        .and_then(|program| shell::output(shell::command(program).arg("--bindir")).ok())
        .map(|text| PathBuf::from(text.trim()));
    let mut debian: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    debian.sort_unstable();
    let debian = debian.into_iter().rev().map(|(_, path)| path);
    said.into_iter().chain(debian).find(|path| {
        ["initdb", "postgres", "pg_ctl"].iter().all(|program| path.join(program).is_file())
    })
}

/// `postgres`, which Debian's package makes, else `nobody`.
fn unprivileged() -> anyhow::Result<(&'static str, (u32, u32))> {
    let users = fs::read_to_string("/etc/passwd")?;
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| Some((name, ids(&users, name)?)))
        .context("PostgreSQL refuses root, and there is neither a user `postgres` nor `nobody`")
}

fn ids(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = passwd
        .lines()
        .map(|line| line.split(':'))
        .find(|fields| fields.clone().next() == Some(name))?;
    Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::ids;

    #[test]
    fn reads_the_ids_of_a_user() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres:x:103:112:,,,:/var:/bin/bash\n";
        assert_eq!(ids(passwd, "postgres"), Some((103, 112)));
        assert_eq!(ids(passwd, "post"), None);
    }
}
