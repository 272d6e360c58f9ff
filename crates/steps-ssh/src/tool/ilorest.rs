//! HPE's `ilorest`, in band over the CHIF driver: no login. `save` shows pending settings, since
//! it reads `bios/settings`; the ROM takes them at the next boot.
//!
//! Exit statuses: see the tool's user guide, "Error codes".

use rackwright_engine::{ErrorClass, StepError};

use super::{Bench, Imported};
use crate::{client::ExecOutput, steps::remote::quote};

pub(super) async fn export(bench: &Bench<'_>, file: &str) -> Result<(), StepError> {
    let arguments = format!("--nologo save --select Bios. -f {}", quote(file));
    let output = bench.read_with_tool(&arguments).await?;
    judge(bench, &output)
}

pub(super) async fn import(bench: &Bench<'_>, file: &str) -> Result<Imported, StepError> {
    let arguments = format!("--nologo load -f {}", quote(file));
    let output = bench.change_with_tool(&arguments).await?;
    match output.exit {
        // Nothing to do, and "some read-only properties were skipped": what counts reads back.
        Some(8 | 53) => {}
        _ => judge(bench, &output)?,
    }
    Ok(Imported { reboot_required: true, reads_back: true, ..Imported::default() })
}

fn judge(bench: &Bench<'_>, output: &ExecOutput) -> Result<(), StepError> {
    let (class, hint) = match output.exit {
        Some(0) => return Ok(()),
        Some(28) => (ErrorClass::Permanent, "the BIOS attribute registry refuses a value"),
        Some(4 | 7 | 74) => (ErrorClass::Permanent, "ilorest does not take the file"),
        Some(32 | 46) => (
            ErrorClass::Unauthorized,
            "iLO asks for a login: is its host authentication switched on?",
        ),
        Some(34 | 35 | 69) => {
            (ErrorClass::Permanent, "the CHIF driver is missing: load the kernel module `hpilo`")
        }
        Some(61 | 102) => (ErrorClass::Conflict, "something else changes the settings"),
        _ => return Err(bench.failed(output, ErrorClass::Transient)),
    };
    Err(bench.failed(output, class).hint(hint))
}
