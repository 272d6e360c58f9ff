//! The lab: served alone by `rackwright lab`, or in the process of a run.

use std::{collections::BTreeMap, path::PathBuf};

use rackwright_engine::Workflow;
use rackwright_lab::{Lab, LabOptions};
use serde_json::{Map, Value, json};

use crate::{
    cli::{Common, LabArguments, RackArguments},
    exit::{Exit, Failure, Outcome},
    home::Home,
    nodes::lab_failure,
    output::Output,
    signals::Signals,
};

/// The options of a lab in a directory.
pub(crate) fn options(dir: PathBuf, machines: Option<usize>, rack: &RackArguments) -> LabOptions {
    LabOptions {
        machines,
        seed: rack.seed,
        time_scale: rack.speed,
        faults: rack.faults.clone(),
        ..LabOptions::new(dir)
    }
}

/// `rackwright lab`.
pub(crate) async fn serve(
    common: &Common,
    arguments: &LabArguments,
    output: &Output,
) -> Outcome<Exit> {
    let home = Home::find(common)?;
    let dir = match &arguments.rack.dir {
        Some(dir) => std::path::absolute(dir).unwrap_or_else(|_| dir.clone()),
        None => home.dir().join("lab"),
    };
    Home::make(&dir)?;
    let mut signals = Signals::catch()?;
    let options = options(dir.clone(), arguments.machines, &arguments.rack);
    let lab = Lab::start(options).await.map_err(lab_failure)?;
    let addresses = lab.addresses();
    if output.json() {
        output.object(&json!({
            "type": "lab",
            "dir": dir,
            "maas": addresses.maas,
            "ssh": addresses.ssh.iter().cloned().collect::<BTreeMap<_, _>>(),
            "known_hosts": lab.known_hosts(),
            "credentials": dir.join("lab.json"),
            "inventory": lab.inventory(),
        }));
    } else {
        output.line(format_args!("MAAS         {}", addresses.maas));
        for (host, address) in &addresses.ssh {
            output.line(format_args!("SSH          {address}  {host}"));
        }
        output.line(format_args!("known hosts  {}", lab.known_hosts().display()));
        let secrets = dir.join("lab.json");
        output.line(format_args!("credentials  {} (`secrets`)", secrets.display()));
        output.line("Ctrl-C ends it; the rack is kept.");
    }
    signals.next().await;
    lab.shutdown().await;
    Ok(Exit::Completed)
}

/// Adds to a run's input what the lab knows and the input does not say: of each name in the
/// workflow's schema, what the inventory has under it, first of the machine that `server_id` names.
pub(crate) fn fill_in(
    input: &mut Map<String, Value>,
    workflow: &Workflow,
    inventory: &Value,
) -> Outcome<()> {
    let Some(schema) = &workflow.input else { return Ok(()) };
    let machine = machine(input, schema, inventory)?;
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Ok(());
    };
    for name in properties.keys().filter(|name| *name != SERVER) {
        let known = machine.and_then(|it| it.get(name)).or_else(|| inventory.get(name));
        if let Some(value) = known {
            input.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    if let Some(id) = machine.and_then(|it| it.get(SERVER)) {
        input.insert(SERVER.to_owned(), id.clone());
    }
    Ok(())
}

const SERVER: &str = "server_id";

/// The machine that the input names. A workflow for one machine has to be told which.
fn machine<'i>(
    input: &Map<String, Value>,
    schema: &Value,
    inventory: &'i Value,
) -> Outcome<Option<&'i Value>> {
    let machines = inventory["machines"].as_array().map_or(&[][..], Vec::as_slice);
    let list = || {
        let line = |machine: &Value| {
            let field = |name: &str| machine[name].as_str().unwrap_or_default().to_owned();
            format!("{}  {}  {}", field(SERVER), field("hostname"), field("device_type"))
        };
        machines.iter().map(line).collect::<Vec<_>>().join("\n  ")
    };
    let required = schema["required"].as_array().is_some_and(|it| it.iter().any(|it| it == SERVER));
    match input.get(SERVER) {
        None if required => {
            let text = format!("which machine? Say --input {SERVER}=ID; the lab has\n  {}", list());
            Err(Failure::usage(text))
        }
        None => Ok(None),
        Some(named) => {
            let found = machines.iter().find(|it| it[SERVER] == *named || it["hostname"] == *named);
            found.map(Some).ok_or_else(|| {
                let named = named.as_str().map_or_else(|| named.to_string(), str::to_owned);
                Failure::usage(format!("the lab has no machine `{named}`; it has\n  {}", list()))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Value {
        json!({
            "machines": [
                { "server_id": "abc", "hostname": "srv001", "device_type": "d1", "ssh_port": 1 },
                { "server_id": "def", "hostname": "srv002", "device_type": "d2", "ssh_port": 2 },
            ],
            "known_hosts": "/k",
        })
    }

    fn filled(schema: Value, input: Value) -> Result<Value, String> {
        let workflow = Workflow::builder("w").input(schema).build();
        let Value::Object(mut input) = input else { panic!("an object") };
        fill_in(&mut input, &workflow, &inventory()).map_err(|failure| failure.message)?;
        Ok(Value::Object(input))
    }

    #[test]
    fn a_rack_gets_all_machines() {
        let schema = json!({ "properties": { "machines": {}, "known_hosts": {}, "other": {} } });
        let input = filled(schema.clone(), json!({})).unwrap();
        assert_eq!(input["machines"].as_array().unwrap().len(), 2);
        assert_eq!(input["known_hosts"], "/k");
        assert_eq!(input.get("other"), None);
        let given = filled(schema, json!({ "machines": [] })).unwrap();
        assert_eq!(given["machines"], json!([]), "what the input says stays");
    }

    #[test]
    fn a_server_is_looked_up_by_id_or_name() {
        let schema = json!({
            "required": ["server_id"],
            "properties": { "server_id": {}, "device_type": {}, "ssh_port": {}, "known_hosts": {} },
        });
        let wanted =
            json!({ "server_id": "def", "device_type": "x", "ssh_port": 2, "known_hosts": "/k" });
        for name in ["def", "srv002"] {
            let input = json!({ "server_id": name, "device_type": "x" });
            assert_eq!(filled(schema.clone(), input).unwrap(), wanted);
        }
        let told = filled(schema.clone(), json!({})).unwrap_err();
        assert!(told.contains("which machine?") && told.contains("abc  srv001  d1"), "{told}");
        let told = filled(schema, json!({ "server_id": "ghi" })).unwrap_err();
        assert!(told.contains("no machine `ghi`") && told.contains("def  srv002  d2"), "{told}");
    }
}
