//! Steps over SSH.
pub mod bios;
pub mod client;
pub mod device;
