//! Journal rows: events as JSON, and what is too large for them beside.
//!
//! A row is a JSON array of events. An event is an object with one key, its name. Where fields of
//! it are large, they are null there, and a second key says where they are:
//!
//! ```json
//! {"completed": {"step": 3, "output": null},
//!  "beside": {"output": {"sha256": "…", "bytes": 2097152}}}
//! ```
//!
//! They are written with the row, in the same commit, and read with it.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::{
    machine::Event,
    model::{RunId, Timestamp},
    store::{Blob, BlobHash, JournalRow, Store, StoreError},
};

/// The key that stands beside an event's name.
const BESIDE: &str = "beside";
/// How a row that may hold one is told from all others; a user's own key of that name is no harm.
const MARK: &[u8] = b"\"beside\":";

/// Where a field's value is.
#[derive(Debug, Serialize, Deserialize)]
struct Reference {
    sha256: String,
    bytes: usize,
}

type Fields<'a> = IndexMap<String, &'a RawValue>;

/// Why a journal can't be read.
#[derive(Debug, Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("row {row} of its journal: {error}")]
    Row { row: u64, error: serde_json::Error },
    #[error("row {row} of its journal names the value {hash}, which is not beside it")]
    Missing { row: u64, hash: String },
}

/// Plain data, made of strings, numbers, lists and string-keyed maps: it always has a JSON form.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec())
}

/// Writes a turn as a row; fields of more than `large` bytes go beside it.
pub(crate) fn encode(events: &[Event], large: usize) -> (Bytes, Vec<Blob>) {
    let whole = json(events);
    if whole.len() <= large {
        return (whole.into(), Vec::new());
    }
    drop(whole);
    let mut row = vec![b'['];
    let mut blobs = Vec::new();
    for (place, event) in events.iter().enumerate() {
        if place > 0 {
            row.push(b',');
        }
        let text = json(event);
        let cut = if text.len() > large { cut(&text, large, &mut blobs) } else { None };
        row.extend(cut.unwrap_or(text));
    }
    row.push(b']');
    let mut seen = HashSet::new();
    blobs.retain(|blob| seen.insert(blob.hash));
    (row.into(), blobs)
}

/// Takes the large fields out of an event; none if it has no such field.
fn cut(text: &[u8], large: usize, blobs: &mut Vec<Blob>) -> Option<Vec<u8>> {
    let event: IndexMap<String, Fields<'_>> = serde_json::from_slice(text).ok()?;
    let (name, mut fields) = event.into_iter().next()?;
    let mut beside = IndexMap::new();
    for (field, value) in &mut fields {
        let bytes = value.get().len();
        if bytes > large {
            let blob = Blob::new(Bytes::copy_from_slice(value.get().as_bytes()));
            beside.insert(field.clone(), Reference { sha256: blob.hash.to_string(), bytes });
            blobs.push(blob);
            *value = RawValue::NULL;
        }
    }
    if beside.is_empty() {
        return None;
    }
    let (fields, beside) = (json(&fields), json(&beside));
    let parts: [&[u8]; 7] = [b"{", &json(&name), b":", &fields, b",\"beside\":", &beside, b"}"];
    Some(parts.concat())
}

/// The events of rows of one run, each with its row's time, with what is kept beside them in place.
pub(crate) async fn read(
    store: &dyn Store,
    run: RunId,
    rows: &[JournalRow],
) -> Result<Vec<Vec<(Timestamp, Event)>>, Unreadable> {
    let wanted = large_values(rows)?;
    let mut blobs = HashMap::new();
    if !wanted.is_empty() {
        let found = store.archive().blobs(run, &wanted).await?;
        blobs.extend(found.into_iter().map(|blob| (blob.hash, blob.bytes)));
    }
    rows.iter().map(|row| decode(row, &blobs)).collect()
}

/// The names of the values beside some rows, each once.
pub(crate) fn large_values(rows: &[JournalRow]) -> Result<Vec<BlobHash>, Unreadable> {
    let mut wanted = HashSet::new();
    for row in rows.iter().filter(|row| may_refer(&row.events)) {
        references(&row.events, &mut wanted)
            .map_err(|error| Unreadable::Row { row: row.seq, error })?;
    }
    let mut wanted: Vec<_> = wanted.into_iter().collect();
    wanted.sort_unstable();
    Ok(wanted)
}

/// The shortest event with a reference: most rows are shorter.
const SHORTEST: usize = 120;

fn may_refer(events: &[u8]) -> bool {
    events.len() >= SHORTEST && events.windows(MARK.len()).any(|window| window == MARK)
}

fn references(events: &[u8], wanted: &mut HashSet<BlobHash>) -> serde_json::Result<()> {
    for event in serde_json::from_slice::<Vec<&RawValue>>(events)? {
        let beside = beside_of(event)?;
        let hashes = beside.iter().flat_map(|(_, beside)| beside.values());
        wanted.extend(hashes.filter_map(|it| BlobHash::from_hex(&it.sha256)));
    }
    Ok(())
}

type Beside<'a> = (IndexMap<String, &'a RawValue>, IndexMap<String, Reference>);

/// The parts of an event that has something beside it.
fn beside_of(event: &RawValue) -> serde_json::Result<Option<Beside<'_>>> {
    if !may_refer(event.get().as_bytes()) {
        return Ok(None);
    }
    // The name of the event, and the key beside it: what a user has deeper down is not ours.
    let mut parts: Fields<'_> = serde_json::from_str(event.get())?;
    match parts.shift_remove(BESIDE) {
        Some(beside) => Ok(Some((parts, serde_json::from_str(beside.get())?))),
        None => Ok(None),
    }
}

fn decode(
    row: &JournalRow,
    blobs: &HashMap<BlobHash, Bytes>,
) -> Result<Vec<(Timestamp, Event)>, Unreadable> {
    let broken = |error| Unreadable::Row { row: row.seq, error };
    let timed = |event| (row.at, event);
    if !may_refer(&row.events) {
        let events: Vec<Event> = serde_json::from_slice(&row.events).map_err(broken)?;
        return Ok(events.into_iter().map(timed).collect());
    }
    let events: Vec<&RawValue> = serde_json::from_slice(&row.events).map_err(broken)?;
    let mut whole = Vec::with_capacity(events.len());
    for event in events {
        let event = match beside_of(event).map_err(broken)? {
            None => serde_json::from_str(event.get()).map_err(broken)?,
            Some(parts) => restore(row.seq, parts, blobs)?,
        };
        whole.push(timed(event));
    }
    Ok(whole)
}

/// Puts what is beside an event into its place.
fn restore(
    row: u64,
    (parts, beside): Beside<'_>,
    blobs: &HashMap<BlobHash, Bytes>,
) -> Result<Event, Unreadable> {
    let broken = |error| Unreadable::Row { row, error };
    let Some((name, fields)) = parts.first() else {
        return Err(broken(serde::de::Error::custom("an event without a name")));
    };
    let mut fields: Fields<'_> = serde_json::from_str(fields.get()).map_err(broken)?;
    for (field, reference) in beside {
        let hash = BlobHash::from_hex(&reference.sha256);
        let Some(bytes) = hash.and_then(|hash| blobs.get(&hash)) else {
            return Err(Unreadable::Missing { row, hash: reference.sha256 });
        };
        fields.insert(field, serde_json::from_slice(bytes).map_err(broken)?);
    }
    let text = [b"{", &json(name)[..], b":", &json(&fields), b"}"].concat();
    serde_json::from_slice(&text).map_err(broken)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::{Value, json};

    use super::{Unreadable, decode, encode, may_refer};
    use crate::{
        machine::{Event, StepRef, TaskRef},
        model::Timestamp,
        store::{Blob, JournalRow},
    };

    fn completed(step: u32, output: Value) -> Event {
        Event::Completed { task: TaskRef::main(StepRef(step)), output: output.into() }
    }

    fn again(events: &[Event], large: usize) -> (String, Vec<Blob>) {
        let (row, blobs) = encode(events, large);
        let text = String::from_utf8(row.to_vec()).unwrap();
        let kept: HashMap<_, _> =
            blobs.iter().map(|blob| (blob.hash, blob.bytes.clone())).collect();
        let row = JournalRow { seq: 7, epoch: 1, at: Timestamp::from_micros(5), events: row };
        let read = decode(&row, &kept).unwrap();
        let read: Vec<_> = read.into_iter().map(|(_, event)| event).collect();
        assert_eq!(read, events, "{text}");
        if !blobs.is_empty() {
            let lost = decode(&row, &HashMap::new()).unwrap_err();
            assert!(matches!(lost, Unreadable::Missing { row: 7, .. }), "{lost}");
        }
        (text, blobs)
    }

    #[test]
    fn what_is_large_goes_beside_the_row_and_comes_back() {
        let large = json!("x".repeat(100));
        let events = [completed(0, json!(1)), completed(1, large.clone()), completed(2, large)];
        let (text, blobs) = again(&events, 60);
        assert_eq!(blobs.len(), 1, "one value is kept once");
        assert_eq!(blobs[0].bytes.len(), 102);
        assert!(!text.contains("xx") && text.contains(r#""output":null"#), "{text}");
        let (_, none) = again(&events, 102);
        assert!(none.is_empty(), "at the threshold it stays");
        assert_eq!(again(&events, 101).1.len(), 1);
    }

    #[test]
    fn words_of_a_user_are_no_references() {
        let tricky = json!({ "beside": { "output": { "sha256": "0".repeat(64), "bytes": 1 } } });
        let (text, blobs) = again(&[completed(0, tricky.clone())], 10_000);
        assert!(blobs.is_empty() && may_refer(text.as_bytes()));
        let long = json!([tricky, "y".repeat(200)]);
        assert_eq!(again(&[completed(0, long), completed(1, tricky)], 200).1.len(), 1);
    }

    #[test]
    fn events_without_large_fields_stay_whole() {
        let events = [
            Event::RunTimedOut,
            Event::Skipped { step: StepRef(1), reason: crate::machine::SkipReason::Jump },
        ];
        let (_, blobs) = again(&events, 30);
        assert!(blobs.is_empty(), "{blobs:?}");
    }
}
