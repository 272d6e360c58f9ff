//! The machine alone: random workflows, random outcomes, crashes between any two turns.

mod driver;
mod generate;
mod invariants;
mod properties;
