//! A PostgreSQL server of a test's own, for tests that restart it.

use std::{
    env, fs,
    fs::Permissions,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{PermissionsExt as _, chown},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use rustix::process::getuid;
use tempfile::TempDir;

/// The server's superuser.
const USER: &str = "postgres";
/// Loopback is open to all of the machine; nothing else is in there than what a test writes.
const PASSWORD: &str = "of-a-test";

/// A running server; stopped and deleted when it is dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    base: TempDir,
    port: u16,
}

impl Postgres {
    /// Starts a new one, or says that PostgreSQL's server programs are missing: then the test is
    /// skipped, or fails where `RACKWRIGHT_REQUIRE_PEERS` asks for it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start() -> Result<Option<Self>> {
        let Some(programs) = programs() else {
            ensure!(
                env::var_os("RACKWRIGHT_REQUIRE_PEERS").is_none(),
                "PostgreSQL's server programs are missing: install `postgresql`"
            );
            eprintln!("SKIPPED: PostgreSQL's server programs are missing: install `postgresql`");
            return Ok(None);
        };
        let base = TempDir::with_prefix("rackwright-postgres-")?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let server = Self { programs, base, port };
        server.init()?;
        server.control(&["start", "-l", "log"])?;
        Ok(Some(server))
    }

    /// The port on loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the database that every server has, through this port of loopback.
    pub fn url(&self, port: u16) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres")
    }

    /// Stops and starts it. `crash`: without any goodbye, and recovering from its log.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn restart(&self, crash: bool) -> Result<()> {
        self.control(&["-m", if crash { "immediate" } else { "fast" }, "stop"])?;
        self.control(&["start", "-l", "log"])
    }

    fn init(&self) -> Result<()> {
        let home = self.base.path().join("home");
        fs::create_dir(&home)?;
        fs::set_permissions(self.base.path(), Permissions::from_mode(0o711))?;
        fs::set_permissions(&home, Permissions::from_mode(0o700))?;
        fs::write(home.join("password"), PASSWORD)?;
        if let Some((user, group)) = server_ids()? {
            chown(home.join("password"), Some(user), Some(group))?;
            chown(&home, Some(user), Some(group))?;
        }
        let mut command = self.program("initdb")?;
        command.args(["-D", "data", "-U", USER, "-A", "password", "--pwfile", "password"]);
        run(command.args(["-E", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"]))?;
        // What was acknowledged has to survive the end of the server, though not a power cut.
        let settings = format!(
            "\nlisten_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nfsync = off\n",
            self.port
        );
        let file = home.join("data/postgresql.conf");
        let before = fs::read_to_string(&file)?;
        Ok(fs::write(file, before + &settings)?)
    }

    fn control(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.program("pg_ctl")?;
        run(command.args(["-D", "data", "-w", "-t", "60"]).args(arguments))
    }

    /// A program of the server, run as its user: PostgreSQL refuses root.
    fn program(&self, name: &str) -> Result<Command> {
        let path = self.programs.join(name);
        let mut command = match server_ids()? {
            Some(_) => {
                let mut command = Command::new("runuser");
                command.args(["-u", USER, "--"]).arg(path);
                command
            }
            None => Command::new(path),
        };
        command.current_dir(self.base.path().join("home")).env("LC_ALL", "C");
        Ok(command)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.control(&["-m", "immediate", "stop"]) {
            eprintln!("PostgreSQL on port {} was not stopped: {error:#}", self.port);
        }
    }
}

/// The server goes on after its starter, so it must not keep our pipes open.
fn run(command: &mut Command) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// As root: the user and group that the server runs as.
fn server_ids() -> Result<Option<(u32, u32)>> {
    if !getuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = line.context("there is no user `postgres`")?.split(':').skip(2);
    let mut number = || fields.next().and_then(|it| it.parse().ok()).context("/etc/passwd");
    Ok(Some((number()?, number()?)))
}

/// The directory of the server programs: what `pg_config` says, else Debian's newest.
fn programs() -> Option<PathBuf> {
    let said = Command::new("pg_config").arg("--bindir").output().ok();
    let said = said.map(|it| PathBuf::from(String::from_utf8_lossy(&it.stdout).trim()));
    let entries = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = entries
        .filter_map(|it| Some((it.file_name().to_str()?.parse::<u32>().ok()?, it.path())))
        .collect();
    debian.sort_unstable();
    let debian = debian.into_iter().rev().map(|(_, path)| path.join("bin"));
    said.into_iter().chain(debian).find(|path| path.join("initdb").is_file())
}
