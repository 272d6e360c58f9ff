//! Steps over SSH: commands and files, BIOS settings by the vendor's own tool, the BMC's network
//! configuration in band.
//!
//! | executor | effect | what it does |
//! |---|---|---|
//! | `ssh.exec` | verify | a command; `check` tells whether an interrupted one took effect |
//! | `ssh.query` | read | a command that changes nothing |
//! | `ssh.upload`, `ssh.download` | idempotent, read | a file, over SFTP |
//! | `ipmi.set_lan` | idempotent | the BMC's address, by `ipmitool` |
//! | `bios.export` | read | all settings, as the vendor's tool writes them |
//! | `bios.apply_profile` | read | the export, changed to what the device type wants |
//! | `bios.import` | verify | the changed export, given back to the tool |
//! | `device_type.load` | read | a device type's file as data |
//!
//! An SSH command has nothing that could be revoked. Each mutating one is preceded by a check of
//! the fence, which leaves a gap: a node that is stopped between the check and the command, and
//! loses its lease meanwhile, still sends it when it wakes up. Files are written whole or not at
//! all, imports of the same settings are harmless twice, and `ssh.exec` is the author's to judge.

pub mod bios;
pub mod client;
pub mod device;
mod steps;
mod tool;

pub use device::DeviceTypes;
pub use steps::*;
