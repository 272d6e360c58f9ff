//! `ssh.upload` and `ssh.download`: files over SFTP.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use rackwright_engine::{Describe, Effect, Executor, StepContext, StepError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Target,
    remote::{FILE_LIMIT, Remote},
};
use crate::client::Interrupted;

/// Input of `ssh.upload`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadInput {
    #[serde(flatten)]
    target: Target,
    /// The file on the machine.
    path: String,
    /// Its content, as text.
    #[serde(default)]
    content: Option<String>,
    /// Its content, in base64 (RFC 4648 §4): instead of `content`.
    #[serde(default)]
    content_base64: Option<String>,
    /// The SHA-256 that the content must have, in hexadecimal.
    #[serde(default)]
    sha256: Option<String>,
    /// Its permissions, in octal, where it has to be written.
    #[serde(default = "UploadInput::default_mode")]
    mode: String,
}

impl UploadInput {
    fn default_mode() -> String {
        "0644".to_owned()
    }

    fn bytes(&self) -> Result<Vec<u8>, StepError> {
        let invalid = |message: &str| StepError::permanent("ssh.upload_input", message);
        match (&self.content, &self.content_base64) {
            (Some(text), None) => Ok(text.clone().into_bytes()),
            (None, Some(text)) => BASE64
                .decode(text.trim())
                .map_err(|error| invalid(&format!("`content_base64` is not base64: {error}"))),
            (None, None) => Err(invalid("give `content` or `content_base64`")),
            (Some(_), Some(_)) => Err(invalid("give `content` or `content_base64`, not both")),
        }
    }

    fn permissions(&self) -> Result<u32, StepError> {
        u32::from_str_radix(&self.mode, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(|| {
            let message = format!("`mode` is `{}`, not octal permissions such as 0644", self.mode);
            StepError::permanent("ssh.upload_input", message)
        })
    }
}

/// Output of `ssh.upload`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UploadOutput {
    /// The file on the machine.
    pub path: String,
    /// Its size in bytes.
    pub size: usize,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Whether it had to be written: false if it held the same already.
    pub changed: bool,
}

/// `ssh.upload`.
#[derive(Clone, Copy, Debug)]
pub struct Upload;

impl Executor for Upload {
    type Input = UploadInput;
    type Output = UploadOutput;

    fn describe(&self) -> Describe {
        Describe::new("ssh.upload", Effect::Idempotent)
            .about("Writes a file on a machine, whole or not at all, and compares it")
    }

    async fn run(&self, ctx: &StepContext, input: UploadInput) -> Result<UploadOutput, StepError> {
        let content = input.bytes()?;
        let mode = input.permissions()?;
        let sha256 = sha256(&content);
        verify(&input.path, &sha256, input.sha256.as_deref())?;
        let remote = Remote::connect(ctx, &input.target, Interrupted::Harmless).await?;
        ctx.report("Comparing the file", None);
        let changed = !remote.file_is(&input.path, &content).await?;
        if changed {
            ctx.report("Writing the file", None);
            remote.write_file(&input.path, &content, mode).await?;
        }
        remote.close().await;
        Ok(UploadOutput { path: input.path, size: content.len(), sha256, changed })
    }
}

/// Input of `ssh.download`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DownloadInput {
    #[serde(flatten)]
    target: Target,
    /// The file on the machine.
    path: String,
    /// The SHA-256 that it must have, in hexadecimal.
    #[serde(default)]
    sha256: Option<String>,
    /// The most bytes that are taken: the content goes into the journal.
    #[serde(default = "DownloadInput::default_limit")]
    max_bytes: usize,
}

impl DownloadInput {
    fn default_limit() -> usize {
        1024 * 1024
    }
}

/// Output of `ssh.download`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DownloadOutput {
    /// The file on the machine.
    pub path: String,
    /// The content, if it is UTF-8.
    pub content: Option<String>,
    /// The content in base64, if it is not.
    pub content_base64: Option<String>,
    /// Its size in bytes.
    pub size: usize,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// `ssh.download`.
#[derive(Clone, Copy, Debug)]
pub struct Download;

impl Executor for Download {
    type Input = DownloadInput;
    type Output = DownloadOutput;

    fn describe(&self) -> Describe {
        Describe::new("ssh.download", Effect::Read).about("Reads a file from a machine")
    }

    async fn run(
        &self,
        ctx: &StepContext,
        input: DownloadInput,
    ) -> Result<DownloadOutput, StepError> {
        let remote = Remote::connect(ctx, &input.target, Interrupted::Harmless).await?;
        ctx.report("Reading the file", None);
        let bytes = remote.read_file(&input.path, input.max_bytes.min(FILE_LIMIT)).await?;
        remote.close().await;
        let (size, sha256) = (bytes.len(), sha256(&bytes));
        verify(&input.path, &sha256, input.sha256.as_deref())?;
        let (content, content_base64) = match String::from_utf8(bytes) {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(BASE64.encode(error.as_bytes()))),
        };
        Ok(DownloadOutput { path: input.path, content, content_base64, size, sha256 })
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn verify(path: &str, found: &str, expected: Option<&str>) -> Result<(), StepError> {
    match expected {
        Some(expected) if !expected.trim().eq_ignore_ascii_case(found) => {
            let message = format!("{path}: the SHA-256 is {found}, not {}", expected.trim());
            Err(StepError::permanent("ssh.checksum", message))
        }
        _ => Ok(()),
    }
}
