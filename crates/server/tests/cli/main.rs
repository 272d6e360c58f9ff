//! The program as people use it: its words, its exit statuses.

#![expect(clippy::unwrap_used, reason = "a test that panics says where")]

mod calendar;
mod control;
mod files;
mod fleet;
mod fork;
mod interrupted;
mod lab;
mod quarantine;
mod runs;
mod support;
mod usage;
