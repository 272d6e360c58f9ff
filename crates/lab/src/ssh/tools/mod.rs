//! The programs on the machines. Texts and exit statuses are those of the real ones as far as
//! they could be found in documents and logs; what could not be found reads as plainly as can be.

/// Appends to a text, formatted.
macro_rules! push {
    ($text:expr, $($arguments:tt)*) => {{
        use std::fmt::Write as _;
        // Writing to a `String` can't fail.
        let _ = write!($text, $($arguments)*);
    }};
}

mod basic;
mod conrep;
mod ilorest;
mod ipmitool;
mod racadm;
mod sum;

use std::time::Duration;

use super::shell::{Answer, Seat};
use crate::Vendor;

/// How long a program takes, in simulated time.
pub(super) fn duration(words: &[String]) -> Duration {
    let seconds = match program(words) {
        "racadm" => 4,
        "ilorest" => 12,
        "conrep" => 6,
        "sum" | "saa" => 15,
        "ipmitool" => 1,
        _ => 0,
    };
    Duration::from_secs(seconds)
}

/// Runs a program. A machine has the tools of its vendor only.
pub(super) fn run(seat: &mut Seat<'_>, words: &[String]) -> Answer {
    let arguments: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    match (program(words), seat.machine().vendor) {
        ("racadm", Vendor::Dell) => racadm::run(seat, &arguments),
        ("ilorest", Vendor::Hpe) => ilorest::run(seat, &arguments),
        ("conrep", Vendor::Hpe) => conrep::run(seat, &arguments),
        ("sum" | "saa", Vendor::Supermicro) => sum::run(seat, &arguments),
        ("ipmitool", _) => ipmitool::run(seat, &arguments),
        (name, _) => basic::run(seat, name, &arguments),
    }
}

/// The program's name, without the directory that it may be given with.
fn program(words: &[String]) -> &str {
    let first = words.first().map_or("", String::as_str);
    first.rsplit('/').next().unwrap_or(first)
}

/// The argument that follows an option.
fn option<'a>(arguments: &[&'a str], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| *argument == name)?;
    arguments.get(at + 1).copied()
}

/// Puts changes by for the next boot, unless the BIOS is asked to ignore them.
fn stage(seat: &mut Seat<'_>, changes: Vec<(String, String)>) {
    let machine = seat.machine;
    if seat.rack.strikes(crate::FaultKind::BiosImportIgnored, machine) {
        return;
    }
    seat.machine().bios.pending.extend(changes);
}

/// Whether an import is to fail now.
fn import_fails(seat: &mut Seat<'_>) -> bool {
    use crate::FaultKind::{BiosImportAlwaysFails, BiosImportFailsOnce};
    let machine = seat.machine;
    seat.rack.strikes(BiosImportAlwaysFails, machine)
        || seat.rack.strikes(BiosImportFailsOnce, machine)
}

/// Whether an export is to fail now.
fn export_fails(seat: &mut Seat<'_>) -> bool {
    let machine = seat.machine;
    seat.rack.strikes(crate::FaultKind::BiosExportFailsOnce, machine)
}

/// For XML text and attributes in double quotes.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
