//! The engine as a whole, on every store.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod asks;
mod attention;
mod basics;
mod beside;
mod control;
mod crash;
mod cut;
#[path = "../support/databases.rs"]
mod databases;
mod device;
mod drain;
mod fork;
mod heartbeat;
mod holding;
mod locks;
mod migrate;
mod obligations;
mod ownership;
mod payload;
mod places;
mod pool;
mod rack;
mod retention;
mod schedules;
mod settings;
mod stopping;
mod support;
mod sweep;
mod telemetry;
mod windows;
