//! Status numbers of a machine (MAAS `NODE_STATUS`), as far as the lab's machines take them.

pub(super) const NEW: u8 = 0;
pub(super) const COMMISSIONING: u8 = 1;
pub(super) const FAILED_COMMISSIONING: u8 = 2;
pub(super) const READY: u8 = 4;
pub(super) const BROKEN: u8 = 8;
pub(super) const TESTING: u8 = 21;
pub(super) const FAILED_TESTING: u8 = 22;

/// By number, from 0.
const NAMES: [&str; 23] = [
    "New",
    "Commissioning",
    "Failed commissioning",
    "Missing",
    "Ready",
    "Reserved",
    "Deployed",
    "Retired",
    "Broken",
    "Deploying",
    "Allocated",
    "Failed deployment",
    "Releasing",
    "Releasing failed",
    "Disk erasing",
    "Failed disk erasing",
    "Rescue mode",
    "Entering rescue mode",
    "Failed to enter rescue mode",
    "Exiting rescue mode",
    "Failed to exit rescue mode",
    "Testing",
    "Failed testing",
];

/// The name that the API shows.
pub(super) fn name(status: u8) -> &'static str {
    NAMES.get(usize::from(status)).copied().unwrap_or("Unknown")
}

/// Whether MAAS lets a machine be commissioned in this status.
pub(super) fn can_commission(status: u8) -> bool {
    matches!(status, NEW | FAILED_COMMISSIONING | READY | BROKEN)
}

/// Whether MAAS lets a machine be released in this status: what a user holds, or what failed
/// while a user held it.
pub(super) fn can_release(status: u8) -> bool {
    matches!(status, 5 | 6 | 8..=13 | 15)
}
