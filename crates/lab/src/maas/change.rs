//! What changes something.

use rackwright_engine::model::Timestamp;
use serde_json::json;

use super::{
    Level, Place, Tag, describe, lifecycle,
    look::tag,
    machine_json::{machine, place},
    reply::Reply,
    request::Request,
    status,
};
use crate::{Clock, Rack};

const NO_CHOICE: &str = "Select a valid choice. That choice is not one of the available choices.";
const REQUIRED: &str = "This field is required.";

/// Answers a POST, PUT or DELETE.
pub(super) fn change(rack: &mut Rack, now: Timestamp, clock: Clock, request: &Request) -> Reply {
    let path: Vec<_> = request.segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice(), request.op.as_deref()) {
        (method @ ("POST" | "PUT"), ["machines", id], op) => {
            let Some(index) = rack.machines.iter().position(|m| m.system_id == *id) else {
                return Reply::not_found("Machine");
            };
            let done = match (method, op) {
                ("PUT", None) => update(rack, index, request),
                ("POST", Some("commission")) => commission(rack, index, now, clock, request),
                ("POST", Some("abort")) => abort(rack, index, now),
                ("POST", Some("release")) => release(rack, index, now),
                ("POST", Some("power_on")) => power_on(rack, index, now, clock),
                ("POST", Some("power_off")) => {
                    power_off(rack, index, now);
                    Ok(())
                }
                _ => Err(Reply::no_operation(method, op)),
            };
            done.err().unwrap_or_else(|| Reply::json(&machine(rack, &rack.machines[index], now)))
        }
        ("POST", ["tags"], None) => create_tag(rack, request),
        (_, ["tags", name], _) if !rack.region.tags.contains_key(*name) => Reply::not_found("Tag"),
        ("POST", ["tags", name], Some("update_nodes")) => update_nodes(rack, name, request),
        ("DELETE", ["tags", name], None) => {
            rack.region.tags.remove(*name);
            for machine in &mut rack.machines {
                machine.tags.remove(*name);
            }
            Reply::deleted()
        }
        ("POST", ["resourcepools"], None) => {
            create_place(&mut rack.region.pools, "resourcepool", "Resource pool", request)
        }
        ("POST", ["zones"], None) => {
            create_place(&mut rack.region.zones, "zones", "Physical zone", request)
        }
        (method, path, op) if describe::handler(path).is_some() => Reply::no_operation(method, op),
        _ => Reply::no_page(),
    }
}

/// Nothing to say, or the refusal.
type Done = Result<(), Reply>;

fn commission(
    rack: &mut Rack,
    index: usize,
    now: Timestamp,
    clock: Clock,
    request: &Request,
) -> Done {
    if !status::can_commission(rack.machines[index].status) {
        // Not 409: MAAS checks the state in the form.
        return Err(Reply::invalid(
            "__all__",
            "Commission is not available because of the current state of the node.",
        ));
    }
    lifecycle::commission(rack, index, request.flag("enable_ssh"), now, clock);
    Ok(())
}

fn abort(rack: &mut Rack, index: usize, now: Timestamp) -> Done {
    let machine = &rack.machines[index];
    if !matches!(machine.status, status::COMMISSIONING | status::TESTING) {
        let (id, state) = (&machine.system_id, status::name(machine.status));
        let text = format!("Cannot abort in current state: node {id} is in state {state}.");
        return Err(Reply::text(409, text));
    }
    lifecycle::abort(rack, index, now);
    Ok(())
}

fn release(rack: &mut Rack, index: usize, now: Timestamp) -> Done {
    let (machine, region) = (&mut rack.machines[index], &mut rack.region);
    if machine.status == status::READY {
        // Released already: a success, so that clients may ask again.
        return Ok(());
    }
    if !status::can_release(machine.status) {
        let state = status::name(machine.status);
        let text = format!("Machine cannot be released in its current state ('{state}').");
        return Err(Reply::text(409, text));
    }
    machine.status = status::READY;
    machine.maas.owner = None;
    machine.power_off();
    region.log(now, machine, Level::Info, "Ready", "");
    Ok(())
}

fn power_on(rack: &mut Rack, index: usize, now: Timestamp, clock: Clock) -> Done {
    let boot = clock.real(rack.boot_time(index));
    let (machine, region) = (&mut rack.machines[index], &mut rack.region);
    if machine.maas.owner.is_none() {
        return Err(Reply::text(409, "Can't start node: it hasn't been allocated."));
    }
    if !machine.power.on {
        machine.boot(now.after(boot));
        region.log(now, machine, Level::Info, "Powering on", "");
    }
    Ok(())
}

fn power_off(rack: &mut Rack, index: usize, now: Timestamp) {
    let (machine, region) = (&mut rack.machines[index], &mut rack.region);
    machine.power_off();
    region.log(now, machine, Level::Info, "Powering off", "");
}

/// Fields that the lab does not know are ignored, as Django's forms do.
fn update(rack: &mut Rack, index: usize, request: &Request) -> Done {
    let known = |places: &[Place], name: &str| places.iter().any(|place| place.name == name);
    for (field, places) in [("pool", &rack.region.pools), ("zone", &rack.region.zones)] {
        if request.field(field).is_some_and(|name| !known(places, name)) {
            return Err(Reply::invalid(field, NO_CHOICE));
        }
    }
    let entry = &mut rack.machines[index].maas;
    for (field, target) in [
        ("pool", &mut entry.pool),
        ("zone", &mut entry.zone),
        ("description", &mut entry.description),
    ] {
        if let Some(value) = request.field(field) {
            value.clone_into(target);
        }
    }
    Ok(())
}

fn create_tag(rack: &mut Rack, request: &Request) -> Reply {
    let name = request.field("name").unwrap_or_default().to_owned();
    if name.is_empty() {
        return Reply::invalid("name", REQUIRED);
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
        return Reply::invalid("name", "Enter a valid value.");
    }
    if rack.region.tags.contains_key(&name) {
        return Reply::invalid("name", "Tag with this Name already exists.");
    }
    let comment = request.field("comment").unwrap_or_default().to_owned();
    rack.region.tags.insert(name.clone(), Tag { comment });
    Reply::json(&tag(rack, &name))
}

/// Machines that do not exist are passed over in silence, as MAAS does.
fn update_nodes(rack: &mut Rack, name: &str, request: &Request) -> Reply {
    let (add, remove) = (request.listed("add"), request.listed("remove"));
    let (mut added, mut removed) = (0, 0);
    for machine in &mut rack.machines {
        if add.contains(&machine.system_id.as_str()) {
            machine.tags.insert(name.to_owned());
            added += 1;
        }
        if remove.contains(&machine.system_id.as_str()) {
            machine.tags.remove(name);
            removed += 1;
        }
    }
    Reply::json(&json!({ "added": added, "removed": removed }))
}

fn create_place(places: &mut Vec<Place>, path: &str, model: &str, request: &Request) -> Reply {
    let name = request.field("name").unwrap_or_default().to_owned();
    if name.is_empty() {
        return Reply::invalid("name", REQUIRED);
    }
    if places.iter().any(|place| place.name == name) {
        return Reply::invalid("name", format!("{model} with this Name already exists."));
    }
    let id = places.iter().map(|place| place.id + 1).max().unwrap_or(0);
    let description = request.field("description").unwrap_or_default().to_owned();
    let made = Place { id, name, description };
    let shown = place(path, &made);
    places.push(made);
    Reply::json(&shown)
}
