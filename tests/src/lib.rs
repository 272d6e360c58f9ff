//! Tests that cross crates, and what they share: the built program as a process that can be
//! killed, a place for its store and its lab, and the laws that what they recorded has to keep.

pub mod binary;
pub mod book;
pub mod journal;
pub mod laws;
pub mod look;
pub mod pace;
pub mod place;
pub mod postgres;
pub mod process;
pub mod seed;
pub mod sim;
