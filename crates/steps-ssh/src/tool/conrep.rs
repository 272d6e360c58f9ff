//! HPE's `conrep`: `-s` saves, `-l` loads, `-f` names the file, `-x` the definitions. It writes
//! the settings' memory directly, so that they read back at once; the ROM takes them at the next
//! boot.
//!
//! Exit statuses (HPE Scripting Toolkit user guide): 1 bad definition file, 2 bad data file,
//! 4 administrator password set, 5 no definitions in the XML.

use rackwright_engine::{ErrorClass, StepError};

use super::{Bench, Imported};
use crate::{client::ExecOutput, steps::remote::quote};

pub(super) async fn export(bench: &Bench<'_>, file: &str) -> Result<(), StepError> {
    let output = bench.read_with_tool(&arguments(bench, "-s", file)).await?;
    judge(bench, &output)
}

pub(super) async fn import(bench: &Bench<'_>, file: &str) -> Result<Imported, StepError> {
    let output = bench.change_with_tool(&arguments(bench, "-l", file)).await?;
    judge(bench, &output)?;
    Ok(Imported { reboot_required: true, reads_back: true, ..Imported::default() })
}

fn arguments(bench: &Bench<'_>, action: &str, file: &str) -> String {
    match &bench.device_type.tool.definitions {
        Some(definitions) => format!("{action} -x {} -f {}", quote(definitions), quote(file)),
        None => format!("{action} -f {}", quote(file)),
    }
}

fn judge(bench: &Bench<'_>, output: &ExecOutput) -> Result<(), StepError> {
    let hint = match output.exit {
        Some(0) => return Ok(()),
        Some(1 | 5) => {
            "the definition file does not fit: set `tool.definitions` of the device type"
        }
        Some(2) => "conrep does not take the data file",
        Some(4) => "a BIOS administrator password is set: conrep can't change the settings",
        _ => return Err(bench.failed(output, ErrorClass::Transient)),
    };
    Err(bench.failed(output, ErrorClass::Permanent).hint(hint))
}
