//! For the tests of those who embed the engine, behind the cargo feature `testing`.
//!
//! * [`VirtualTime`]: hours of waiting pass in milliseconds, in an order that does not change.
//! * [`Scripted`] executors over a [`Device`] that counts what is done to it.
//! * [`Faults`]: what goes wrong between a node and its store, and when.
//! * [`Cluster`]: several nodes over one store, which crash, are cut off and come back.
//! * [`Held`]: SQLite and PostgreSQL under virtual time.
//! * [`conformance`]: whether an executor keeps what it declares, wherever it is interrupted.
//! * [`planted`](crate::model::planted): defects on request, to see that a test finds them.

mod around;
mod cluster;
pub mod conformance;
mod device;
mod faults;
mod guard;
mod held;
mod link;
mod play;
mod scripted;
mod time;

pub use crate::model::planted;
pub use around::{Around, Op, Wrapped};
pub use cluster::{Cluster, ClusterBuilder};
pub use device::{Device, DeviceRecord, Job};
pub use faults::{Fault, FaultPlan, Faults, Tally};
pub use held::{Held, HeldError};
pub use link::Link;
pub use play::{Move, Play};
pub use scripted::{Look, Scripted};
pub use time::{VirtualClock, VirtualTime};
