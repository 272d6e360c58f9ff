//! The machine alone: random workflows, random outcomes, crashes between any two turns.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on panics")]

mod approval;
mod budget;
mod control;
mod driver;
mod ending;
mod generate;
mod invariants;
mod moving;
mod properties;
mod race;
mod repeat;
mod rollout;
mod scripted;
mod settings;
mod signal;
mod stopped;
mod wait;
mod windows;
