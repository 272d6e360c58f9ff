//! Commissioning as a timetable: made when it is asked for, followed as time goes by.

use std::time::Duration;

use rackwright_engine::model::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use super::{Level, status};
use crate::{Clock, FaultKind, Rack};

/// What happens on the way through a commissioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// The BMC does not answer MAAS: the end.
    PowerFailed,
    /// The firmware loads the boot loader from the network.
    PxeBoot,
    /// The ephemeral system starts.
    Ephemeral,
    /// The commissioning scripts run.
    Gathering,
    /// A commissioning script failed: the end.
    ScriptFailed,
    /// The scripts are through; the hardware tests run.
    Testing,
    /// A hardware test failed: the end.
    TestFailed,
    /// Everything passed: the end.
    Ready,
}

/// A milestone and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Milestone,
}

/// The script that fails where one is asked to.
const SCRIPT: &str = "maas-capture-macs";
/// The test that fails where one is asked to.
const TEST: &str = "smartctl-validate";

/// Begins to commission a machine: writes its timetable.
pub(super) fn commission(
    rack: &mut Rack,
    index: usize,
    enable_ssh: bool,
    now: Timestamp,
    clock: Clock,
) {
    let ahead = timetable(rack, index, now, clock);
    let boot_ends = ahead.iter().find(|step| step.what == Milestone::Ephemeral).map(|s| s.at);
    let (machine, region) = (&mut rack.machines[index], &mut rack.region);
    machine.maas.previous_status = machine.status;
    machine.maas.enable_ssh = enable_ssh;
    machine.maas.commissions += 1;
    machine.maas.owner = Some("admin".to_owned());
    machine.maas.ahead = ahead;
    machine.status = status::COMMISSIONING;
    region.log(now, machine, Level::Debug, "User starting node commissioning", "(admin)");
    region.log(now, machine, Level::Info, "Commissioning", "");
    if let Some(boot_ends) = boot_ends {
        machine.boot(boot_ends);
        region.log(now, machine, Level::Info, "Powering on", "");
    }
}

fn timetable(rack: &mut Rack, index: usize, now: Timestamp, clock: Clock) -> Vec<Step> {
    let mut at = now;
    let mut ahead = Vec::new();
    let mut step = |after: Duration, what| {
        at = at.after(clock.real(after));
        ahead.push(Step { at, what });
    };
    if rack.strikes(FaultKind::PowerUnreachableOnce, index) {
        step(Duration::from_secs(20), Milestone::PowerFailed);
        return ahead;
    }
    let commissions = u64::from(rack.machines[index].maas.commissions);
    let mut rng = StdRng::seed_from_u64(rack.seed ^ (commissions << 32) ^ index as u64);
    let boot = rack.boot_time(index);
    step(boot * 2 / 3, Milestone::PxeBoot);
    step(boot / 3, Milestone::Ephemeral);
    step(Duration::from_secs(15), Milestone::Gathering);
    let fails = rack.strikes(FaultKind::CommissionFailsOnce, index)
        || rack.strikes(FaultKind::CommissionAlwaysFails, index);
    if rack.has_fault(FaultKind::CommissionSticks, index) {
        return ahead;
    }
    let scripts = Duration::from_secs(rng.random_range(45..120));
    if fails {
        step(scripts, Milestone::ScriptFailed);
        return ahead;
    }
    step(scripts, Milestone::Testing);
    let tests = Duration::from_secs(rng.random_range(20..60));
    let failed = rack.strikes(FaultKind::CommissionTestsFailOnce, index);
    step(tests, if failed { Milestone::TestFailed } else { Milestone::Ready });
    ahead
}

/// Ends what is under way: a commissioning back to `New`, a test back to what was before.
pub(super) fn abort(rack: &mut Rack, index: usize, now: Timestamp) {
    let (machine, region) = (&mut rack.machines[index], &mut rack.region);
    let testing = machine.status == status::TESTING;
    let kind = if testing { "Aborted testing" } else { "Aborted commissioning" };
    machine.status = if testing { machine.maas.previous_status } else { status::NEW };
    machine.maas.ahead.clear();
    machine.maas.owner = None;
    machine.power_off();
    region.log(now, machine, Level::Info, kind, "");
}

/// Brings about every milestone whose time has come, over all machines in the order of time.
pub(crate) fn advance(rack: &mut Rack, now: Timestamp) {
    loop {
        let next = rack
            .machines
            .iter()
            .enumerate()
            .filter_map(|(index, m)| Some((m.maas.ahead.first()?.at, index)))
            .min();
        let Some((_, index)) = next.filter(|(at, _)| *at <= now) else { return };
        let step = rack.machines[index].maas.ahead.remove(0);
        reach(rack, index, step);
    }
}

fn reach(rack: &mut Rack, index: usize, step: Step) {
    let (machine, region) = (&mut rack.machines[index], &mut rack.region);
    let mut log = |level, kind, text: String| region.log(step.at, machine, level, kind, text);
    let changed = |name, to| format!("{name} changed status from 'Running' to '{to}'");
    let end = match step.what {
        Milestone::PowerFailed => {
            let why = "Power on for the node failed: Failed talking to node's BMC: \
                       Unable to retrieve power state: Connection timeout";
            log(Level::Error, "Failed to power on node", why.to_owned());
            log(Level::Error, "Marking node failed", why.to_owned());
            log(Level::Info, "Failed commissioning", String::new());
            Some(status::FAILED_COMMISSIONING)
        }
        Milestone::PxeBoot => {
            log(Level::Info, "Performing PXE boot", String::new());
            None
        }
        Milestone::Ephemeral => {
            log(Level::Info, "Loading ephemeral", String::new());
            None
        }
        Milestone::Gathering => {
            log(Level::Info, "Gathering information", String::new());
            None
        }
        Milestone::ScriptFailed => {
            log(Level::Debug, "Script result", changed(SCRIPT, "Failed"));
            log(Level::Error, "Node commissioning failure", format!("'{SCRIPT}' failed"));
            log(Level::Info, "Failed commissioning", String::new());
            Some(status::FAILED_COMMISSIONING)
        }
        Milestone::Testing => {
            log(Level::Info, "Testing", String::new());
            log(Level::Info, "Running test", format!("{TEST} on sda"));
            machine.status = status::TESTING;
            None
        }
        Milestone::TestFailed => {
            log(Level::Debug, "Script result", changed(TEST, "Failed"));
            log(Level::Info, "Failed testing", String::new());
            Some(status::FAILED_TESTING)
        }
        Milestone::Ready => {
            log(Level::Debug, "Script result", changed(TEST, "Passed"));
            log(Level::Info, "Ready", String::new());
            Some(status::READY)
        }
    };
    if let Some(status) = end {
        machine.status = status;
        machine.maas.owner = None;
        if !machine.maas.enable_ssh {
            machine.power_off();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn rack(fault: Option<&str>) -> Rack {
        let mut rack = Rack::generate(1, 1);
        rack.faults.extend(fault.map(|name| name.parse().unwrap()));
        rack
    }

    fn commissioned(fault: Option<&str>, enable_ssh: bool, until: i64) -> Rack {
        let mut rack = rack(fault);
        commission(&mut rack, 0, enable_ssh, at(0), Clock::new(1.0));
        rack.settle(at(until));
        rack
    }

    #[test]
    fn it_goes_through_its_statuses_and_powers_off() {
        let status = |until| commissioned(None, false, until).machines[0].status;
        assert_eq!(status(0), status::COMMISSIONING);
        assert_eq!(status(60), status::COMMISSIONING);
        assert_eq!(status(1000), status::READY);
        assert!((61..400).any(|until| status(until) == status::TESTING));
        let rack = commissioned(None, false, 1000);
        assert!(!rack.machines[0].power.on);
        assert_eq!(rack.region.events.last().unwrap().kind, "Ready");
        assert!(commissioned(None, true, 1000).machines[0].is_up(at(1000)));
    }

    #[test]
    fn looking_often_or_once_comes_to_the_same() {
        let once = commissioned(Some("slow_boot"), false, 1000);
        let mut often = rack(Some("slow_boot"));
        commission(&mut often, 0, false, at(0), Clock::new(1.0));
        for second in 0..=1000 {
            often.settle(at(second));
        }
        assert_eq!(once, often);
    }

    #[test]
    fn faults_end_it_elsewhere() {
        for (fault, end, word) in [
            ("commission_fails_once", status::FAILED_COMMISSIONING, "maas-capture-macs"),
            ("commission_always_fails", status::FAILED_COMMISSIONING, "maas-capture-macs"),
            ("commission_tests_fail_once", status::FAILED_TESTING, "smartctl-validate"),
            ("power_unreachable_once", status::FAILED_COMMISSIONING, "node's BMC"),
            ("commission_sticks", status::COMMISSIONING, ""),
        ] {
            let rack = commissioned(Some(fault), false, 100_000);
            assert_eq!(rack.machines[0].status, end, "{fault}");
            assert!(rack.region.events.iter().any(|e| e.text.contains(word)), "{fault}");
        }
        let mut again = commissioned(Some("commission_fails_once"), false, 1000);
        commission(&mut again, 0, false, at(1000), Clock::new(1.0));
        again.settle(at(2000));
        assert_eq!(again.machines[0].status, status::READY);
    }

    #[test]
    fn an_abort_goes_back_to_new_and_nothing_follows() {
        let mut rack = commissioned(None, true, 30);
        abort(&mut rack, 0, at(30));
        rack.settle(at(5000));
        assert_eq!(rack.machines[0].status, status::NEW);
        assert!(!rack.machines[0].power.on);
    }
}
