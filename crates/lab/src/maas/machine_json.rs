//! A machine as the API shows it: the fields of MAAS 3.x, those of storage empty.

use rackwright_engine::model::Timestamp;
use serde_json::{Map, Value, json};

use super::{Place, status};
use crate::{Machine, Rack};

const ROOT: &str = "/MAAS/api/2.0";
/// Script statuses (MAAS `SCRIPT_STATUS`) with their names.
const PENDING: (i8, &str) = (0, "Pending");
const RUNNING: (i8, &str) = (1, "Running");
const PASSED: (i8, &str) = (2, "Passed");
const FAILED: (i8, &str) = (3, "Failed");
const NONE: (i8, &str) = (-1, "Unknown");

/// A pool or a zone.
pub(super) fn place(path: &str, place: &Place) -> Value {
    let key = if path == "zones" { place.name.clone() } else { place.id.to_string() };
    json!({
        "name": place.name,
        "description": place.description,
        "id": place.id,
        "resource_uri": format!("{ROOT}/{path}/{key}/"),
    })
}

/// A machine at a point in time.
pub(super) fn machine(rack: &Rack, m: &Machine, now: Timestamp) -> Value {
    let mut shown = Map::new();
    for part in [identity(m), state(rack, m), network(rack, m, now), storage()] {
        if let Value::Object(fields) = part {
            shown.extend(fields);
        }
    }
    let named = |path, places: &[Place], name: &str| {
        places.iter().find(|p| p.name == name).map_or(Value::Null, |p| place(path, p))
    };
    shown.insert("pool".into(), named("resourcepool", &rack.region.pools, &m.maas.pool));
    shown.insert("zone".into(), named("zones", &rack.region.zones, &m.maas.zone));
    Value::Object(shown)
}

fn identity(m: &Machine) -> Value {
    json!({
        "system_id": m.system_id,
        "hostname": m.hostname,
        "fqdn": format!("{}.maas", m.hostname),
        "description": m.maas.description,
        "hardware_uuid": null,
        "domain": domain(),
        "architecture": "amd64/generic",
        "cpu_count": 64,
        "cpu_speed": 2900,
        "memory": 262_144,
        "node_type": 0,
        "node_type_name": "Machine",
        "bios_boot_method": "uefi",
        "power_type": "ipmi",
        "hardware_info": hardware(m),
        "pod": null,
        "parent": null,
        "virtualmachine_id": null,
        "resource_uri": format!("{ROOT}/machines/{}/", m.system_id),
    })
}

fn state(rack: &Rack, m: &Machine) -> Value {
    let (commissioning, testing) = scripts(m);
    json!({
        "status": m.status,
        "status_name": status::name(m.status),
        "status_message": message(rack, m),
        "status_action": "",
        "error_description": "",
        "owner": m.maas.owner,
        "owner_data": {},
        "workload_annotations": {},
        "constraints_by_type": {},
        "locked": false,
        "netboot": true,
        "osystem": "",
        "distro_series": "",
        "hwe_kernel": null,
        "min_hwe_kernel": "",
        "ephemeral_deploy": false,
        "power_state": if m.power.on { "on" } else { "off" },
        "tag_names": m.tags,
        "commissioning_status": commissioning.0,
        "commissioning_status_name": commissioning.1,
        "testing_status": testing.0,
        "testing_status_name": testing.1,
        "current_commissioning_result_id": run(m),
        "current_testing_result_id": run(m),
        "current_installation_result_id": null,
    })
}

fn network(rack: &Rack, m: &Machine, now: Timestamp) -> Value {
    let interface = interface(rack, m, now);
    json!({
        "address_ttl": null,
        "ip_addresses": addresses(m, now),
        "boot_interface": interface,
        "interface_set": [interface],
        "disable_ipv4": false,
        "default_gateways": {
            "ipv4": { "gateway_ip": null, "link_id": null },
            "ipv6": { "gateway_ip": null, "link_id": null },
        },
    })
}

/// The lab's machines boot from the network and have no disks.
fn storage() -> Value {
    json!({
        "storage": 0.0,
        "swap_size": null,
        "boot_disk": null,
        "bcaches": [],
        "blockdevice_set": [],
        "cache_sets": [],
        "numanode_set": [],
        "physicalblockdevice_set": [],
        "raids": [],
        "special_filesystems": [],
        "virtualblockdevice_set": [],
        "volume_groups": [],
    })
}

fn domain() -> Value {
    json!({
        "authoritative": true,
        "ttl": null,
        "is_default": true,
        "name": "maas",
        "resource_record_count": 0,
        "id": 0,
        "resource_uri": format!("{ROOT}/domains/0/"),
    })
}

/// The address that DHCP gave, while the machine is up.
fn addresses(m: &Machine, now: Timestamp) -> Vec<&'static str> {
    if m.is_up(now) { vec!["127.0.0.1"] } else { Vec::new() }
}

fn interface(rack: &Rack, m: &Machine, now: Timestamp) -> Value {
    let number = rack.find(&m.hostname).unwrap_or(0) + 1;
    let discovered: Vec<_> =
        addresses(m, now).into_iter().map(|ip| json!({ "ip_address": ip })).collect();
    json!({
        "id": number,
        "system_id": m.system_id,
        "name": "eno1",
        "type": "physical",
        "mac_address": m.mac,
        "enabled": true,
        "discovered": discovered,
        "links": [],
        "parents": [],
        "children": [],
        "tags": [],
        "params": "",
        "vlan": null,
        "vendor": null,
        "product": null,
        "firmware_version": null,
        "effective_mtu": 1500,
        "link_connected": true,
        "interface_speed": 25_000,
        "link_speed": 25_000,
        "numa_node": 0,
        "sriov_max_vf": 0,
        "resource_uri": format!("{ROOT}/nodes/{}/interfaces/{number}/", m.system_id),
    })
}

fn hardware(m: &Machine) -> Value {
    json!({
        "system_vendor": m.vendor.as_str(),
        "system_product": m.model,
        "system_serial": m.serial,
        "system_family": "Unknown",
        "system_sku": "Unknown",
        "system_version": "Unknown",
        "cpu_model": "Unknown",
        "mainboard_vendor": m.vendor.as_str(),
        "mainboard_product": "Unknown",
        "mainboard_serial": "Unknown",
    })
}

/// The newest event that is more than a detail.
fn message(rack: &Rack, m: &Machine) -> Option<String> {
    let mine = |e: &&super::Event| e.machine == m.hostname && e.level >= super::Level::Info;
    let event = rack.region.events.iter().rev().find(mine)?;
    let text = if event.text.is_empty() { String::new() } else { format!(" - {}", event.text) };
    Some(format!("{}{text}", event.kind))
}

fn run(m: &Machine) -> Option<u32> {
    (m.maas.commissions > 0).then_some(m.maas.commissions)
}

/// How the commissioning scripts and the tests of the last commissioning stand.
fn scripts(m: &Machine) -> ((i8, &'static str), (i8, &'static str)) {
    match m.status {
        _ if m.maas.commissions == 0 => (NONE, NONE),
        status::COMMISSIONING => (RUNNING, PENDING),
        status::FAILED_COMMISSIONING => (FAILED, NONE),
        status::TESTING => (PASSED, RUNNING),
        status::FAILED_TESTING => (PASSED, FAILED),
        status::READY => (PASSED, PASSED),
        _ => (NONE, NONE),
    }
}
