//! The executors.

mod bios;
mod device_type;
mod exec;
mod ipmi;
mod lan;
pub(crate) mod remote;
mod target;
mod transfer;

use rackwright_engine::{Registry, step::DuplicateExecutor};

pub use bios::{
    ApplyInput, ApplyOutput, ApplyProfile, Export, ExportInput, ExportOutput, Import, ImportInput,
    ImportOutput,
};
pub use device_type::{Load, LoadInput};
pub use exec::{Command, CommandOutput, Exec, ExecInput, Query, QueryInput};
pub use ipmi::{LanChange, SetLan, SetLanInput, SetLanOutput};
pub use lan::LanConfig;
pub use target::Target;
pub use transfer::{Download, DownloadInput, DownloadOutput, Upload, UploadInput, UploadOutput};

use crate::device::DeviceTypes;

/// Registers all executors of this crate: `ssh.exec`, `ssh.query`, `ssh.upload`, `ssh.download`,
/// `ipmi.set_lan`, `bios.export`, `bios.apply_profile`, `bios.import`, `device_type.load`.
///
/// # Errors
/// [`DuplicateExecutor`] if one of these names is taken.
pub fn register(registry: &mut Registry, types: DeviceTypes) -> Result<(), DuplicateExecutor> {
    registry.register(Exec)?;
    registry.register(Query)?;
    registry.register(Upload)?;
    registry.register(Download)?;
    registry.register(SetLan)?;
    let (export, apply, import) = bios::executors(&types);
    registry.register(export)?;
    registry.register(apply)?;
    registry.register(import)?;
    registry.register(Load(types))
}
