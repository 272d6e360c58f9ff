//! The BIOS settings of the machines, under the names that each vendor's own tool shows them by.

use std::collections::BTreeMap;

use crate::{Bios, Vendor};

/// A setting that the machines of one vendor have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Definition {
    /// Its name: the key in [`Bios::current`].
    pub(crate) name: &'static str,
    /// What it is when the machine arrives.
    pub(crate) factory: &'static str,
    /// What it can be; empty for a text that can't be changed.
    pub(crate) takes: &'static [&'static str],
}

const fn choice(
    name: &'static str,
    factory: &'static str,
    takes: &'static [&'static str],
) -> Definition {
    Definition { name, factory, takes }
}

const fn read_only(name: &'static str, factory: &'static str) -> Definition {
    Definition { name, factory, takes: &[] }
}

const ENABLED: &[&str] = &["Enabled", "Disabled"];
const ENABLE: &[&str] = &["Disable", "Enable"];
const CHECKED: &[&str] = &["Checked", "Unchecked"];
const DISABLED: &[&str] = &["Disabled", "Enabled"];

/// Dell: `BIOS.group.attribute`, as `racadm get` names them (iDRAC9 attribute registry, R750).
const DELL: &[Definition] = &[
    read_only("BIOS.SysInformation.SystemBiosVersion", "1.8.2"),
    choice("BIOS.BiosBootSettings.BootMode", "Uefi", &["Bios", "Uefi"]),
    choice("BIOS.IntegratedDevices.SriovGlobalEnable", "Disabled", ENABLED),
    choice("BIOS.MemSettings.MemTest", "Disabled", ENABLED),
    choice("BIOS.MemSettings.NodeInterleave", "Disabled", ENABLED),
    choice("BIOS.ProcSettings.LogicalProc", "Enabled", ENABLED),
    choice("BIOS.ProcSettings.ProcVirtualization", "Disabled", ENABLED),
    choice("BIOS.ProcSettings.ProcX2Apic", "Enabled", ENABLED),
    choice(
        "BIOS.SysProfileSettings.SysProfile",
        "PerfPerWattOptimizedDapc",
        &["PerfPerWattOptimizedDapc", "PerfPerWattOptimizedOs", "PerfOptimized", "Custom"],
    ),
    choice("BIOS.SysSecurity.TpmSecurity", "Off", &["Off", "On"]),
    choice("BIOS.MiscSettings.ErrPrompt", "Enabled", ENABLED),
    choice(
        "BIOS.SerialCommSettings.SerialComm",
        "OnNoConRedir",
        &["OnNoConRedir", "OnConRedir", "Off"],
    ),
];

/// HPE: attributes of the registry of ROM family A42 (DL385 Gen10 Plus), as `ilorest` shows them.
const HPE: &[Definition] = &[
    choice("BootMode", "Uefi", &["Uefi", "LegacyBios"]),
    choice("EmbeddedSerialPort", "Com1Irq4", &["Com1Irq4", "Com2Irq3", "Disabled"]),
    choice("NumaGroupSizeOpt", "Flat", &["Flat", "Clustered"]),
    choice("ProcAmdIoVt", "Disabled", ENABLED),
    choice("ProcSMT", "Enabled", ENABLED),
    choice("Sriov", "Disabled", ENABLED),
    read_only("TpmState", "PresentDisabled"),
    choice(
        "WorkloadProfile",
        "GeneralPowerEfficientCompute",
        &[
            "GeneralPowerEfficientCompute",
            "GeneralPeakFrequencyCompute",
            "GeneralThroughputCompute",
            "Virtualization-PowerEfficient",
            "Virtualization-MaxPerformance",
            "LowLatency",
            "Custom",
        ],
    ),
];

/// Supermicro: menus and setting as `sum -c GetCurrentBiosCfg` nests them, joined by `|`.
const SUPERMICRO: &[Definition] = &[
    choice("Advanced|Boot Feature|Quiet Boot", "Checked", CHECKED),
    choice(
        "Advanced|Boot Feature|Power Technology",
        "Energy Efficient",
        &["Disable", "Energy Efficient", "Custom"],
    ),
    choice("Advanced|CPU Configuration|Hyper-Threading [ALL]", "Enable", ENABLE),
    choice("Advanced|CPU Configuration|Intel Virtualization Technology", "Disable", ENABLE),
    choice("Advanced|PCIe/PCI/PnP Configuration|SR-IOV Support", "Disabled", DISABLED),
    choice("Advanced|Serial Port Console Redirection|SOL Console Redirection", "Checked", CHECKED),
    choice("Advanced|Trusted Computing|Security Device Support", "Disable", ENABLE),
    choice("Boot|Boot mode select", "DUAL", &["LEGACY", "UEFI", "DUAL"]),
    choice("Boot|Quiet Boot", "Checked", CHECKED),
];

/// The settings that a vendor's machines have, in the order of its menus.
pub(crate) fn definitions(vendor: Vendor) -> &'static [Definition] {
    match vendor {
        Vendor::Dell => DELL,
        Vendor::Hpe => HPE,
        Vendor::Supermicro => SUPERMICRO,
    }
}

/// What the settings are when the machine arrives.
pub(crate) fn factory(vendor: Vendor) -> BTreeMap<String, String> {
    definitions(vendor).iter().map(|d| (d.name.to_owned(), d.factory.to_owned())).collect()
}

/// Why a setting can't be what somebody wants it to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such setting.
    Unknown,
    /// It can't be changed.
    ReadOnly,
    /// It can't be that.
    Value,
}

impl Bios {
    /// A setting's value in force.
    pub(crate) fn current(&self, definition: &Definition) -> &str {
        self.current.get(definition.name).map_or(definition.factory, String::as_str)
    }

    /// A setting's value after the next boot.
    pub(crate) fn next(&self, definition: &Definition) -> &str {
        let pending = self.pending.get(definition.name);
        pending.map_or_else(|| self.current(definition), String::as_str)
    }

    /// What setting `name` to `value` changes, if anything, compared with the next boot.
    pub(crate) fn change(
        &self,
        vendor: Vendor,
        name: &str,
        value: &str,
    ) -> Result<Option<(String, String)>, Refusal> {
        let definition = definitions(vendor).iter().find(|d| d.name == name);
        let definition = definition.ok_or(Refusal::Unknown)?;
        if self.next(definition) == value {
            return Ok(None);
        }
        if definition.takes.is_empty() {
            return Err(Refusal::ReadOnly);
        }
        if !definition.takes.contains(&value) {
            return Err(Refusal::Value);
        }
        Ok(Some((name.to_owned(), value.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_checked_against_the_registry() {
        let bios = Bios { current: factory(Vendor::Hpe), pending: BTreeMap::new() };
        let change = |name, value| bios.change(Vendor::Hpe, name, value);
        assert_eq!(change("Sriov", "Disabled"), Ok(None));
        assert_eq!(change("Sriov", "Enabled"), Ok(Some(("Sriov".into(), "Enabled".into()))));
        assert_eq!(change("Sriov", "On"), Err(Refusal::Value));
        assert_eq!(change("TpmState", "PresentDisabled"), Ok(None));
        assert_eq!(change("TpmState", "PresentEnabled"), Err(Refusal::ReadOnly));
        assert_eq!(change("Sriovv", "Enabled"), Err(Refusal::Unknown));
    }

    #[test]
    fn factory_values_are_ones_that_the_settings_take() {
        for vendor in [Vendor::Dell, Vendor::Hpe, Vendor::Supermicro] {
            for definition in definitions(vendor) {
                let takes = definition.takes;
                assert!(takes.is_empty() || takes.contains(&definition.factory), "{definition:?}");
            }
        }
    }
}
