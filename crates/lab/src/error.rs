//! Why a lab can't be served.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why a lab can't be served.
#[derive(Debug, Error)]
pub enum LabError {
    /// A file of the lab can't be read or written.
    #[error("can't use the lab's file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state file holds something else.
    #[error("{path} is not the state of a lab ({source}); remove it to begin with a new rack")]
    State {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The rack that exists has another size.
    #[error(
        "the lab in {path} has {found} machines, not {asked}; \
         leave out the number, or remove the file to begin with a new rack"
    )]
    Size {
        /// The state file.
        path: PathBuf,
        /// How many machines the rack has.
        found: usize,
        /// How many were asked for.
        asked: usize,
    },
    /// No rack has that many machines.
    #[error("a lab has 1 to {most} machines, not {asked}")]
    TooMany {
        /// How many were asked for.
        asked: usize,
        /// The most that are served.
        most: usize,
    },
    /// A fault names a machine that the rack does not have.
    #[error("the fault `{fault}` is for a machine that the rack does not have; it has {known}")]
    NoMachine {
        /// The fault as given.
        fault: String,
        /// The rack's first and last machine.
        known: String,
    },
    /// A port that the rack had is taken.
    #[error(
        "the lab's {service} had port {port}, which can't be bound again: {source}; \
         is another process serving this lab?"
    )]
    Port {
        /// Who wants it.
        service: String,
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// A host key can't be made.
    #[error("the host key of {machine} can't be encoded: {message}")]
    HostKey {
        /// The machine.
        machine: String,
        /// Why.
        message: String,
    },
}
