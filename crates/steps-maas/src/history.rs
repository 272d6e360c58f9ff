//! What became of a commissioning that was asked for: told from the machine's status and from the
//! events since.

use serde_json::{Value, json};

use crate::{
    Status,
    view::{Event, Machine},
};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// MAAS never took the request.
    NotStarted,
    /// It goes on.
    UnderWay,
    /// The machine is ready.
    Done,
    /// Scripts or tests failed.
    Failed,
    /// Somebody stopped it.
    Aborted,
    /// The machine is somewhere else altogether.
    Elsewhere,
}

/// Tells the fate of a commissioning from the machine and the events since it was asked for.
pub(crate) fn fate(machine: &Machine, since: &[Event]) -> Fate {
    let happened = |kinds: &[&str]| since.iter().any(|event| kinds.contains(&event.kind.as_str()));
    // MAAS's descriptions of COMMISSIONING and REQUEST_NODE_START_COMMISSIONING.
    let started = happened(&["Commissioning", "User starting node commissioning"]);
    let ended = |fate| if started { fate } else { Fate::NotStarted };
    match machine.status() {
        Some(Status::Commissioning | Status::Testing) => Fate::UnderWay,
        Some(Status::Ready) => ended(Fate::Done),
        Some(Status::FailedCommissioning | Status::FailedTesting) => ended(Fate::Failed),
        Some(Status::New | Status::Broken) => ended(Fate::Aborted),
        Some(
            Status::Missing
            | Status::Reserved
            | Status::Deployed
            | Status::Retired
            | Status::Deploying
            | Status::Allocated
            | Status::FailedDeployment
            | Status::Releasing
            | Status::FailedReleasing
            | Status::DiskErasing
            | Status::FailedDiskErasing
            | Status::RescueMode
            | Status::EnteringRescueMode
            | Status::FailedEnteringRescueMode
            | Status::ExitingRescueMode
            | Status::FailedExitingRescueMode,
        )
        | None => Fate::Elsewhere,
    }
}

/// Why it failed, in MAAS's words; the machine's last word where the log names no reason.
pub(crate) fn reason(machine: &Machine, since: &[Event]) -> String {
    let telling = |event: &&Event| {
        let failed_script =
            event.kind.starts_with("Script") && event.description.contains("'Failed'");
        (event.level == "ERROR" || failed_script) && !event.description.is_empty()
    };
    let mut reasons: Vec<&str> = Vec::new();
    for event in since.iter().rev().filter(telling) {
        if !reasons.contains(&event.description.as_str()) {
            reasons.push(&event.description);
        }
    }
    if reasons.is_empty() { machine.standing() } else { reasons.join("; ") }
}

/// Whether MAAS could not reach the machine's BMC.
pub(crate) fn is_power_failure(since: &[Event]) -> bool {
    since.iter().any(|event| event.kind == "Failed to power on node")
}

/// For a person: status and the newest events, newest first.
pub(crate) fn evidence(machine: &Machine, since: &[Event]) -> Value {
    let events: Vec<_> = since.iter().take(10).map(ToString::to_string).collect();
    json!({
        "system_id": machine.system_id,
        "status": machine.status_text(),
        "events": events,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn machine(status: u8) -> Machine {
        serde_json::from_value(json!({
            "system_id": "abc123", "hostname": "srv001", "status": status,
            "status_message": "Failed commissioning",
        }))
        .unwrap()
    }

    fn event(level: &str, kind: &str, description: &str) -> Event {
        let (level, kind) = (level.to_owned(), kind.to_owned());
        Event { id: 1, level, kind, description: description.to_owned() }
    }

    #[rstest]
    #[case(0, Fate::NotStarted, Fate::Aborted)]
    #[case(1, Fate::UnderWay, Fate::UnderWay)]
    #[case(2, Fate::NotStarted, Fate::Failed)]
    #[case(3, Fate::Elsewhere, Fate::Elsewhere)]
    #[case(4, Fate::NotStarted, Fate::Done)]
    #[case(6, Fate::Elsewhere, Fate::Elsewhere)]
    #[case(8, Fate::NotStarted, Fate::Aborted)]
    #[case(10, Fate::Elsewhere, Fate::Elsewhere)]
    #[case(21, Fate::UnderWay, Fate::UnderWay)]
    #[case(22, Fate::NotStarted, Fate::Failed)]
    #[case(99, Fate::Elsewhere, Fate::Elsewhere)]
    fn a_status_means_one_thing_with_the_start_in_the_log_and_another_without(
        #[case] status: u8,
        #[case] without: Fate,
        #[case] with: Fate,
    ) {
        assert_eq!(fate(&machine(status), &[]), without);
        assert_eq!(fate(&machine(status), &[event("INFO", "Commissioning", "")]), with);
    }

    #[test]
    fn the_reason_is_the_logs_or_the_machines() {
        let log = [
            event("ERROR", "Node commissioning failure", "'maas-lshw' failed"),
            event("DEBUG", "Script result", "maas-lshw changed status from 'Running' to 'Failed'"),
            event("INFO", "Gathering information", ""),
        ];
        assert_eq!(
            reason(&machine(2), &log),
            "maas-lshw changed status from 'Running' to 'Failed'; 'maas-lshw' failed"
        );
        assert_eq!(reason(&machine(2), &log[2..]), "Failed commissioning");
    }
}
