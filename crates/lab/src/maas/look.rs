//! What can be read.

use rackwright_engine::model::Timestamp;
use serde_json::{Value, json};

use super::{
    Place, describe, events,
    machine_json::{machine, place},
    reply::Reply,
    request::Request,
};
use crate::{Machine, Rack};

/// Answers a GET.
pub(super) fn look(rack: &Rack, now: Timestamp, request: &Request) -> Reply {
    let path: Vec<_> = request.segments.iter().map(String::as_str).collect();
    let show = |m: &Machine| machine(rack, m, now);
    match (path.as_slice(), request.op.as_deref()) {
        (["version"], None) => Reply::json(&version()),
        (["describe"], None) => Reply::json(&describe::description(rack.maas_port)),
        (["users"], None) => Reply::json(&json!([admin()])),
        (["users"], Some("whoami")) | (["users", "admin"], None) => Reply::json(&admin()),
        (["users", _], None) => Reply::not_found("User"),
        (["machines"], None) => {
            let chosen = rack.machines.iter().filter(|m| wanted(m, request));
            Reply::json(&chosen.map(show).collect())
        }
        (["machines", id], op @ (None | Some("query_power_state"))) => {
            let Some(found) = rack.machines.iter().find(|m| m.system_id == *id) else {
                return Reply::not_found("Machine");
            };
            let state = || json!({ "state": if found.power.on { "on" } else { "off" } });
            Reply::json(&if op.is_none() { show(found) } else { state() })
        }
        (["tags"], None) => {
            Reply::json(&rack.region.tags.keys().map(|name| tag(rack, name)).collect())
        }
        (["tags", name], op @ (None | Some("machines" | "nodes"))) => {
            if !rack.region.tags.contains_key(*name) {
                return Reply::not_found("Tag");
            }
            let tagged = || rack.machines.iter().filter(|m| m.tags.contains(*name)).map(show);
            Reply::json(&if op.is_none() { tag(rack, name) } else { tagged().collect() })
        }
        (["resourcepools"], None) => {
            Reply::json(&rack.region.pools.iter().map(|pool| place("resourcepool", pool)).collect())
        }
        (["resourcepool", id], None) => {
            let found = rack.region.pools.iter().find(|pool| pool.id.to_string() == *id);
            one("ResourcePool", "resourcepool", found)
        }
        (["zones"], None) => {
            Reply::json(&rack.region.zones.iter().map(|zone| place("zones", zone)).collect())
        }
        (["zones", name], None) => {
            one("Zone", "zones", rack.region.zones.iter().find(|zone| zone.name == *name))
        }
        (["events"], Some("query")) => events::query(rack, request),
        (path, op) if describe::handler(path).is_some() => Reply::no_operation("GET", op),
        _ => Reply::no_page(),
    }
}

fn one(model: &str, path: &str, found: Option<&Place>) -> Reply {
    found.map_or_else(|| Reply::not_found(model), |found| Reply::json(&place(path, found)))
}

/// The filters of a list of machines: values of one parameter add up, parameters narrow down.
pub(super) fn wanted(machine: &Machine, request: &Request) -> bool {
    let pass = |name: &str, value: &str| {
        let asked = request.queried(name);
        asked.is_empty() || asked.iter().any(|asked| asked.eq_ignore_ascii_case(value))
    };
    pass("hostname", &machine.hostname)
        && pass("id", &machine.system_id)
        && pass("mac_address", &machine.mac)
        && pass("pool", &machine.maas.pool)
        && pass("zone", &machine.maas.zone)
}

/// A tag as the API shows it.
pub(super) fn tag(rack: &Rack, name: &str) -> Value {
    let comment = rack.region.tags.get(name).map_or("", |tag| tag.comment.as_str());
    json!({
        "name": name,
        "definition": "",
        "comment": comment,
        "kernel_opts": "",
        "resource_uri": format!("/MAAS/api/2.0/tags/{name}/"),
    })
}

fn admin() -> Value {
    json!({
        "is_superuser": true,
        "username": "admin",
        "email": "admin@lab.invalid",
        "is_local": true,
        "resource_uri": "/MAAS/api/2.0/users/admin/",
    })
}

fn version() -> Value {
    json!({
        "capabilities": [
            "networks-management",
            "static-ipaddresses",
            "devices-management",
            "storage-deployment-ubuntu",
            "network-deployment-ubuntu",
            "authenticate-api",
        ],
        "version": "3.5.0",
        "subversion": "",
    })
}
