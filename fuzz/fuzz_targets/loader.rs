//! Any bytes at the loader.
#![no_main]

#[path = "../../crates/engine/tests/support/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::exercise(bytes));
