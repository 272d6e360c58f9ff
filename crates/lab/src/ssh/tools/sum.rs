//! Supermicro's `sum`, in band. Its settings' memory reads back what was written; the BIOS takes
//! it at the next boot.

use crate::{
    bios::{Definition, Refusal, definitions},
    ssh::{
        shell::{Answer, Seat},
        tools::{export_fails, import_fails, option, stage, xml},
    },
};

const BANNER: &str = "Supermicro Update Manager (for UEFI BIOS) 2.8.0 (2022/02/17) (x86_64)\n\
    Copyright(C) 2013-2022 Super Micro Computer, Inc. All rights reserved.\n\n";

pub(super) fn run(seat: &mut Seat<'_>, arguments: &[&str]) -> Answer {
    let file = option(arguments, "--file").map(ToOwned::to_owned);
    match (option(arguments, "-c"), file) {
        (Some("GetCurrentBiosCfg"), Some(file)) => {
            export(seat, &file, arguments.contains(&"--overwrite"))
        }
        (Some("ChangeBiosCfg"), Some(file)) => import(seat, &file),
        (Some("GetCurrentBiosCfg" | "ChangeBiosCfg"), None) => {
            error(30, "Invalid command line arguments.", "The option --file is required.")
        }
        _ => error(30, "Invalid command line arguments.", "The command is unsupported."),
    }
}

fn error(exit: u32, description: &str, message: &str) -> Answer {
    Answer::says(
        exit,
        format!(
            "{BANNER}********************************<<<<<ERROR>>>>>*********************************\n\n\
             ExitCode                = {exit}\n\
             Description             = {description}\n\
             Error message:\n    {message}\n\n{}\n",
            "*".repeat(80)
        ),
    )
}

fn export(seat: &mut Seat<'_>, file: &str, overwrite: bool) -> Answer {
    if export_fails(seat) {
        return error(153, "IPMI execution exceptions occur.", "Failed to access the BMC.");
    }
    if !overwrite && seat.machine().host.files.contains_key(file) {
        return error(31, "Invalid file.", "The file exists already; use --overwrite.");
    }
    let machine = seat.machine();
    let mut text =
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" standalone=\"yes\"?>\n<BiosCfg>\n  \
        <!--Supermicro Update Manager 2.8.0 (2022/02/17)-->\n  <Menu name=\"Main\">\n    \
        <Information />\n    <Subtitle>Supermicro X12DPi-N6</Subtitle>\n    \
        <Text>BIOS Version(1.4)</Text>\n  </Menu>\n"
            .to_owned();
    let mut open: Vec<&str> = Vec::new();
    for definition in definitions(machine.vendor) {
        let mut path: Vec<&str> = definition.name.split('|').collect();
        let name = path.pop().unwrap_or_default();
        let shared = open.iter().zip(&path).take_while(|(a, b)| a == b).count();
        close(&mut text, &mut open, shared);
        for menu in &path[shared..] {
            indent(&mut text, open.len());
            push!(text, "<Menu name=\"{}\">\n", xml(menu));
            open.push(menu);
        }
        setting(&mut text, open.len(), name, definition, machine.bios.next(definition));
    }
    close(&mut text, &mut open, 0);
    text.push_str("</BiosCfg>\n");
    machine.host.write(file, text);
    Answer::ok(format!("{BANNER}File \"{file}\" is created.\n"))
}

fn indent(text: &mut String, depth: usize) {
    text.push_str(&"  ".repeat(depth + 1));
}

fn close(text: &mut String, open: &mut Vec<&str>, keep: usize) {
    while open.len() > keep {
        open.pop();
        indent(text, open.len());
        text.push_str("</Menu>\n");
    }
}

fn setting(text: &mut String, depth: usize, name: &str, definition: &Definition, value: &str) {
    let (name, value) = (xml(name), xml(value));
    indent(text, depth);
    if definition.takes.contains(&"Unchecked") {
        push!(text, "<Setting name=\"{name}\" checkedStatus=\"{value}\" type=\"CheckBox\">\n");
        indent(text, depth + 1);
        text.push_str("<!--Checked/Unchecked-->\n");
    } else {
        push!(text, "<Setting name=\"{name}\" selectedOption=\"{value}\" type=\"Option\">\n");
        indent(text, depth + 1);
        text.push_str("<Information><AvailableOptions>\n");
        for (at, option) in definition.takes.iter().enumerate() {
            indent(text, depth + 2);
            push!(text, "<Option value=\"{at}\">{}</Option>\n", xml(option));
        }
        indent(text, depth + 1);
        text.push_str("</AvailableOptions></Information>\n");
    }
    indent(text, depth);
    text.push_str("</Setting>\n");
}

fn import(seat: &mut Seat<'_>, file: &str) -> Answer {
    let Some(text) = seat.machine().host.text(file) else {
        return error(31, "Invalid file.", &format!("The file {file} is not found."));
    };
    let Ok(document) = roxmltree::Document::parse(&text) else {
        return error(31, "Invalid file.", &format!("The file {file} is an invalid XML file."));
    };
    if import_fails(seat) {
        return error(153, "IPMI execution exceptions occur.", "Failed to access the BMC.");
    }
    let machine = seat.machine();
    let mut changes = Vec::new();
    for node in document.descendants().filter(|node| node.has_tag_name("Setting")) {
        let value = node.attribute("selectedOption").or_else(|| node.attribute("checkedStatus"));
        let Some(value) = value else { continue };
        let name = full_name(node);
        match machine.bios.change(machine.vendor, &name, value) {
            Ok(change) => changes.extend(change),
            Err(Refusal::Unknown) => {
                let message = format!("The setting \"{name}\" is not found in the current BIOS.");
                return error(37, "Invalid BIOS configuration file.", &message);
            }
            Err(Refusal::ReadOnly | Refusal::Value) => {
                let message =
                    format!("\"{value}\" is an invalid option of the setting \"{name}\".");
                return error(37, "Invalid BIOS configuration file.", &message);
            }
        }
    }
    stage(seat, changes);
    Answer::ok(format!(
        "{BANNER}Status: Start updating the BIOS configuration for the managed system\n\n\
         ************************************WARNING*************************************\n    \
         Do not remove AC power from the server.\n{}\n\n\
         Status: The BIOS configuration is updated for the managed system\n\n\
         Note: You have to reboot or power up the system for the changes to take effect\n",
        "*".repeat(80)
    ))
}

/// Menus and name, joined by `|`.
fn full_name(node: roxmltree::Node<'_, '_>) -> String {
    let named =
        |node: &roxmltree::Node<'_, '_>| node.has_tag_name("Menu") || node.has_tag_name("Setting");
    let mut path: Vec<&str> =
        node.ancestors().filter(named).filter_map(|node| node.attribute("name")).collect();
    path.reverse();
    path.join("|")
}
