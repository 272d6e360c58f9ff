//! HPE's `ilorest` (python-redfish-utility), in band: `save` and `load` of the BIOS settings.
//! It shows the pending settings, as the tool does by reading `bios/settings`.

use serde_json::{Map, Value, json};

use crate::{
    bios::{Refusal, definitions},
    ssh::{
        shell::{Answer, Seat},
        tools::{export_fails, import_fails, option, stage},
    },
};

const TYPE: &str = "#Bios.v1_0_4.Bios";
const PATH: &str = "/redfish/v1/systems/1/bios/settings/";

// The tool's return codes.
const INVALID_COMMAND_LINE: u32 = 3;
const INVALID_FILE_FORMATTING: u32 = 4;
const INVALID_FILE_INPUT: u32 = 7;
const NOTHING_SELECTED: u32 = 24;
const VALIDATION_ERROR: u32 = 28;
const ILO_ERROR: u32 = 37;

pub(super) fn run(seat: &mut Seat<'_>, arguments: &[&str]) -> Answer {
    let rest: Vec<&str> = arguments.iter().copied().filter(|a| *a != "--nologo").collect();
    match rest[..] {
        ["save", ref rest @ ..] => save(seat, rest),
        ["load", ref rest @ ..] => load(seat, rest),
        _ => fails(INVALID_COMMAND_LINE, "Command not found here: lab machines know save, load"),
    }
}

fn fails(exit: u32, text: &str) -> Answer {
    Answer::fails(exit, format!("ERROR   : {text}\n"))
}

fn file<'a>(arguments: &[&'a str]) -> &'a str {
    option(arguments, "-f").unwrap_or("ilorest.json")
}

fn save(seat: &mut Seat<'_>, arguments: &[&str]) -> Answer {
    let select = option(arguments, "--select").or_else(|| option(arguments, "--selector"));
    if !select.is_some_and(|select| select.to_ascii_lowercase().starts_with("bios")) {
        return fails(NOTHING_SELECTED, "No type selected: a lab machine has `Bios.`");
    }
    if export_fails(seat) {
        return fails(ILO_ERROR, "iLO responded with the following error: InternalError");
    }
    let machine = seat.machine();
    // The tool sorts its keys.
    let mut attributes = Map::new();
    let mut names: Vec<_> = definitions(machine.vendor).iter().collect();
    names.sort_by_key(|definition| definition.name);
    for definition in names {
        attributes.insert(definition.name.to_owned(), machine.bios.next(definition).into());
    }
    let content = json!([
        { "Comments": {
            "BIOSDate": "07/14/2022",
            "BIOSFamily": "A42",
            "Manufacturer": machine.vendor.as_str(),
            "Model": machine.model,
            "SerialNumber": machine.serial,
            "iLOVersion": "iLO 5 v2.72",
        } },
        { TYPE: { PATH: {
            "AttributeRegistry": "BiosAttributeRegistryA42.v1_2_60",
            "Attributes": attributes,
            "Id": "settings",
            "Name": "BIOS Pending Settings",
        } } },
    ]);
    let path = file(arguments).to_owned();
    machine.host.write(&path, format!("{content:#}"));
    Answer::ok(format!("Saving configuration...\nConfiguration saved to: {path}\n"))
}

fn load(seat: &mut Seat<'_>, arguments: &[&str]) -> Answer {
    const LOADING: &str = "Loading configuration...\n";
    let path = file(arguments);
    let Some(text) = seat.machine().host.text(path) else {
        let text = format!("File '{path}' doesn't exist. Please create file by running 'save'");
        return fails(INVALID_FILE_INPUT, &text);
    };
    let Some(attributes) = attributes(&text) else {
        return fails(INVALID_FILE_FORMATTING, "Invalid file formatting found.");
    };
    if import_fails(seat) {
        return fails(ILO_ERROR, "iLO responded with the following error: InternalError");
    }
    let machine = seat.machine();
    let (mut said, mut errors, mut changes) = (LOADING.to_owned(), String::new(), Vec::new());
    for (name, value) in &attributes {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        match machine.bios.change(machine.vendor, name, &value) {
            Ok(change) => changes.extend(change),
            Err(Refusal::ReadOnly) => {
                push!(said, "Property is read-only skipping '{name}'\n");
            }
            Err(Refusal::Unknown) => {
                push!(errors, "Attribute '{name}' not found in the registry\n");
            }
            Err(Refusal::Value) => {
                push!(errors, "'{value}' is not a valid value for attribute '{name}'\n");
            }
        }
    }
    if !errors.is_empty() {
        let stderr = format!("Validation error(s) in type {TYPE}:\n{errors}");
        return Answer { stdout: said, stderr, exit: VALIDATION_ERROR };
    }
    if changes.is_empty() {
        said.push_str("No differences found from current configuration.\n");
    } else {
        said.push_str(
            "One or more properties were changed and will not take effect until system is reset\n",
        );
    }
    stage(seat, changes);
    Answer::ok(said)
}

/// The attributes in a saved file.
fn attributes(text: &str) -> Option<Map<String, Value>> {
    let items: Vec<Map<String, Value>> = serde_json::from_str(text).ok()?;
    let resource = items.iter().find_map(|item| item.get(TYPE))?.get(PATH)?;
    resource.get("Attributes")?.as_object().cloned()
}
