//! MAAS: commission machines, wait for them, find their addresses, tag and place them.
//!
//! The credential that a step names has two fields: `url` (`http://maas.example:5240/MAAS`) and
//! `api_key` (`consumer:token:secret`, from MAAS's *user preferences*).
//!
//! Reads are repeated inside a step while MAAS is unreachable or busy; requests that change
//! something are sent once, after a look at the fence. MAAS has nothing to revoke per client: a
//! node that loses its right to act between the fence and the request can still begin a
//! commissioning. The next owner sees it when it observes the machine, and joins it.

mod address;
mod client;
mod commission;
mod error;
mod history;
mod key;
mod place;
mod register;
mod status;
mod tag;
mod task;
mod view;
mod wait_status;

pub use address::{AddressInput, AddressOutput, Family, MachineAddress};
pub use commission::{Commission, CommissionInput};
pub use place::{SetPool, SetPoolInput, SetZone, SetZoneInput};
pub use register::{Maas, register};
pub use status::Status;
pub use tag::{Tag, TagInput, TagOutput};
pub use view::MachineOutput;
pub use wait_status::{WaitStatus, WaitStatusInput};
