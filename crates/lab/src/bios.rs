//! The BIOS settings that a machine leaves the factory with, under the names that each vendor's
//! own tool shows them by.

use std::collections::BTreeMap;

use crate::Vendor;

/// Dell: `group.attribute` as `racadm get BIOS.…` names them (iDRAC9 attribute registry).
const DELL: &[(&str, &str)] = &[
    ("BIOS.BiosBootSettings.BootMode", "Uefi"),
    ("BIOS.IntegratedDevices.SriovGlobalEnable", "Disabled"),
    ("BIOS.MemSettings.NodeInterleave", "Disabled"),
    ("BIOS.ProcSettings.LogicalProc", "Enabled"),
    ("BIOS.ProcSettings.ProcVirtualization", "Disabled"),
    ("BIOS.ProcSettings.ProcX2Apic", "Enabled"),
    ("BIOS.SysProfileSettings.SysProfile", "PerfPerWattOptimizedDapc"),
    ("BIOS.SysSecurity.TpmSecurity", "Off"),
    ("BIOS.MiscSettings.ErrPrompt", "Enabled"),
    ("BIOS.SerialCommSettings.SerialComm", "OnNoConRedir"),
];

/// HPE: attribute names of its Gen10 BIOS attribute registry, as `ilorest` shows them.
const HPE: &[(&str, &str)] = &[
    ("BootMode", "Uefi"),
    ("EmbeddedSerialPort", "Com1Irq4"),
    ("NumaGroupSizeOpt", "Flat"),
    ("ProcAmdIoVt", "Disabled"),
    ("ProcHyperthreading", "Enabled"),
    ("ProcVirtualization", "Disabled"),
    ("Sriov", "Disabled"),
    ("TpmState", "PresentDisabled"),
    ("WorkloadProfile", "GeneralPowerEfficientCompute"),
];

/// Supermicro: `menu/…/setting` as the menus of `sum -c GetCurrentBiosCfg` nest them.
const SUPERMICRO: &[(&str, &str)] = &[
    ("Advanced/Boot Feature/Quiet Boot", "Enabled"),
    ("Advanced/CPU Configuration/Hyper-Threading (ALL)", "Enable"),
    ("Advanced/CPU Configuration/Intel Virtualization Technology", "Disable"),
    ("Advanced/CPU Configuration/Power Technology", "Energy Efficient"),
    ("Advanced/PCIe/SR-IOV Support", "Disabled"),
    ("Advanced/Serial Port Console Redirection/SOL Console Redirection", "Disabled"),
    ("Advanced/Trusted Computing/Security Device Support", "Disable"),
    ("Boot/Boot mode select", "UEFI"),
];

/// What the settings are when the machine arrives.
pub(crate) fn factory(vendor: Vendor) -> BTreeMap<String, String> {
    let table = match vendor {
        Vendor::Dell => DELL,
        Vendor::Hpe => HPE,
        Vendor::Supermicro => SUPERMICRO,
    };
    table.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}
