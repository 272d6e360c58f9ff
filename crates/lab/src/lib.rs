//! The lab: a rack of simulated machines on loopback, as a MAAS region controller and an SSH
//! server per machine show it, with faults on request.
//!
//! Three rules hold it together:
//!
//! - **One file.** All state, ports and secrets of a rack stand in `lab.json`, replaced atomically
//!   before a request that changed it is answered. A process killed at any moment comes back to
//!   the same rack on the same ports.
//! - **Time is a function.** What takes time (commissioning, a boot) is stored as the points in
//!   time at which it goes on, on the wall clock: so it goes on while nobody serves the rack, as
//!   a real rack does.
//! - **Every request is written down** in `lab-requests.jsonl`, for tests to compare with what a
//!   client believes it did.

mod bios;
mod clock;
mod error;
mod fault;
mod lab;
mod maas;
mod machine;
mod ports;
mod rack;
mod record;
mod ssh;
mod state;

pub use clock::Clock;
pub use error::LabError;
pub use fault::{Fault, FaultKind, UnknownFault};
pub use lab::{Addresses, Lab, LabOptions};
pub use maas::{Event, Level, Milestone, Place, Region, Registration, Step, Tag};
pub use machine::{Bios, IpSource, IpmiLan, Machine, Power, Vendor};
pub use rack::{Rack, Secrets};
pub use record::{Record, Service};
pub use ssh::{Host, HostFile, Job, JobEnd};
pub use state::LabState;
