//! What is logged, to the standard error: warnings, unless `RUST_LOG` says otherwise.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Where logs go. While a live tree is drawn they are held, for the drawer to put above it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logs(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    holding: bool,
    text: Vec<u8>,
}

impl Logs {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds logs back from now on.
    pub(crate) fn hold(&self) {
        self.lock().holding = true;
    }

    /// What was held since it was asked last.
    pub(crate) fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.lock().text)).into_owned()
    }

    /// Lets logs through again, those that were held first.
    pub(crate) fn release(&self) {
        let mut held = self.lock();
        held.holding = false;
        let text = std::mem::take(&mut held.text);
        let _ = io::stderr().write_all(&text);
    }
}

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.lock();
        if held.holding {
            held.text.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Starts logging.
pub(crate) fn start() -> Logs {
    let logs = Logs::default();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_writer(logs.clone())
        .init();
    logs
}
