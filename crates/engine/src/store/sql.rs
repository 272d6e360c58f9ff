//! What the two databases have in common: decoding rows, and telling errors apart.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the driver's error type is open: it grows with every version"
)]

use std::collections::BTreeMap;

use sqlx::error::{DatabaseError, Error};

use super::StoreError;
use crate::model::Timestamp;

/// A number that the database keeps signed.
pub(super) fn signed(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number)
        .map_err(|_| StoreError::Invalid(format!("{number} is beyond what a database counts to")))
}

/// Labels as the database keeps them.
pub(super) fn labels_text(labels: &BTreeMap<String, String>) -> Result<String, StoreError> {
    serde_json::to_string(labels).map_err(|error| StoreError::Invalid(format!("labels: {error}")))
}

/// A number that is never negative in the database.
pub(super) fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number)
        .map_err(|_| StoreError::Corrupt(format!("{number} stands where no number is negative")))
}

/// A duration in microseconds, as the database keeps it.
pub(super) fn micros(duration: std::time::Duration) -> i64 {
    Timestamp::from_micros(0).after(duration).micros()
}

/// Says of a driver's error whether trying again may help, and otherwise how to mend it.
pub(super) fn failed(doing: &'static str) -> impl Fn(Error) -> StoreError {
    move |error| match kind(&error) {
        Kind::Unavailable(message) => {
            let message = format!("{message}, while {doing}");
            StoreError::Unavailable { message, source: Some(error.into()) }
        }
        Kind::Setup(message) => {
            StoreError::Setup { message: message.to_owned(), source: Some(error.into()) }
        }
        Kind::Text => StoreError::Invalid(format!(
            "a text can't hold the character U+0000, while {doing}: {error}"
        )),
        Kind::Corrupt => StoreError::Corrupt(format!("{error}, while {doing}")),
        Kind::Other => StoreError::Refused { doing, source: error.into() },
    }
}

enum Kind {
    Unavailable(&'static str),
    Setup(&'static str),
    Corrupt,
    Text,
    Other,
}

fn kind(error: &Error) -> Kind {
    match error {
        Error::Database(error) => from_database(&**error),
        Error::Io(_) => Kind::Unavailable("the connection failed or broke off"),
        Error::PoolTimedOut => Kind::Unavailable("no connection came free in time"),
        Error::PoolClosed | Error::WorkerCrashed | Error::Protocol(_) => {
            Kind::Unavailable("the connection broke off")
        }
        Error::Tls(_) => Kind::Setup(
            "the server asks for TLS, which this build does not speak: use sslmode=disable on a \
             private network, or a tunnel",
        ),
        Error::Configuration(_) => Kind::Setup("the URL of the store is not understood"),
        Error::ColumnDecode { .. } | Error::ColumnNotFound(_) | Error::Decode(_) => Kind::Corrupt,
        other => {
            tracing::error!(error = %other, "the database driver was used wrongly");
            Kind::Other
        }
    }
}

fn from_database(error: &dyn DatabaseError) -> Kind {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        from_postgres(&code)
    } else {
        from_sqlite(&code)
    }
}

/// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn from_postgres(code: &str) -> Kind {
    match code {
        "3D000" => Kind::Setup("the database does not exist: make it with `createdb NAME`"),
        "42501" => Kind::Setup(
            "the user lacks a permission: make it the owner of the database, or grant it CREATE \
             and USAGE on the schema",
        ),
        "25006" => {
            Kind::Unavailable("the server is read-only: a standby, or one that is failing over")
        }
        "40001" | "40P01" => Kind::Unavailable("two transactions were in each other's way"),
        "22021" => Kind::Text,
        "57014" => Kind::Unavailable("the statement was cancelled by the server"),
        _ => match code.get(..2) {
            Some("28") => Kind::Setup(
                "the server refused the user or the password: check the URL and pg_hba.conf",
            ),
            Some("08") => Kind::Unavailable("the connection broke off"),
            Some("53") => Kind::Unavailable(
                "the server is out of connections, memory or disk: see max_connections and its disk",
            ),
            Some("57") => Kind::Unavailable("the server is shutting down or starting"),
            Some("58" | "XX") => Kind::Corrupt,
            _ => Kind::Other,
        },
    }
}

/// By primary result code, which is the low byte: <https://sqlite.org/rescode.html>.
fn from_sqlite(code: &str) -> Kind {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6) => Kind::Unavailable("another process is writing to the database's file"),
        Ok(8) => Kind::Setup("the database's file is read-only: check its permissions"),
        Ok(10) => Kind::Unavailable("the disk failed to read or write"),
        Ok(13) => Kind::Unavailable("the disk is full"),
        Ok(14) => Kind::Setup(
            "the database's file can't be opened: check that its directory exists and is writable",
        ),
        Ok(11) => Kind::Corrupt,
        Ok(26) => Kind::Setup("the file is not a SQLite database: check the path"),
        Ok(_) | Err(_) => Kind::Other,
    }
}

/// Writes the functions that decode the rows of one database. The two drivers' row types share no
/// usable trait, their columns have the same names and types.
macro_rules! row_readers {
    ($Row:ty) => {
        use bytes::Bytes;
        use sqlx::Row as _;
        use uuid::Uuid;

        use crate::{
            model::{LockHolder, NodeId, RunId, Timestamp, Version},
            store::{
                Blob, BlobHash, Claim, Definition, InboxId, InboxRow, JournalRow, LockRecord,
                NodeRecord, NodeStatus, RunRecord, RunStatus, ScheduleRow, StoreError, TaskLease,
                TaskRecord, WindowRow,
                lock::{read_claims, read_step},
                sql,
            },
        };

        type Decoded<T> = Result<T, StoreError>;

        fn get<'r, T>(row: &'r $Row, name: &str) -> Decoded<T>
        where
            T: sqlx::Decode<'r, <$Row as sqlx::Row>::Database>
                + sqlx::Type<<$Row as sqlx::Row>::Database>,
        {
            row.try_get(name).map_err(sql::failed("decoding a row"))
        }

        fn number(row: &$Row, name: &str) -> Decoded<u64> {
            sql::unsigned(get(row, name)?)
        }

        fn small(row: &$Row, name: &str) -> Decoded<u32> {
            let number = number(row, name)?;
            u32::try_from(number)
                .map_err(|_| StoreError::Corrupt(format!("{name} is {number}: too large")))
        }

        fn time(row: &$Row, name: &str) -> Decoded<Timestamp> {
            get(row, name).map(Timestamp::from_micros)
        }

        fn version(row: &$Row) -> Decoded<Version> {
            let bytes: &[u8] = get(row, "version")?;
            let bytes = <[u8; 32]>::try_from(bytes)
                .map_err(|_| StoreError::Corrupt("a version is not 32 bytes long".to_owned()))?;
            Ok(Version(bytes))
        }

        fn status(row: &$Row) -> Decoded<RunStatus> {
            let name: &str = get(row, "status")?;
            name.parse::<RunStatus>()
                .map_err(|_| StoreError::Corrupt(format!("`{name}` is no status of a run")))
        }

        fn labels(text: &str) -> Decoded<std::collections::BTreeMap<String, String>> {
            serde_json::from_str(text)
                .map_err(|error| StoreError::Corrupt(format!("labels: {error}")))
        }

        fn bytes(row: &$Row, name: &str) -> Decoded<Bytes> {
            get::<Vec<u8>>(row, name).map(Bytes::from)
        }

        pub(super) fn run_record(row: &$Row) -> Decoded<RunRecord> {
            let requires = get::<Option<&str>>(row, "requires")?;
            Ok(RunRecord {
                id: RunId(get(row, "id")?),
                workflow: get(row, "workflow")?,
                version: version(row)?,
                idempotency_key: get(row, "idempotency_key")?,
                parent: get::<Option<Uuid>>(row, "parent")?.map(RunId),
                root: RunId(get(row, "root")?),
                labels: labels(get(row, "labels")?)?,
                requires: requires.map(labels).transpose()?.unwrap_or_default(),
                status: status(row)?,
                owner: get::<Option<Uuid>>(row, "owner")?.map(NodeId),
                epoch: number(row, "epoch")?,
                wake_at: get::<Option<i64>>(row, "wake_at")?.map(Timestamp::from_micros),
                takeovers: small(row, "takeovers")?,
                quarantined_at: get::<Option<i64>>(row, "quarantined_at")?
                    .map(Timestamp::from_micros),
                created_at: time(row, "created_at")?,
                updated_at: time(row, "updated_at")?,
            })
        }

        pub(super) fn journal_row(row: &$Row) -> Decoded<JournalRow> {
            Ok(JournalRow {
                seq: number(row, "seq")?,
                epoch: number(row, "epoch")?,
                at: time(row, "at")?,
                events: bytes(row, "events")?,
            })
        }

        pub(super) fn journal_row_of(row: &$Row) -> Decoded<(RunId, JournalRow)> {
            Ok((RunId(get(row, "run_id")?), journal_row(row)?))
        }

        pub(super) fn claim(row: &$Row) -> Decoded<Claim> {
            Ok(Claim {
                run: RunId(get(row, "id")?),
                epoch: number(row, "epoch")?,
                status: status(row)?,
                version: version(row)?,
                root: RunId(get(row, "root")?),
                parent: get::<Option<Uuid>>(row, "parent")?.map(RunId),
                taken_from: get::<Option<Uuid>>(row, "taken_from")?.map(NodeId),
                takeovers: small(row, "takeovers")?,
            })
        }

        pub(super) fn inbox_row(row: &$Row) -> Decoded<InboxRow> {
            Ok(InboxRow {
                id: InboxId(get(row, "id")?),
                run: RunId(get(row, "run_id")?),
                dedup: get(row, "dedup")?,
                body: bytes(row, "body")?,
            })
        }

        pub(super) fn lock_record(row: &$Row) -> Decoded<LockRecord> {
            let within: &str = get(row, "within")?;
            let within = serde_json::from_str(within)
                .map_err(|error| StoreError::Corrupt(format!("the holders around: {error}")))?;
            let priority = number(row, "priority")?;
            Ok(LockRecord {
                ticket: get(row, "ticket")?,
                holder: LockHolder {
                    run: RunId(get(row, "run_id")?),
                    step: read_step(get(row, "step")?)?,
                },
                label: get(row, "label")?,
                claims: read_claims(get(row, "claims")?)?,
                within,
                priority: u8::try_from(priority).unwrap_or(u8::MAX),
                wanted_at: time(row, "wanted_at")?,
                granted_at: get::<Option<i64>>(row, "granted_at")?.map(Timestamp::from_micros),
            })
        }

        pub(super) fn blob(row: &$Row) -> Decoded<Blob> {
            let hash = BlobHash::stored(get(row, "hash")?)?;
            Ok(Blob { hash, bytes: bytes(row, "bytes")? })
        }

        pub(super) fn definition(row: &$Row) -> Decoded<Definition> {
            Ok(Definition {
                version: version(row)?,
                name: get(row, "name")?,
                canonical: bytes(row, "canonical")?,
                at: time(row, "at")?,
            })
        }

        pub(super) fn window_row(row: &$Row) -> Decoded<WindowRow> {
            Ok(WindowRow {
                name: get(row, "name")?,
                definition: bytes(row, "definition")?,
                updated_at: time(row, "updated_at")?,
                updated_by: get(row, "updated_by")?,
            })
        }

        pub(super) fn schedule_row(row: &$Row) -> Decoded<ScheduleRow> {
            Ok(ScheduleRow {
                name: get(row, "name")?,
                definition: bytes(row, "definition")?,
                state: bytes(row, "state")?,
                due_at: get::<Option<i64>>(row, "due_at")?.map(Timestamp::from_micros),
                revision: number(row, "revision")?,
                updated_at: time(row, "updated_at")?,
                updated_by: get(row, "updated_by")?,
            })
        }

        pub(super) fn task_lease(row: &$Row) -> Decoded<TaskLease> {
            Ok(TaskLease {
                id: get(row, "id")?,
                grip: get(row, "grip")?,
                run: RunId(get(row, "run_id")?),
                call: bytes(row, "call")?,
            })
        }

        pub(super) fn task_record(row: &$Row) -> Decoded<TaskRecord> {
            let lease_until = get::<Option<i64>>(row, "lease_until")?;
            Ok(TaskRecord {
                id: get(row, "id")?,
                run: RunId(get(row, "run_id")?),
                task: get(row, "task")?,
                pool: get(row, "pool")?,
                worker: get(row, "worker")?,
                lease_until: lease_until.map(Timestamp::from_micros),
                stop: get(row, "stop")?,
                put_at: time(row, "put_at")?,
            })
        }

        pub(super) fn node_status(row: &$Row) -> Decoded<NodeStatus> {
            Ok(NodeStatus {
                node: NodeRecord {
                    id: NodeId(get(row, "id")?),
                    name: get(row, "name")?,
                    host: get(row, "host")?,
                    pid: small(row, "pid")?,
                    started: number(row, "started")?,
                    quarantine_after: get::<Option<i64>>(row, "quarantine_after")?
                        .and_then(|after| u32::try_from(after).ok()),
                    labels: labels(get(row, "labels")?)?,
                    capacity: small(row, "capacity")?,
                },
                lease_until: time(row, "lease_until")?,
                alive: get(row, "alive")?,
                renewed_at: time(row, "renewed_at")?,
                runs: number(row, "runs")?,
                draining: get(row, "draining")?,
            })
        }
    };
}
pub(super) use row_readers;
