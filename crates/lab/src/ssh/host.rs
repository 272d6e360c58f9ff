//! What a machine's operating system and its BMC remember: files and jobs.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use rackwright_engine::model::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a machine remembers beside its hardware state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Files by their absolute path.
    #[serde(default)]
    pub files: BTreeMap<String, HostFile>,
    /// Jobs of the BMC, oldest first.
    #[serde(default)]
    pub jobs: Vec<Job>,
}

/// A file. Directories are not kept: every path is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFile {
    /// Permission bits.
    pub mode: u32,
    /// Content, in the state file as base64.
    #[serde(serialize_with = "write_base64", deserialize_with = "read_base64")]
    pub content: Vec<u8>,
}

fn write_base64<S: Serializer>(content: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(content))
}

fn read_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(de::Error::custom)
}

/// A job of the Lifecycle Controller (Dell).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// `JID_` and twelve digits.
    pub id: String,
    /// What it does, as the job queue names it.
    pub name: String,
    /// When it began.
    pub begun: Timestamp,
    /// When it is done, or waits for a boot.
    pub ends: Timestamp,
    /// How it ends.
    pub end: JobEnd,
}

/// How a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobEnd {
    /// An export succeeds.
    Exported,
    /// An import has put settings by for the next boot.
    Staged,
    /// An import found nothing to change.
    Unchanged,
    /// An import met settings or values that the machine doesn't know.
    Errors,
    /// An import fails as a whole.
    Failed,
}

impl Host {
    /// Writes a file.
    pub(crate) fn write(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        let file = HostFile { mode: 0o644, content: content.into() };
        self.files.insert(path.to_owned(), file);
    }

    /// A file's content as text; what is not UTF-8 is replaced.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let file = self.files.get(path)?;
        Some(String::from_utf8_lossy(&file.content).into_owned())
    }
}
