//! A lab's rack from end to end: `rackwright run workflows/lab-rack.yaml --lab` as a person types
//! it.

mod background;
mod exits;
mod faults;
mod nodes;
mod plain;
mod shown;
mod shutdown;

/// The steps of `provision-server`, in their order, with what they use.
const STEPS: [(&str, &str); 7] = [
    ("commission", "maas.commission"),
    ("address", "maas.machine_address"),
    ("pull-bios", "bios.export"),
    ("modify-bios", "bios.apply_profile"),
    ("push-bios", "bios.import"),
    ("configure-ipmi", "ipmi.set_lan"),
    ("finalise", "maas.tag"),
];

/// How many machines a lab has.
const MACHINES: usize = 8;
