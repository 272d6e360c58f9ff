//! Opening a SQLite file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::store::{
    StoreError,
    migrate::{migrate, not_migrated},
    sql::failed,
};

/// The file that `sqlite:PATH` or `sqlite://PATH` names.
pub(super) fn path(url: &str) -> Result<PathBuf, StoreError> {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path == ":memory:" {
        return Err(StoreError::Setup {
            message: format!(
                "`{url}` names no file: write sqlite:PATH, or memory: for a store that is not kept"
            ),
            source: None,
        });
    }
    Ok(PathBuf::from(path))
}

/// How every connection is opened. FULL makes a commit in the WAL durable before it is
/// acknowledged (<https://sqlite.org/pragma.html#pragma_synchronous>).
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
        // Runs are written at the end of the tables (their ids grow with time), so few pages are
        // touched again and again: 4 MiB of them, and a checkpoint per 16 MiB, which stops the
        // writer.
        .pragma("cache_size", "-4096")
        .pragma("wal_autocheckpoint", "4096")
        .row_buffer_size(512)
        .disable_statement_logging()
}

/// How long to wait before each further try to open a file.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(320),
    Duration::from_secs(1),
];

/// Opens a connection. Whoever makes a file needs it alone for a moment, to give it its write-ahead
/// log, and for that SQLite does not wait by itself.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    for pause in PAUSES {
        match options.connect().await.map_err(failed("opening the SQLite file")) {
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "the file is opened again");
                tokio::time::sleep(pause).await;
            }
            outcome => return outcome,
        }
    }
    options.connect().await.map_err(failed("opening the SQLite file"))
}

/// Opens the connection that writes, and brings the tables up to date.
pub(super) async fn open(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let mut connection = connect(options).await?;
    let texts = [
        ("foundation", include_str!("../../../migrations/sqlite/0001_foundation.sql")),
        ("locks", include_str!("../../../migrations/sqlite/0002_locks.sql")),
        ("calendar", include_str!("../../../migrations/sqlite/0003_calendar.sql")),
        ("control", include_str!("../../../migrations/sqlite/0004_control.sql")),
        ("blobs", include_str!("../../../migrations/sqlite/0005_blobs.sql")),
        ("removals", include_str!("../../../migrations/sqlite/0006_removals.sql")),
        ("fleet", include_str!("../../../migrations/sqlite/0007_fleet.sql")),
        ("tasks", include_str!("../../../migrations/sqlite/0008_tasks.sql")),
    ];
    // Several programs may open a new file at the same time, and SQLite has no advisory lock. Who
    // loses finds one more migration made.
    for _ in &texts {
        match migrate(&mut connection, &texts).await {
            Ok(()) => return Ok(connection),
            Err(error) => tracing::debug!(%error, "the migrations are tried again"),
        }
    }
    migrate(&mut connection, &texts).await.map_err(not_migrated)?;
    Ok(connection)
}

/// Connections for reading beside the writer.
pub(super) fn readers(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(4)
        .test_before_acquire(false)
        .connect_lazy_with(options.pragma("query_only", "1").pragma("cache_size", "-2048"))
}
