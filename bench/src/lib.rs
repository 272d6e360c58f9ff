//! What `cargo xtask bench` measures: the raw store, and the engine on top of it.
//!
//! One process runs one workload and speaks a small contract on its standard streams (see
//! [`contract`]), so that the harness can read the processor time and the memory of exactly the
//! measured part, and so that other engines can be measured beside this one.

pub mod contract;
pub mod fill;
pub mod parked;
pub mod raw;
pub mod workloads;
