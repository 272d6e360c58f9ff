//! A connection on behalf of a step: its errors are step errors, and what changes the machine
//! checks the fence first.

use std::time::Duration;

use rackwright_engine::{StepContext, StepError};

use super::Target;
use crate::client::{ExecLimits, ExecOutput, Interrupted, Session, SshError};

pub(crate) struct Remote {
    session: Session,
    ctx: StepContext,
    /// What an interrupted change means for this step.
    interrupted: Interrupted,
}

/// Files that the tools write: Supermicro's exports are the largest, some 500 KiB.
pub(crate) const FILE_LIMIT: usize = 16 * 1024 * 1024;

impl Remote {
    pub(crate) async fn connect(
        ctx: &StepContext,
        target: &Target,
        interrupted: Interrupted,
    ) -> Result<Self, StepError> {
        let endpoint = target.endpoint()?;
        let credential = ctx.credential(&target.credential).await?;
        ctx.report(format!("Connecting to {}:{}", target.host, target.port), None);
        let session = Session::connect(&endpoint, &credential, ctx.cancellation().clone()).await;
        // Nothing was asked yet, so nothing can be half done.
        let session = session.map_err(|error| error.into_step(Interrupted::Harmless))?;
        Ok(Self { session, ctx: ctx.clone(), interrupted })
    }

    pub(crate) async fn close(self) {
        self.session.close().await;
    }

    /// Runs a command that changes nothing.
    pub(crate) async fn query(
        &self,
        command: &str,
        limits: ExecLimits,
    ) -> Result<ExecOutput, StepError> {
        let output = self.session.exec(command, self.within(limits)).await;
        output.map_err(|error| error.into_step(Interrupted::Harmless))
    }

    /// Runs a command that may change the machine.
    pub(crate) async fn change(
        &self,
        command: &str,
        limits: ExecLimits,
    ) -> Result<ExecOutput, StepError> {
        self.ctx.fence()?;
        let output = self.session.exec(command, self.within(limits)).await;
        output.map_err(|error| error.into_step(self.interrupted))
    }

    pub(crate) async fn read_file(&self, path: &str, limit: usize) -> Result<Vec<u8>, StepError> {
        harmless(self.session.read_file(path, limit, self.ctx.remaining()).await)
    }

    pub(crate) async fn file_is(&self, path: &str, content: &[u8]) -> Result<bool, StepError> {
        harmless(self.session.file_is(path, content, self.ctx.remaining()).await)
    }

    /// Writes a file, whole or not at all: repeating it is harmless.
    pub(crate) async fn write_file(
        &self,
        path: &str,
        content: &[u8],
        mode: u32,
    ) -> Result<(), StepError> {
        self.ctx.fence()?;
        harmless(self.session.write_file(path, content, mode, self.ctx.remaining()).await)
    }

    /// The step's own deadline ends a command too.
    fn within(&self, limits: ExecLimits) -> ExecLimits {
        let timeout = match (limits.timeout, self.ctx.remaining()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        ExecLimits { timeout, ..limits }
    }
}

fn harmless<T>(result: Result<T, SshError>) -> Result<T, StepError> {
    result.map_err(|error| error.into_step(Interrupted::Harmless))
}

/// A word for a POSIX shell.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A time-out with the usual output limit.
pub(crate) fn limits(timeout: Duration) -> ExecLimits {
    ExecLimits { timeout: Some(timeout), ..ExecLimits::default() }
}

/// The evidence of a command, for an error's details.
pub(crate) fn evidence(output: &ExecOutput) -> serde_json::Value {
    serde_json::json!({
        "exit": output.exit,
        "signal": output.signal,
        "stdout": tail(&output.stdout.text()),
        "stderr": tail(&output.stderr.text()),
    })
}

/// How a command ended, in words.
pub(crate) fn ending(output: &ExecOutput) -> String {
    match (output.exit, &output.signal) {
        (Some(exit), _) => format!("exit status {exit}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit status".to_owned(),
    }
}

/// What went wrong is said last.
fn tail(text: &str) -> String {
    const KEEP: usize = 2000;
    let skip = text.chars().count().saturating_sub(KEEP);
    text.chars().skip(skip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quote("/tmp/a-b.xml"), "/tmp/a-b.xml");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("$(x)"), "'$(x)'");
    }
}
