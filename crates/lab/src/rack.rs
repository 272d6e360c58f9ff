//! The rack: everything that the lab remembers, made from a seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rackwright_engine::model::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde::{Deserialize, Serialize};

use crate::{
    Bios, Fault, FaultKind, IpSource, IpmiLan, Machine, Power, Region, Registration, Vendor, bios,
    maas, ssh::Host,
};

/// The most machines that a lab serves: each takes a port.
pub(crate) const MOST: usize = 1000;

/// How long a boot takes, in simulated time.
const BOOT: Duration = Duration::from_secs(45);

/// Device types in the order in which the machines of a rack take them: name, vendor, model, and
/// the vendor's OUI.
const MODELS: [(&str, Vendor, &str, [u8; 3]); 3] = [
    ("dell-r750", Vendor::Dell, "PowerEdge R750", [0xd0, 0x94, 0x66]),
    ("hpe-dl385", Vendor::Hpe, "ProLiant DL385 Gen10 Plus", [0x94, 0x40, 0xc9]),
    ("supermicro-x12", Vendor::Supermicro, "SYS-620P-TRT", [0xac, 0x1f, 0x6b]),
];

/// What opens the lab's doors. Worth nothing outside: all of it listens on loopback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// MAAS API key: `consumer:token:secret`.
    pub maas_api_key: String,
    /// The user that every machine knows.
    pub ssh_username: String,
    /// The user's password.
    pub ssh_password: String,
}

/// The rack's whole state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rack {
    /// What it was made from.
    pub seed: u64,
    /// Where the MAAS API listens on 127.0.0.1.
    pub maas_port: u16,
    /// What opens the doors.
    pub secrets: Secrets,
    /// Faults on request.
    #[serde(default)]
    pub faults: BTreeSet<Fault>,
    /// How often each fault has struck each machine, by `fault@machine`.
    #[serde(default)]
    pub struck: BTreeMap<String, u32>,
    /// What MAAS knows beside the machines.
    #[serde(default)]
    pub region: Region,
    /// The machines, in the order of their names.
    pub machines: Vec<Machine>,
}

fn text(rng: &mut StdRng, alphabet: &[u8], length: usize) -> String {
    (0..length).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])).collect()
}

const UPPER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ0123456789";
const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// MAAS writes a number in base 24 with digits that nobody confuses.
const SYSTEM_ID: &[u8] = b"abcdefghkmnpqrstwxy34678";

fn mac(rng: &mut StdRng, oui: [u8; 3]) -> String {
    let low: [u8; 3] = rng.random();
    oui.iter().chain(&low).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

impl Rack {
    /// Makes a rack. Equal arguments make equal racks; ports are zero until they are bound.
    pub fn generate(seed: u64, machines: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let secrets = Secrets {
            maas_api_key: [18, 18, 32].map(|length| text(&mut rng, ALNUM, length)).join(":"),
            ssh_username: "ubuntu".to_owned(),
            ssh_password: text(&mut rng, ALNUM, 20),
        };
        let machines = (0..machines.min(MOST)).map(|index| machine(&mut rng, index)).collect();
        Self {
            seed,
            maas_port: 0,
            secrets,
            faults: BTreeSet::new(),
            struck: BTreeMap::new(),
            region: Region::default(),
            machines,
        }
    }

    /// The index of the machine with that system id or host name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.machines.iter().position(|m| m.system_id == name || m.hostname == name)
    }

    /// Whether a fault is asked for on a machine and has not worn off. Does not count.
    pub fn has_fault(&self, kind: FaultKind, machine: usize) -> bool {
        let Some(machine) = self.machines.get(machine) else { return false };
        let asked = self.faults.iter().any(|fault| {
            fault.kind == kind
                && fault
                    .machine
                    .as_ref()
                    .is_none_or(|name| *name == machine.hostname || *name == machine.system_id)
        });
        let struck = self.struck.get(&key(kind, machine)).copied().unwrap_or(0);
        asked && kind.times().is_none_or(|times| struck < times)
    }

    /// Whether a fault strikes now: as [`Rack::has_fault`], and counts it.
    pub fn strikes(&mut self, kind: FaultKind, machine: usize) -> bool {
        let strikes = self.has_fault(kind, machine);
        if strikes && kind.times().is_some() {
            *self.struck.entry(key(kind, &self.machines[machine])).or_default() += 1;
        }
        strikes
    }

    /// How long the machine takes to boot, in simulated time.
    pub fn boot_time(&self, machine: usize) -> Duration {
        if self.has_fault(FaultKind::SlowBoot, machine) { BOOT * 4 } else { BOOT }
    }

    /// Adds faults by seed: about every second machine gets one that retries get past.
    pub fn add_random_faults(&mut self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let passing: Vec<_> = FaultKind::ALL.iter().filter(|kind| kind.passes()).collect();
        for machine in &self.machines {
            if let (true, Some(&&kind)) = (rng.random_bool(0.5), passing.choose(&mut rng)) {
                self.faults.insert(Fault { kind, machine: Some(machine.hostname.clone()) });
            }
        }
    }

    /// Brings about what is due.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        // Boots first: what a commissioning does to the power comes after the boot it began with.
        for machine in &mut self.machines {
            machine.settle(now);
        }
        maas::advance(self, now);
    }
}

fn key(kind: FaultKind, machine: &Machine) -> String {
    format!("{kind}@{}", machine.hostname)
}

fn machine(rng: &mut StdRng, index: usize) -> Machine {
    let (device_type, vendor, model, oui) = MODELS[index % MODELS.len()];
    let key: [u8; 32] = rng.random();
    Machine {
        hostname: format!("srv{:03}", index + 1),
        // Distinct by construction: the last two digits are the machine's number.
        system_id: text(rng, SYSTEM_ID, 3)
            + &[index / 576, index / 24, index]
                .map(|digit| char::from(SYSTEM_ID[digit % 24]).to_string())
                .concat(),
        vendor,
        model: model.to_owned(),
        serial: text(rng, UPPER, 7),
        device_type: device_type.to_owned(),
        mac: mac(rng, oui),
        ssh_port: 0,
        host_key_seed: hex::encode(key),
        bios: Bios { current: bios::factory(vendor), pending: BTreeMap::new() },
        ipmi: IpmiLan {
            source: IpSource::Dhcp,
            address: format!("10.20.{}.{}", 100 + index / 200, 10 + index % 200),
            netmask: "255.255.0.0".to_owned(),
            gateway: "10.20.0.1".to_owned(),
            mac: mac(rng, oui),
        },
        power: Power { on: false, boot_ends: None },
        tags: BTreeSet::new(),
        status: 0,
        maas: Registration::default(),
        host: Host::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_rack_with_distinct_machines() {
        let rack = Rack::generate(7, 600);
        assert_eq!(rack, Rack::generate(7, 600));
        assert_ne!(rack.secrets, Rack::generate(8, 600).secrets);
        let ids: BTreeSet<_> = rack.machines.iter().map(|m| &m.system_id).collect();
        let macs: BTreeSet<_> = rack.machines.iter().flat_map(|m| [&m.mac, &m.ipmi.mac]).collect();
        assert_eq!((ids.len(), macs.len()), (600, 1200));
        assert!(ids.iter().all(|id| id.len() == 6));
        assert_eq!(rack.find("srv003"), Some(2));
        assert_eq!(rack.find(&rack.machines[9].system_id), Some(9));
        assert_eq!(rack.find("srv999"), None);
    }

    #[test]
    fn a_fault_strikes_its_machine_as_often_as_it_says() {
        let mut rack = Rack::generate(1, 2);
        rack.faults.insert("commission_fails_once@srv002".parse().unwrap());
        rack.faults.insert("commission_always_fails@srv001".parse().unwrap());
        let once = FaultKind::CommissionFailsOnce;
        assert!(!rack.strikes(once, 0));
        assert!(rack.has_fault(once, 1), "looking does not wear it off");
        assert!(rack.strikes(once, 1));
        assert!(!rack.strikes(once, 1));
        for _ in 0..3 {
            assert!(rack.strikes(FaultKind::CommissionAlwaysFails, 0));
        }
        assert!(!rack.strikes(once, 99));
    }

    #[test]
    fn random_faults_come_from_their_seed() {
        let faults = |seed| {
            let mut rack = Rack::generate(1, 50);
            rack.add_random_faults(seed);
            rack.faults
        };
        assert_eq!(faults(3), faults(3));
        assert_ne!(faults(3), faults(4));
        assert!(faults(3).iter().all(|fault| fault.kind.passes() && fault.machine.is_some()));
    }
}
