//! What every store promises, held against each of them: `cargo nextest run -E 'test(sqlite)'`.
//!
//! PostgreSQL's tests need a server: `RACKWRIGHT_TEST_POSTGRES=postgres://postgres@127.0.0.1:5432`.
//! Each makes a database of its own there. Without the variable they say that they are skipped.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod archive;
mod bench;
mod blobs;
mod calendar;
mod claim;
#[path = "../support/databases.rs"]
mod databases;
mod fence;
mod fleet;
mod inbox;
mod lease;
mod locks;
mod lost;
mod postgres;
mod quarantine;
mod read;
mod ride;
mod sqlite;
mod start;
mod tasks;
