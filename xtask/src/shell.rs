//! Running other programs so that Ctrl-C and SIGTERM end them and never leave one behind.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(20);

static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// A signal asked this process to end.
#[derive(Debug)]
pub(crate) struct Interrupted(u8);

impl Interrupted {
    /// The exit code by which a shell knows a death by signal.
    pub(crate) fn exit_code(&self) -> u8 {
        128 + self.0
    }
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ended by signal {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// From now on signals are noted, and [`interrupted`] tells of them, so that guards run.
pub(crate) fn listen() -> anyhow::Result<()> {
    let cell = SIGNAL.get_or_init(Arc::default);
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        let number = usize::try_from(signal)?;
        signal_hook::flag::register_usize(signal, Arc::clone(cell), number)
            .context("cannot listen for signals")?;
    }
    Ok(())
}

/// An error once a signal has asked this process to end.
pub(crate) fn interrupted() -> Result<(), Interrupted> {
    let number = SIGNAL.get().map_or(0, |cell| cell.load(Ordering::SeqCst));
    match u8::try_from(number) {
        Ok(0) | Err(_) => Ok(()),
        Ok(number) => Err(Interrupted(number)),
    }
}

/// A running program and whatever it started: its process group ends with this guard.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts `command` in a group of its own, so that a Ctrl-C reaches it through us, in order.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        interrupted()?;
        command.process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {}", line(command)))?;
        Ok(Self { child })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard streams, as far as they were piped.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The lines of its standard output, which must be piped.
    pub(crate) fn lines(&mut self) -> anyhow::Result<Lines> {
        let out = self.child.stdout.take().context("standard output is not piped")?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for text in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        Ok(Lines(receiver))
    }

    /// Waits for the end; a signal to us meanwhile ends the program and is the error.
    pub(crate) fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                interrupted()?;
                return Ok(status);
            }
            interrupted()?;
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the group at once, as a power cut would.
    pub(crate) fn kill(&mut self) -> std::io::Result<()> {
        self.signal(Signal::KILL);
        self.child.wait().map(drop)
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // The group may be gone already: that is what we want.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let asked = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            // Again and again: a program may install its handlers only after it was asked.
            self.signal(if asked.elapsed() < GRACE { Signal::TERM } else { Signal::KILL });
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A command without standard input: what we run never asks.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// Runs to the end with the standard streams of this process; tells how it ended.
pub(crate) fn status(command: &mut Command) -> anyhow::Result<ExitStatus> {
    Running::start(command)?.wait()
}

/// Runs to the end; any exit code but 0 is an error.
pub(crate) fn check(command: &mut Command) -> anyhow::Result<()> {
    let status = status(command)?;
    anyhow::ensure!(status.success(), "{} failed: {status}", line(command));
    Ok(())
}

/// Runs to the end and gives every line of its standard output to `each` as it comes.
pub(crate) fn lines(
    command: &mut Command,
    mut each: impl FnMut(&str),
) -> anyhow::Result<ExitStatus> {
    let mut running = Running::start(command.stdout(Stdio::piped()))?;
    let lines = running.lines()?;
    while let Some(text) = lines.next(None)? {
        each(&text);
    }
    running.wait()
}

/// Runs to the end quietly and gives its standard output; an error holds what it complained of.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(command)?;
    let text = running.child().stdout.take().map(read_all);
    let errors = running.child().stderr.take().map(read_all);
    let status = running.wait()?;
    let join = |thread: Option<JoinHandle<String>>| thread.and_then(|thread| thread.join().ok());
    let (text, errors) = (join(text).unwrap_or_default(), join(errors).unwrap_or_default());
    anyhow::ensure!(status.success(), "{} failed: {status}\n{text}{errors}", line(command));
    Ok(text)
}

fn read_all(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is what there is to tell.
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The lines of a running program's standard output.
///
/// A thread of its own reads them, so that waiting for a line notices signals and deadlines.
pub(crate) struct Lines(mpsc::Receiver<String>);

impl Lines {
    /// The next line, or nothing at the end; passing the deadline or a signal is an error.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> anyhow::Result<Option<String>> {
        loop {
            match self.0.recv_timeout(Duration::from_millis(50)) {
                Ok(text) => return Ok(Some(text)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => interrupted()?,
            }
            let late = deadline.is_some_and(|deadline| Instant::now() > deadline);
            anyhow::ensure!(!late, "it took too long");
        }
    }
}

/// The exit code to pass on; a death by signal counts as 1.
pub(crate) fn code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        // Writing to a string cannot fail.
        let _ = write!(text, " {}", argument.to_string_lossy());
    }
    text
}
