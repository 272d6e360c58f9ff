//! One machine of the rack: its hardware state. What MAAS thinks of it stands in its `maas` field.

use std::collections::{BTreeMap, BTreeSet};

use rackwright_engine::model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Registration, ssh::Host};

/// Who made a machine: decides which BIOS tool it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Dell: `racadm`.
    Dell,
    /// HPE: `conrep`, `ilorest`.
    Hpe,
    /// Supermicro: `sum`.
    Supermicro,
}

impl Vendor {
    /// The name that the machine's firmware reports (DMI `sys_vendor`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dell => "Dell Inc.",
            Self::Hpe => "HPE",
            Self::Supermicro => "Supermicro",
        }
    }
}

/// BIOS settings: what is in force, and what the next boot brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bios {
    /// The settings in force.
    pub current: BTreeMap<String, String>,
    /// Imported values that the next boot puts in force.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pending: BTreeMap<String, String>,
}

/// Where the BMC has its address from (IPMI LAN parameter 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpSource {
    /// Set by hand.
    Static,
    /// Given by DHCP.
    Dhcp,
}

/// The BMC's LAN configuration (IPMI 2.0 §23), channel 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpmiLan {
    /// Where the address comes from.
    pub source: IpSource,
    /// Dotted quad.
    pub address: String,
    /// Dotted quad.
    pub netmask: String,
    /// Dotted quad; `0.0.0.0` if there is none.
    pub gateway: String,
    /// The BMC's own hardware address.
    pub mac: String,
}

/// Power, and the boot that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Power {
    /// Whether the machine has power.
    pub on: bool,
    /// When the boot under way ends; `None` if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_ends: Option<Timestamp>,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `srv001`, …
    pub hostname: String,
    /// The id that MAAS gave it: six characters.
    pub system_id: String,
    /// Who made it.
    pub vendor: Vendor,
    /// Model name (DMI `product_name`).
    pub model: String,
    /// Serial number or service tag.
    pub serial: String,
    /// Name of its device-type file: `dell-r750`.
    pub device_type: String,
    /// Hardware address of the boot interface.
    pub mac: String,
    /// Where its SSH server listens on 127.0.0.1.
    pub ssh_port: u16,
    /// The seed of its Ed25519 host key, in hexadecimal digits.
    pub host_key_seed: String,
    /// BIOS settings.
    pub bios: Bios,
    /// The BMC's LAN configuration.
    pub ipmi: IpmiLan,
    /// Power and boot.
    pub power: Power,
    /// Tags in MAAS.
    pub tags: BTreeSet<String>,
    /// MAAS status number (MAAS `NODE_STATUS`).
    pub status: u8,
    /// What else MAAS knows of it.
    #[serde(default)]
    pub maas: Registration,
    /// What its operating system and its BMC remember beside that: files and jobs.
    #[serde(default)]
    pub host: Host,
}

impl Machine {
    /// Whether the operating system answers: powered on, and the boot is over.
    pub fn is_up(&self, now: Timestamp) -> bool {
        self.power.on && self.power.boot_ends.is_none_or(|end| end <= now)
    }

    /// Switches it on, or restarts it; it is up at `boot_ends`, with the pending BIOS settings.
    pub fn boot(&mut self, boot_ends: Timestamp) {
        self.power = Power { on: true, boot_ends: Some(boot_ends) };
    }

    /// Switches it off.
    pub fn power_off(&mut self) {
        self.power = Power { on: false, boot_ends: None };
    }

    /// Brings about what is due: at the end of a boot the pending BIOS settings are in force.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        if self.power.boot_ends.is_some_and(|end| end <= now) {
            self.power.boot_ends = None;
            let pending = std::mem::take(&mut self.bios.pending);
            self.bios.current.extend(pending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rack;

    #[test]
    fn pending_settings_are_in_force_after_a_boot_only() {
        let mut machine = Rack::generate(1, 1).machines.remove(0);
        let at = Timestamp::from_micros;
        machine.bios.pending.insert("BIOS.ProcSettings.LogicalProc".into(), "Disabled".into());
        machine.settle(at(10));
        assert!(!machine.is_up(at(10)), "it arrives switched off");
        machine.boot(at(100));
        machine.settle(at(99));
        assert_eq!(machine.bios.current["BIOS.ProcSettings.LogicalProc"], "Enabled");
        assert!(!machine.is_up(at(99)));
        machine.settle(at(100));
        assert!(machine.is_up(at(100)));
        assert_eq!(machine.bios.current["BIOS.ProcSettings.LogicalProc"], "Disabled");
        machine.power_off();
        assert!(!machine.is_up(at(200)));
    }
}
