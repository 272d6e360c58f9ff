//! The engine as a whole, on every store.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on panics")]

mod basics;
mod crash;
mod cut;
#[path = "../support/databases.rs"]
#[expect(dead_code, reason = "shared with the tests of the store, which use all of it")]
mod databases;
mod device;
mod support;
