//! Databases for tests on the PostgreSQL server that `RACKWRIGHT_TEST_POSTGRES` names.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// The URL of the server, without a database.
pub(crate) fn server() -> Option<String> {
    let url = env::var("RACKWRIGHT_TEST_POSTGRES").ok();
    if url.is_none() {
        println!("skipped: set RACKWRIGHT_TEST_POSTGRES, or run `cargo xtask test`, which does");
    }
    url.map(|url| url.trim_end_matches('/').to_owned())
}

/// Makes a database and returns its URL.
pub(crate) async fn new_database(server: &str) -> String {
    let name = format!("rackwright_{}_{}", std::process::id(), next());
    let mut admin = admin(server).await;
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    format!("{server}/{name}")
}

pub(crate) async fn drop_database(server: &str, url: &str) {
    let name = url.rsplit('/').next().unwrap();
    let statement = format!("DROP DATABASE {name} WITH (FORCE)");
    admin(server).await.execute(AssertSqlSafe(statement)).await.unwrap();
}

async fn admin(server: &str) -> PgConnection {
    PgConnection::connect(&format!("{server}/postgres")).await.unwrap()
}

/// A number that no other test of this process has.
pub(crate) fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::SeqCst)
}
