//! Supermicro's `sum` and `saa`, in band: no login, but the machine needs its product key. What
//! was changed is in the settings' memory and reads back; the BIOS takes it at the next boot.

use rackwright_engine::{ErrorClass, StepError};

use super::{Bench, Imported};
use crate::{client::ExecOutput, steps::remote::quote};

pub(super) async fn export(bench: &Bench<'_>, file: &str) -> Result<(), StepError> {
    let arguments = format!("-c GetCurrentBiosCfg --file {} --overwrite", quote(file));
    let output = bench.read_with_tool(&arguments).await?;
    judge(bench, &output)
}

pub(super) async fn import(bench: &Bench<'_>, file: &str) -> Result<Imported, StepError> {
    let arguments = format!("-c ChangeBiosCfg --file {}", quote(file));
    let output = bench.change_with_tool(&arguments).await?;
    judge(bench, &output)?;
    Ok(Imported { reboot_required: true, reads_back: true, ..Imported::default() })
}

/// The exit statuses differ between versions; what the tool says does not.
fn judge(bench: &Bench<'_>, output: &ExecOutput) -> Result<(), StepError> {
    if output.exit == Some(0) {
        return Ok(());
    }
    let said = format!("{}{}", output.stdout.text(), output.stderr.text()).to_lowercase();
    if said.contains("product key") {
        return Err(bench
            .failed(output, ErrorClass::Permanent)
            .hint("activate the node product key (SFT-OOB-LIC): `sum -c ActivateProductKey`"));
    }
    let refused = ["invalid", "not found", "unsupported", "mismatch"];
    if refused.iter().any(|word| said.contains(word)) {
        return Err(bench.failed(output, ErrorClass::Permanent));
    }
    Err(bench.failed(output, ErrorClass::Transient))
}
