//! The testing kit for embedders does what it says.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod cluster;
mod conformance;
mod quarantine;
