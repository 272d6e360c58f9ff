//! A small SSH client over russh: one connection, commands, and files over SFTP.

mod error;
mod exec;
mod files;
mod hostkey;
mod known_hosts;
mod login;
mod session;

pub use error::{Interrupted, SshError};
pub use exec::{Captured, DEFAULT_OUTPUT_LIMIT, ExecLimits, ExecOutput};
pub use hostkey::{HostKeyError, HostKeyPolicy};
pub use session::{Endpoint, Session};
