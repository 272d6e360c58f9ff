//! Batches turned into the two parameters that a statement takes: a JSON array, and bytes.

use std::{io::Write, sync::LazyLock};

use hex::encode;
use serde_json::{Value, json};

use crate::store::{Append, Outgoing, StoreError, sql::signed};

/// Bytes laid one after the other, with the place of each for SQLite's `substr`, which counts from 1.
#[derive(Default)]
pub(super) struct Packed {
    pub(super) meta: String,
    pub(super) bytes: Vec<u8>,
}

fn place(bytes: &[u8]) -> Result<i64, StoreError> {
    signed(bytes.len() as u64 + 1)
}

/// What stands before the events of a row in `append/rows.sql`.
const HEAD: usize = 86;

/// The rows for `append/rows.sql`.
pub(super) fn rows(batch: &[(usize, &Append)]) -> Result<Packed, StoreError> {
    let size = batch.iter().map(|(_, append)| append.events.len() + HEAD).sum();
    let mut bytes = Vec::with_capacity(size);
    let mut places = Vec::with_capacity(batch.len());
    for (_, append) in batch {
        places.push(place(&bytes)?);
        bytes.extend_from_slice(append.run.0.as_bytes());
        let (seq, epoch) = (signed(append.seq)?, signed(append.epoch)?);
        let (at, length) = (append.at.micros(), append.events.len());
        write!(bytes, "{seq:020}{epoch:020}{at:020}{length:010}")
            .map_err(|error| StoreError::Invalid(error.to_string()))?;
        bytes.extend_from_slice(&append.events);
    }
    Ok(Packed { meta: to_json(&places)?, bytes })
}

/// The question of `settle.sql`.
pub(super) fn questions(batch: &[(usize, &Append)]) -> Result<Packed, StoreError> {
    let mut packed = Packed::default();
    let mut meta = Vec::with_capacity(batch.len());
    for (_, append) in batch {
        let new = append.create.as_deref();
        meta.push(json!([
            place(&packed.bytes)?,
            append.events.len(),
            append.seq,
            append.epoch,
            new.map(|new| &new.workflow),
            new.and_then(|new| new.idempotency_key.as_ref()),
        ]));
        packed.bytes.extend_from_slice(append.run.0.as_bytes());
        packed.bytes.extend_from_slice(&append.events);
    }
    packed.meta = to_json(&meta)?;
    Ok(packed)
}

/// Messages for `send.sql`.
pub(super) fn messages<'a>(
    messages: impl Iterator<Item = &'a Outgoing>,
) -> Result<Packed, StoreError> {
    let mut packed = Packed::default();
    let mut meta = Vec::new();
    for message in messages {
        let to = encode(message.to.0.as_bytes());
        meta.push(json!([place(&packed.bytes)?, message.body.len(), to, message.dedup]));
        packed.bytes.extend_from_slice(&message.body);
    }
    packed.meta = to_json(&meta)?;
    Ok(packed)
}

/// What a batch changes beside the journal, as the parameters of the statements that do it.
#[derive(Default)]
pub(super) struct Rides {
    /// For `append/create.sql`.
    pub(super) created: Vec<Value>,
    /// For `append/change.sql`.
    pub(super) changed: Vec<Value>,
    /// For `append/consume.sql`.
    pub(super) consumed: Vec<Value>,
    /// For `append/clear.sql`.
    pub(super) ended: Vec<Value>,
}

impl Rides {
    pub(super) fn of(batch: &[(usize, &Append)]) -> Self {
        let mut rides = Self::default();
        for (_, append) in batch {
            rides.add(append);
        }
        rides
    }

    /// Begins a transaction, makes runs if there are any, adds the rows, then does what else is to
    /// be done: each thing that is asked of the database apart from others costs two changes of
    /// thread. The parts share their parameters, which are always bound. They are written `$6` and
    /// not `?6`, which in SQLite says that there are five before it.
    pub(super) fn statement(&self) -> &'static str {
        static ALL: LazyLock<Vec<String>> = LazyLock::new(|| (0..8).map(text).collect());
        let does = [&self.created, &self.changed, &self.consumed].map(|it| !it.is_empty());
        ALL.get(bits(does)).map_or("", String::as_str)
    }

    fn add(&mut self, append: &Append) {
        let run = encode(append.run.0.as_bytes());
        if let Some((new, update)) = append.created() {
            self.created.push(json!({
                "id": run,
                "workflow": new.workflow,
                "version": encode(new.version.0),
                "key": new.idempotency_key,
                "parent": new.parent.map(|run| encode(run.0.as_bytes())),
                "root": encode(new.root.0.as_bytes()),
                "labels": new.labels,
                "requires": new.requires(),
                "status": update.status.as_str(),
                "owner": new.owner.filter(|_| !update.release).map(|node| encode(node.0.as_bytes())),
                "epoch": append.epoch,
                "wake_at": update.wake_at,
                "at": append.at,
            }));
        } else if let Some(update) = append.update {
            let update = update.settled(append.at);
            let status = update.status.as_str();
            let version = update.version.map(|version| version.to_string());
            let (wake_at, release, at) = (update.wake_at, update.release, append.at);
            let (seq, epoch) = (append.seq, append.epoch);
            self.changed.push(json!([run, status, wake_at, release, at, version, seq, epoch]));
            if update.status.is_ended() {
                self.ended.push(json!(run));
            }
        }
        self.consumed.extend(append.consumed.iter().map(|id| json!([run, id])));
    }
}

const fn bits([makes, changes, consumes]: [bool; 3]) -> usize {
    makes as usize | (changes as usize) << 1 | (consumes as usize) << 2
}

/// The statement of [`Rides::statement`] for these [`bits`].
fn text(shape: usize) -> String {
    let mut parts = vec!["BEGIN IMMEDIATE"];
    if shape & bits([true, false, false]) != 0 {
        parts.push(include_str!("sql/append/create.sql"));
    }
    parts.push(include_str!("sql/append/rows.sql"));
    if shape & bits([false, true, false]) != 0 {
        parts.push(include_str!("sql/append/change.sql"));
        parts.push(include_str!("sql/append/clear.sql"));
    }
    if shape & bits([false, false, true]) != 0 {
        parts.push(include_str!("sql/append/consume.sql"));
    }
    parts.join(";\n")
}

/// Serializes a statement's parameter.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Invalid(error.to_string()))
}
