//! Connecting to PostgreSQL, and bringing its tables up to date.

use std::{future::Future, str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::store::{
    StoreError,
    error::without_password,
    migrate::{self, not_migrated},
    sql::failed,
};

/// For queries beside the writers; claims and polls come one at a time.
const POOL: u32 = 4;

/// Compiling a plan costs more than running any of ours, and none of ours is to scan a table: the
/// planner would choose to while the tables are new, and keep to it while they grow.
const SESSION: &str = "SET jit = off; SET enable_seqscan = off; SET client_min_messages = warning";

/// The writers' statements are planned once: the plan does not depend on what is written, and
/// planning the full one takes as long as running it.
const WRITER: &str = "SET plan_cache_mode = force_generic_plan";

/// How long a server may take to answer. One that vanished without a word (a cut cable, a machine
/// without power) would otherwise be waited for until TCP gives up, which takes a quarter of an hour.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for the server, but not for ever.
pub(super) async fn within<T>(
    doing: &'static str,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(failed(doing)),
        Err(_) => Err(StoreError::Unavailable {
            message: format!("no answer came within {} s, while {doing}", PATIENCE.as_secs()),
            source: None,
        }),
    }
}

pub(super) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|error| StoreError::Setup {
        message: format!(
            "the URL `{}` is not understood: expected postgres://USER@HOST:PORT/DATABASE",
            without_password(url)
        ),
        source: Some(error.into()),
    })?;
    Ok(options.application_name("rackwright").disable_statement_logging())
}

/// Opens a connection for a writer.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let opened = async {
        let mut connection = PgConnection::connect_with(options).await?;
        connection.execute(SESSION).await?;
        connection.execute(WRITER).await?;
        Ok(connection)
    };
    within("connecting to PostgreSQL", opened).await
}

/// Opens the pool, without connecting yet.
pub(super) fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(POOL)
        .acquire_timeout(Duration::from_secs(10))
        // A round trip per query; what finds a dead connection tries again on another.
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SESSION).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

/// Runs what migrations are new, under the advisory lock that sqlx takes.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    let texts = [
        ("foundation", include_str!("../../../migrations/postgres/0001_foundation.sql")),
        ("locks", include_str!("../../../migrations/postgres/0002_locks.sql")),
        ("calendar", include_str!("../../../migrations/postgres/0003_calendar.sql")),
        ("control", include_str!("../../../migrations/postgres/0004_control.sql")),
        ("blobs", include_str!("../../../migrations/postgres/0005_blobs.sql")),
        ("removals", include_str!("../../../migrations/postgres/0006_removals.sql")),
        ("fleet", include_str!("../../../migrations/postgres/0007_fleet.sql")),
        ("tasks", include_str!("../../../migrations/postgres/0008_tasks.sql")),
        ("lean", include_str!("../../../migrations/postgres/0009_lean.sql")),
    ];
    migrate::migrate(connection, &texts).await.map_err(not_migrated)
}
