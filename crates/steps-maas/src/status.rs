//! The statuses of a machine (MAAS `src/maasserver/enum.py`, `NODE_STATUS`).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The status of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Enlisted; nobody has looked at it yet.
    New,
    /// It is being looked at.
    Commissioning,
    /// That failed; it may be tried again.
    FailedCommissioning,
    /// It can't be contacted.
    Missing,
    /// Commissioned; free to be used.
    Ready,
    /// Kept for a deployment to come.
    Reserved,
    /// A user's system runs on it.
    Deployed,
    /// Taken out of service.
    Retired,
    /// Marked as broken by a person or by MAAS.
    Broken,
    /// A system is being installed.
    Deploying,
    /// A user holds it.
    Allocated,
    /// The installation failed.
    FailedDeployment,
    /// Its user gives it back.
    Releasing,
    /// That failed.
    FailedReleasing,
    /// Its disks are being erased.
    DiskErasing,
    /// That failed.
    FailedDiskErasing,
    /// It runs the rescue system.
    RescueMode,
    /// It boots the rescue system.
    EnteringRescueMode,
    /// That failed.
    FailedEnteringRescueMode,
    /// It leaves the rescue system.
    ExitingRescueMode,
    /// That failed.
    FailedExitingRescueMode,
    /// Its hardware is being tested.
    Testing,
    /// A test failed.
    FailedTesting,
}

impl Status {
    /// All of them; the index is MAAS's number.
    pub const ALL: [Self; 23] = [
        Self::New,
        Self::Commissioning,
        Self::FailedCommissioning,
        Self::Missing,
        Self::Ready,
        Self::Reserved,
        Self::Deployed,
        Self::Retired,
        Self::Broken,
        Self::Deploying,
        Self::Allocated,
        Self::FailedDeployment,
        Self::Releasing,
        Self::FailedReleasing,
        Self::DiskErasing,
        Self::FailedDiskErasing,
        Self::RescueMode,
        Self::EnteringRescueMode,
        Self::FailedEnteringRescueMode,
        Self::ExitingRescueMode,
        Self::FailedExitingRescueMode,
        Self::Testing,
        Self::FailedTesting,
    ];

    /// The status of that number, if this version knows it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The name that MAAS shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Commissioning => "Commissioning",
            Self::FailedCommissioning => "Failed commissioning",
            Self::Missing => "Missing",
            Self::Ready => "Ready",
            Self::Reserved => "Reserved",
            Self::Deployed => "Deployed",
            Self::Retired => "Retired",
            Self::Broken => "Broken",
            Self::Deploying => "Deploying",
            Self::Allocated => "Allocated",
            Self::FailedDeployment => "Failed deployment",
            Self::Releasing => "Releasing",
            Self::FailedReleasing => "Releasing failed",
            Self::DiskErasing => "Disk erasing",
            Self::FailedDiskErasing => "Failed disk erasing",
            Self::RescueMode => "Rescue mode",
            Self::EnteringRescueMode => "Entering rescue mode",
            Self::FailedEnteringRescueMode => "Failed to enter rescue mode",
            Self::ExitingRescueMode => "Exiting rescue mode",
            Self::FailedExitingRescueMode => "Failed to exit rescue mode",
            Self::Testing => "Testing",
            Self::FailedTesting => "Failed testing",
        }
    }

    /// Whether something went wrong, and the machine stays so until somebody acts.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::FailedCommissioning
            | Self::Missing
            | Self::Broken
            | Self::FailedDeployment
            | Self::FailedReleasing
            | Self::FailedDiskErasing
            | Self::FailedEnteringRescueMode
            | Self::FailedExitingRescueMode
            | Self::FailedTesting => true,
            Self::New
            | Self::Commissioning
            | Self::Ready
            | Self::Reserved
            | Self::Deployed
            | Self::Retired
            | Self::Deploying
            | Self::Allocated
            | Self::Releasing
            | Self::DiskErasing
            | Self::RescueMode
            | Self::EnteringRescueMode
            | Self::ExitingRescueMode
            | Self::Testing => false,
        }
    }

    /// Whether MAAS lets a machine be commissioned (MAAS `node_action.py`, `Commission`).
    pub const fn can_commission(self) -> bool {
        matches!(self, Self::New | Self::FailedCommissioning | Self::Ready | Self::Broken)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "new", "New", false, true)]
    #[case(1, "commissioning", "Commissioning", false, false)]
    #[case(2, "failed_commissioning", "Failed commissioning", true, true)]
    #[case(3, "missing", "Missing", true, false)]
    #[case(4, "ready", "Ready", false, true)]
    #[case(5, "reserved", "Reserved", false, false)]
    #[case(6, "deployed", "Deployed", false, false)]
    #[case(7, "retired", "Retired", false, false)]
    #[case(8, "broken", "Broken", true, true)]
    #[case(9, "deploying", "Deploying", false, false)]
    #[case(10, "allocated", "Allocated", false, false)]
    #[case(11, "failed_deployment", "Failed deployment", true, false)]
    #[case(12, "releasing", "Releasing", false, false)]
    #[case(13, "failed_releasing", "Releasing failed", true, false)]
    #[case(14, "disk_erasing", "Disk erasing", false, false)]
    #[case(15, "failed_disk_erasing", "Failed disk erasing", true, false)]
    #[case(16, "rescue_mode", "Rescue mode", false, false)]
    #[case(17, "entering_rescue_mode", "Entering rescue mode", false, false)]
    #[case(18, "failed_entering_rescue_mode", "Failed to enter rescue mode", true, false)]
    #[case(19, "exiting_rescue_mode", "Exiting rescue mode", false, false)]
    #[case(20, "failed_exiting_rescue_mode", "Failed to exit rescue mode", true, false)]
    #[case(21, "testing", "Testing", false, false)]
    #[case(22, "failed_testing", "Failed testing", true, false)]
    fn numbers_names_and_meanings(
        #[case] number: u8,
        #[case] name: &str,
        #[case] shown: &str,
        #[case] failure: bool,
        #[case] can_commission: bool,
    ) {
        let status = Status::from_number(number).unwrap();
        assert_eq!(serde_json::to_value(status).unwrap(), name);
        assert_eq!(status.to_string(), shown);
        assert_eq!(status.is_failure(), failure);
        assert_eq!(status.can_commission(), can_commission);
    }

    #[test]
    fn later_numbers_are_not_guessed() {
        assert_eq!(Status::from_number(23), None);
    }
}
