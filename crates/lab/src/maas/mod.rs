//! The MAAS API 2.0 as a region controller serves it, as far as the lab's machines need it.
//!
//! Status codes and error texts are those of MAAS 3.x (`src/maasserver/api` and
//! `src/maasserver/exceptions.py` in its repository).

mod auth;
mod change;
mod describe;
mod events;
mod form;
mod lifecycle;
mod listener;
mod look;
mod machine_json;
mod region;
mod reply;
mod request;
mod server;
mod status;

pub(crate) use lifecycle::advance;
pub use lifecycle::{Milestone, Step};
pub use region::{Event, Level, Place, Region, Registration, Tag};
pub(crate) use server::serve;
