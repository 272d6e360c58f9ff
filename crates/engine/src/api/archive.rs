//! Runs that are over, as a file: JSON lines that can be kept for years and read without a store.
//!
//! Each line is an object with one key, which says what it is:
//!
//! | key | what it holds |
//! |---|---|
//! | `archive` | the first line: `format` (1), and `at`, when it was written |
//! | `definition` | a workflow: `version`, `name`, `at`, and `canonical`, its text, whose SHA-256 is the version |
//! | `run` | the row of a run, as `runs list --json` prints it |
//! | `row` | a row of its journal: `run`, `seq`, `epoch`, `at` (microseconds), `events` |
//! | `value` | a large value that its rows name by the SHA-256 of its text: `run`, `json` |
//! | `end` | the last line: `runs`, how many there are. A file without it is not whole |
//!
//! Definitions come before their runs, and a run before its rows and values. The lines of all runs
//! of a family follow each other.

use std::{
    collections::HashSet,
    io::{BufRead, Write},
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Client, EngineError};
use crate::{
    model::{RunId, Timestamp, Version},
    runtime::{Unreadable, large_values},
    store::{
        Archived, Blob, Definition, Expired, JournalRow, MemoryStore, RunFilter, RunRecord,
        StoreError,
    },
};

/// The format that this release writes.
const FORMAT: u32 = 1;
/// How many rows and runs are read at once.
const PAGE: u32 = 1000;
/// How many runs and rows are removed at once.
const BATCH: u32 = 1000;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Archive { format: u32, at: Timestamp },
    Definition { version: Version, name: String, at: Timestamp, canonical: String },
    Run(Box<RunRecord>),
    Row { run: RunId, seq: u64, epoch: u64, at: Timestamp, events: Box<RawValue> },
    Value { run: RunId, json: Box<RawValue> },
    End { runs: u64 },
}

/// What an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArchiveCount {
    /// Runs that nobody started but a person or a schedule.
    pub families: u64,
    /// All runs.
    pub runs: u64,
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn broken(reason: impl ToString) -> EngineError {
    EngineError::Archive(reason.to_string())
}

impl Client {
    /// Families of runs that are over as a whole: of one workflow, or of all, whose outermost run
    /// ended before a moment.
    ///
    /// # Errors
    /// What the store says.
    pub async fn ended_families(
        &self,
        workflow: Option<&str>,
        before: Timestamp,
    ) -> Result<Vec<RunId>, EngineError> {
        let mut names: Vec<_> = match workflow {
            Some(name) => vec![name.to_owned()],
            None => self.store.definitions(None).await?.into_iter().map(|it| it.name).collect(),
        };
        names.dedup();
        let mut families = Vec::new();
        for workflow in names {
            let (before, keep, limit) = (Some(before), None, u32::MAX);
            let expired = Expired { workflow, before, keep, limit };
            families.extend(self.store.archive().expired(&expired).await?);
        }
        Ok(families)
    }

    /// Writes families of runs that are over, named by their outermost runs, as JSON lines; see
    /// `docs/archives.md`. Writes while others wait: hand it a buffer, or call it on a thread that
    /// may block.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if a run is a child, or one of its family has not ended;
    /// [`EngineError::Archive`] if it can't be written.
    pub async fn export(
        &self,
        roots: &[RunId],
        out: &mut (dyn Write + Send),
    ) -> Result<ArchiveCount, EngineError> {
        let at = self.store.now().await?;
        write(out, &Line::Archive { format: FORMAT, at })?;
        let mut count = ArchiveCount::default();
        let mut known = HashSet::new();
        for root in roots {
            count.families += 1;
            for record in self.family(*root).await? {
                count.runs += 1;
                if known.insert(record.version) {
                    self.export_definition(&record, out).await?;
                }
                self.export_run(record, out).await?;
            }
        }
        write(out, &Line::End { runs: count.runs })?;
        Ok(count)
    }

    /// All runs of a family that is over, the outermost first.
    async fn family(&self, root: RunId) -> Result<Vec<RunRecord>, EngineError> {
        let record = self.record(root).await?;
        if let Some(parent) = record.parent {
            return Err(EngineError::Refused(format!(
                "run {root} is a child of run {parent}: name run {}, which all of them belong to",
                record.root
            )));
        }
        let mut filter = RunFilter { root: Some(root), limit: PAGE, ..RunFilter::default() };
        let mut family = Vec::new();
        loop {
            let page = self.store.runs(&filter).await?;
            let full = page.len() == PAGE as usize;
            filter.before = page.last().map(|record| record.id);
            family.extend(page);
            if !full {
                break;
            }
        }
        family.sort_by_key(|record| (record.id != root, record.id));
        match family.iter().find(|record| !record.status.is_ended()) {
            Some(alive) => Err(EngineError::Refused(format!(
                "run {} has not ended: it is {}",
                alive.id, alive.status
            ))),
            None => Ok(family),
        }
    }

    async fn export_definition(
        &self,
        record: &RunRecord,
        out: &mut (dyn Write + Send),
    ) -> Result<(), EngineError> {
        let found = self.store.definition(record.version).await?;
        let unknown = || EngineError::UnknownWorkflow(record.workflow.clone());
        let Definition { version, name, canonical, at } = found.ok_or_else(unknown)?;
        let canonical = String::from_utf8(canonical.to_vec()).map_err(broken)?;
        write(out, &Line::Definition { version, name, at, canonical })
    }

    async fn export_run(
        &self,
        record: RunRecord,
        out: &mut (dyn Write + Send),
    ) -> Result<(), EngineError> {
        let run = record.id;
        write(out, &Line::Run(Box::new(record)))?;
        let mut written = HashSet::new();
        let mut next = 0;
        loop {
            let rows = self.store.journal(run, next, PAGE).await?;
            let mut values = large_values(&rows).map_err(|error| unreadable(run, &error))?;
            values.retain(|hash| written.insert(*hash));
            for row in &rows {
                let JournalRow { seq, epoch, at, events } = row;
                let (seq, epoch, at, events) = (*seq, *epoch, *at, raw(events)?);
                write(out, &Line::Row { run, seq, epoch, at, events })?;
            }
            for hash in values {
                let found = self.store.archive().blobs(run, &[hash]).await?.pop();
                let Some(blob) = found else {
                    return Err(broken(format!("the value {hash} of run {run} is not there")));
                };
                write(out, &Line::Value { run, json: raw(&blob.bytes)? })?;
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE as usize => next = last.seq + 1,
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Removes families of runs that are over: their runs, journals and large values. One that is
    /// not over, or not there, is left alone. Returns how many runs were removed.
    ///
    /// # Errors
    /// What the store says.
    pub async fn remove(&self, roots: &[RunId]) -> Result<u64, EngineError> {
        let archive = self.store.archive();
        let mut removed = 0;
        for root in roots {
            loop {
                let gone = archive.remove(*root, BATCH).await?;
                removed += gone;
                if gone < u64::from(BATCH) {
                    break;
                }
            }
        }
        while archive.clear(BATCH).await? > 0 {
            tokio::task::yield_now().await;
        }
        Ok(removed)
    }
}

fn unreadable(run: RunId, error: &Unreadable) -> EngineError {
    EngineError::Journal { run, reason: error.to_string() }
}

/// JSON as it stands: not a byte of it changes, so that hashes still fit.
fn raw(json: &[u8]) -> Result<Box<RawValue>, EngineError> {
    serde_json::from_slice(json).map_err(broken)
}

fn write(out: &mut (dyn Write + Send), line: &Line) -> Result<(), EngineError> {
    serde_json::to_writer(&mut *out, line).map_err(broken)?;
    out.write_all(b"\n").map_err(broken)
}

/// Reads an archive into a store in memory: what can be asked of a store, can be asked of it.
///
/// # Errors
/// [`EngineError::Archive`] with the line, if it is not one, not whole, or damaged.
pub fn read_archive(from: impl BufRead) -> Result<MemoryStore, EngineError> {
    let mut archived = Archived::default();
    let mut ended = false;
    let mut number = 0_u64;
    for text in from.lines() {
        number += 1;
        let wrong = |what: String| broken(format!("line {number}: {what}"));
        let text = text.map_err(|error| wrong(error.to_string()))?;
        if ended {
            return Err(wrong("something stands behind the end".to_owned()));
        }
        let line = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        ended = take(&mut archived, line, number == 1).map_err(wrong)?;
    }
    if !ended {
        return Err(broken(format!("it is not whole: its end is missing after line {number}")));
    }
    Ok(MemoryStore::of_archive(archived))
}

/// Takes a line in; whether it is the last.
fn take(archived: &mut Archived, line: Line, first: bool) -> Result<bool, String> {
    if first != matches!(line, Line::Archive { .. }) {
        return Err("an archive begins with a line `archive`, and has no other".to_owned());
    }
    match line {
        Line::Archive { format: FORMAT, .. } => {}
        Line::Archive { format, .. } => {
            return Err(format!("its format is {format}, and this release reads {FORMAT}"));
        }
        Line::Definition { version, name, at, canonical } => {
            let canonical = canonical.into();
            archived.definitions.push(Definition { version, name, canonical, at });
        }
        Line::Run(record) => archived.runs.push((*record, Vec::new())),
        Line::Row { run, seq, epoch, at, events } => {
            let events = String::from(Box::<str>::from(events)).into();
            let row = JournalRow { seq, epoch, at, events };
            archived.rows_of(run).map_err(|error| error.to_string())?.push(row);
        }
        Line::Value { run, json } => {
            let text = String::from(Box::<str>::from(json));
            archived.blobs.push((run, Blob::new(text)));
        }
        Line::End { runs } if runs == archived.runs.len() as u64 => return Ok(true),
        Line::End { runs } => {
            return Err(format!("it should hold {runs} runs, and holds {}", archived.runs.len()));
        }
    }
    Ok(false)
}

impl Archived {
    /// The rows of the run that was read last.
    fn rows_of(&mut self, run: RunId) -> Result<&mut Vec<JournalRow>, StoreError> {
        match self.runs.last_mut() {
            Some((record, rows)) if record.id == run => Ok(rows),
            Some(_) | None => Err(StoreError::Invalid(format!("a row of run {run}, out of order"))),
        }
    }
}
