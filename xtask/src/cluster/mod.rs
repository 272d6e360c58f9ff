//! A private PostgreSQL: on a free loopback port, in a temporary directory, as an unprivileged
//! user, with a password of its own; stopped and deleted when the guard goes.

mod programs;
mod stale;

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use tempfile::TempDir;

use self::programs::Programs;
use crate::shell;

/// The superuser of the cluster.
const USER: &str = "postgres";

/// What a commit must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing: tests throw the data away, and a killed server is never started again.
    None,
    /// A power cut, as in production.
    Full,
}

/// A running cluster.
pub(crate) struct Cluster {
    programs: Programs,
    base: TempDir,
    password: String,
    port: u16,
}

impl Cluster {
    /// Finds or installs PostgreSQL and starts a new cluster; also ends those of killed runs.
    ///
    /// `place` is the directory for its data.
    pub(crate) fn start(durability: Durability, place: &Path) -> anyhow::Result<Self> {
        let programs = Programs::find_or_install()?;
        stale::stop_all(&programs, place);
        let base = tempfile::Builder::new().prefix(&stale::prefix()?).tempdir_in(place)?;
        let mut cluster = Self { programs, base, password: secret()?, port: 0 };
        cluster.init(durability)?;
        cluster.serve()?;
        eprintln!("xtask: PostgreSQL {} listens on 127.0.0.1:{}", cluster.version(), cluster.port);
        Ok(cluster)
    }

    /// The address of the server, password included; `/database` may be put behind it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}", self.password, self.port)
    }

    /// The version of the server programs.
    pub(crate) fn version(&self) -> &str {
        &self.programs.version
    }

    /// A program of PostgreSQL (`psql`, `pgbench`), connected to this cluster's `database`.
    pub(crate) fn client(&self, program: &str, database: &str) -> Command {
        let mut command = shell::command(self.programs.path(program));
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", USER)
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", database);
        command
    }

    /// The process id of the server.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        let path = self.data().join("postmaster.pid");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        text.lines().next().unwrap_or_default().parse().context("postmaster.pid")
    }

    /// The directory that the server's user may write to.
    fn home(&self) -> PathBuf {
        self.base.path().join("server")
    }

    fn data(&self) -> PathBuf {
        stale::data(self.base.path())
    }

    fn init(&self, durability: Durability) -> anyhow::Result<()> {
        let home = self.home();
        fs::create_dir(&home)?;
        fs::set_permissions(&home, Permissions::from_mode(0o700))?;
        // The way down to `home` must be open to the server's user; its content is its own.
        fs::set_permissions(self.base.path(), Permissions::from_mode(0o711))?;
        let password_file = home.join("password");
        fs::write(&password_file, &self.password)?;
        if let Some((user, group)) = self.programs.server_ids {
            chown(&password_file, Some(user), Some(group))?;
            chown(&home, Some(user), Some(group))?;
        }
        let mut command = self.programs.as_server("initdb", self.base.path());
        command.arg("--pgdata").arg(self.data()).args(["--username", USER, "--encoding", "UTF8"]);
        command.args(["--locale", "C", "--no-instructions", "--no-sync"]);
        command.args(["--auth-local", "reject", "--auth-host", "password"]);
        command.arg("--pwfile").arg(&password_file);
        shell::output(&mut command).with_context(|| {
            format!(
                "the server's user must reach {}: choose another place by TMPDIR",
                self.base.path().display()
            )
        })?;
        let mut file = OpenOptions::new().append(true).open(self.data().join("postgresql.conf"))?;
        Ok(file.write_all(settings(durability).as_bytes())?)
    }

    /// Starts the server; a port that another program took meanwhile is changed for a new one.
    fn serve(&mut self) -> anyhow::Result<()> {
        let log = self.home().join("log");
        let mut last = None;
        for _ in 0..5 {
            self.port = free_port()?;
            let mut command = self.pg_ctl(&["-w", "-t", "60", "start"]);
            command.arg("-l").arg(&log).arg("-o").arg(format!("-p {}", self.port));
            match shell::output(&mut command) {
                Ok(_) => return Ok(()),
                Err(error) => last = Some(error),
            }
            shell::interrupted()?;
        }
        let log = fs::read_to_string(log).unwrap_or_default();
        let error = last.context("no attempt to start PostgreSQL")?;
        Err(error.context(format!("PostgreSQL does not start; its log:\n{log}")))
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Command {
        let mut command = self.programs.as_server("pg_ctl", self.base.path());
        command.arg("-D").arg(self.data()).args(arguments);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Not by `shell`: this must work when a signal has come, and another one may come.
        let mut command = self.pg_ctl(&["-m", "immediate", "-w", "-t", "30", "stop"]);
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        if self.data().join("postmaster.pid").exists()
            && !command.status().is_ok_and(|status| status.success())
        {
            eprintln!("xtask: could not stop PostgreSQL in {}", self.base.path().display());
        }
    }
}

fn settings(durability: Durability) -> String {
    let common = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n";
    let own = match durability {
        // Many test processes, each with pools of its own.
        Durability::None => {
            "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 400\n"
        }
        Durability::Full => {
            "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\nmax_connections = 200\n\
             shared_buffers = 512MB\n"
        }
    };
    format!("\n{common}{own}")
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Loopback is open to every user of the machine, so the superuser has a password.
fn secret() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
