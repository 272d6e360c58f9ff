//! What was asked of the lab: one JSON line per request.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use rackwright_engine::model::Timestamp;
use serde::{Deserialize, Serialize};

const FILE: &str = "lab-requests.jsonl";

/// Who was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// The MAAS API.
    Maas,
    /// A machine's SSH server.
    Ssh,
}

/// One request. Written before the client gets its answer, after the state that it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it was answered.
    pub at: Timestamp,
    /// Who was asked.
    pub service: Service,
    /// Host name of the machine that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Method and path, command line, or `PUT file`.
    pub what: String,
    /// What came with it: form fields as `name=value&…`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub form: String,
    /// The answer: HTTP status or exit status. Absent where the client got no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u32>,
}

impl Record {
    /// Reads the record of the lab in `dir`, oldest first; empty if nothing was asked yet. A last
    /// line that is still being written is left out.
    ///
    /// # Errors
    /// When the file can't be read, or a line is none of ours.
    pub fn read(dir: &Path) -> io::Result<Vec<Self>> {
        let text = match std::fs::read_to_string(dir.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
    }
}

/// Appends records. Each is one `write(2)` on a file opened for appending, so that lines of
/// several processes never mix and a killed process leaves whole lines.
#[derive(Debug)]
pub(crate) struct Recorder(File);

impl Recorder {
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(dir.join(FILE)).map(Self)
    }

    pub(crate) fn write(&self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        (&self.0).write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_torn_line_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), []);
        let record = Record {
            at: Timestamp::from_micros(5),
            service: Service::Maas,
            machine: Some("srv001".into()),
            what: "POST /x".into(),
            form: "a=b".into(),
            status: Some(200),
        };
        let recorder = Recorder::open(dir.path()).unwrap();
        recorder.write(&record).unwrap();
        recorder.write(&record).unwrap();
        (&recorder.0).write_all(b"{\"at\":").unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), [record.clone(), record]);
    }
}
