//! Running a command.

use std::time::Duration;

use russh::ChannelMsg;

use super::{Session, SshError};

/// How much of each output stream is kept. The rest is read and dropped, so that the command
/// isn't stopped by a full pipe.
pub const DEFAULT_OUTPUT_LIMIT: usize = 64 * 1024;

/// Limits of a command.
#[derive(Clone, Copy, Debug)]
pub struct ExecLimits {
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// Bytes kept of standard output, and as many of standard error.
    pub output: usize,
}

impl Default for ExecLimits {
    fn default() -> Self {
        Self { timeout: None, output: DEFAULT_OUTPUT_LIMIT }
    }
}

/// What a command left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// The exit status; absent when a signal ended the command.
    pub exit: Option<u32>,
    /// The signal that ended it, without `SIG`: `TERM`.
    pub signal: Option<String>,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
}

/// What was kept of an output stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes of it.
    pub bytes: Vec<u8>,
    /// Whether there was more.
    pub truncated: bool,
}

impl Captured {
    fn push(&mut self, data: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&data[..data.len().min(room)]);
        self.truncated |= data.len() > room;
    }

    /// The text; bytes that are not UTF-8 are replaced, and a character that the limit cut in
    /// two is dropped.
    pub fn text(&self) -> String {
        let kept = match std::str::from_utf8(&self.bytes) {
            Err(error) if self.truncated && error.error_len().is_none() => error.valid_up_to(),
            _ => self.bytes.len(),
        };
        String::from_utf8_lossy(&self.bytes[..kept]).into_owned()
    }
}

/// RFC 4254 §5.2: the only extended data type is standard error.
const STDERR: u32 = 1;

impl Session {
    /// Runs a command in the login shell of the user and waits for its end. Without an exit
    /// status or signal the connection counts as lost.
    pub async fn exec(&self, command: &str, limits: ExecLimits) -> Result<ExecOutput, SshError> {
        self.bounded("the command", limits.timeout, self.exec_unbounded(command, limits.output))
            .await
    }

    async fn exec_unbounded(&self, command: &str, limit: usize) -> Result<ExecOutput, SshError> {
        let lost = |_| SshError::Lost { host: self.host.clone(), what: "a command".to_owned() };
        let mut channel = self.handle.channel_open_session().await.map_err(lost)?;
        channel.exec(true, command).await.map_err(lost)?;
        let mut output = ExecOutput::default();
        while let Some(message) = channel.wait().await {
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "russh's enum: the rest is not for us"
            )]
            match message {
                ChannelMsg::Data { data } => output.stdout.push(&data, limit),
                ChannelMsg::ExtendedData { data, ext: STDERR } => output.stderr.push(&data, limit),
                ChannelMsg::ExitStatus { exit_status } => output.exit = Some(exit_status),
                ChannelMsg::ExitSignal { signal_name, .. } => {
                    output.signal = Some(signal_text(&signal_name));
                }
                ChannelMsg::Failure => {
                    return Err(SshError::Refused {
                        host: self.host.clone(),
                        what: "to run a command".to_owned(),
                        reason: "the account may be restricted".to_owned(),
                    });
                }
                _ => {}
            }
        }
        if output.exit.is_none() && output.signal.is_none() {
            return Err(lost(russh::Error::HUP));
        }
        Ok(output)
    }
}

fn signal_text(signal: &russh::Sig) -> String {
    match signal {
        russh::Sig::Custom(name) => name.clone(),
        russh::Sig::ABRT
        | russh::Sig::ALRM
        | russh::Sig::FPE
        | russh::Sig::HUP
        | russh::Sig::ILL
        | russh::Sig::INT
        | russh::Sig::KILL
        | russh::Sig::PIPE
        | russh::Sig::QUIT
        | russh::Sig::SEGV
        | russh::Sig::TERM
        | russh::Sig::USR1 => format!("{signal:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_at_the_limit_and_says_so() {
        let mut captured = Captured::default();
        captured.push(b"abc", 5);
        assert!(!captured.truncated);
        captured.push(b"de", 5);
        assert!(!captured.truncated);
        captured.push(b"f", 5);
        assert_eq!(captured.text(), "abcde");
        assert!(captured.truncated);
    }

    #[test]
    fn a_character_cut_in_two_is_dropped_and_a_broken_one_replaced() {
        let mut captured = Captured::default();
        captured.push("aé".as_bytes(), 2);
        assert_eq!(captured.text(), "a");
        let mut captured = Captured::default();
        captured.push(b"a\xe9b", 10);
        assert_eq!(captured.text(), "a\u{fffd}b");
    }
}
