//! The testing kit for embedders does what it says.

mod cluster;
mod conformance;
