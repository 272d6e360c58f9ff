//! `rackwright` as a process.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{binary, place::Place};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// A command line that has not been started.
#[derive(Debug)]
pub struct Rackwright {
    command: Command,
    output: PathBuf,
}

impl Rackwright {
    pub(crate) fn new(place: &Place, arguments: &[&str]) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut command = Command::new(binary::rackwright()?);
        command.args(arguments).current_dir(binary::workspace());
        // What the person at the keyboard has set must not leak into a test.
        command.env_remove("RACKWRIGHT_LOG").env_remove("RACKWRIGHT_CREDENTIALS");
        command.env("RACKWRIGHT_STORE", place.url()).env("NO_COLOR", "1");
        command.env("RACKWRIGHT_DATA_DIR", place.path()).stdin(Stdio::null()).kill_on_drop(true);
        Ok(Self { command, output: place.path().join(format!("output-{number}")) })
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it. What it prints goes to files, so that no pipe can hold it up.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(mut self) -> Result<Process> {
        let file = |kind: &str| self.output.with_extension(kind);
        self.command.stdout(File::create(file("out"))?).stderr(File::create(file("err"))?);
        let child = self.command.spawn().context("rackwright can't be started")?;
        Ok(Process { child, output: self.output })
    }

    /// Starts it and waits for its end.
    ///
    /// # Errors
    /// When it can't be started, or does not end in time.
    pub async fn run(self, limit: Duration) -> Result<Ended> {
        self.start()?.wait(limit).await
    }
}

/// A process under way; killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: PathBuf,
}

impl Process {
    /// What it printed so far on the standard output.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn printed(&self) -> Result<String> {
        Ok(fs::read_to_string(self.output.with_extension("out"))?)
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it has not within `limit`; it is killed then.
    pub async fn wait(mut self, limit: Duration) -> Result<Ended> {
        let Ok(status) = timeout(limit, self.child.wait()).await else {
            self.child.start_kill()?;
            let ended = self.ended(None)?;
            bail!("rackwright has not ended after {limit:?}; it printed:\n{}", ended.all());
        };
        let code = status?.code();
        self.ended(code)
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// When the system does not let us.
    pub async fn kill(mut self) -> Result<Ended> {
        // An error means that it has ended before.
        let _ = self.child.start_kill();
        let code = self.child.wait().await?.code();
        self.ended(code)
    }

    /// Sends it SIGINT, as Ctrl-C does.
    ///
    /// # Errors
    /// When it has ended.
    pub fn interrupt(&self) -> Result<()> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(kill_process(id.context("the process has ended")?, Signal::INT)?)
    }

    /// Waits until a condition holds, or the process has ended: whether it holds.
    ///
    /// # Errors
    /// When `limit` passed.
    pub async fn until_or_end(
        &mut self,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<bool> {
        let begun = Instant::now();
        loop {
            let ended = self.child.try_wait()?.is_some();
            let held = holds(self)?;
            if held || ended {
                return Ok(held);
            }
            ensure!(begun.elapsed() < limit, "{what}: not within {limit:?}");
            sleep(LOOK).await;
        }
    }

    /// Waits until a condition holds.
    ///
    /// # Errors
    /// When the process ended before, or `limit` passed.
    pub async fn until(
        &mut self,
        what: &str,
        limit: Duration,
        holds: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        if !self.until_or_end(what, limit, holds).await? {
            bail!("rackwright ended before {what}; it printed:\n{}", self.ended(None)?.all());
        }
        Ok(())
    }

    fn ended(&self, code: Option<i32>) -> Result<Ended> {
        let read = |kind: &str| {
            let bytes = fs::read(self.output.with_extension(kind))?;
            anyhow::Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Ended { code, stdout: read("out")?, stderr: read("err")? })
    }
}

/// How a process ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit status; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl Ended {
    /// All that it printed.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Whether somebody else took a port of the lab while nobody served it, another lab for
    /// instance: then nothing was done, and it can be tried again.
    pub fn is_kept_out(&self) -> bool {
        self.code == Some(5) && self.stderr.contains("can't be bound again")
    }

    /// The exit status has to be this.
    ///
    /// # Errors
    /// When it is another; with what was printed.
    pub fn expect(self, code: i32) -> Result<Self> {
        let found = self.code;
        ensure!(found == Some(code), "exit status {found:?}, not {code}; printed:\n{}", self.all());
        Ok(self)
    }
}
