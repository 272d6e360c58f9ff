//! Dell's `racadm`, local: server configuration profiles and the job queue.

use std::time::Duration;

use crate::{
    bios::{Refusal, definitions},
    ssh::{
        host::{Job, JobEnd},
        shell::{Answer, Seat},
        tools::{export_fails, import_fails, option, stage, xml},
    },
};

/// The component that holds the BIOS settings.
const BIOS: &str = "BIOS.Setup.1-1";
/// How long jobs take, in simulated time.
const EXPORT: Duration = Duration::from_secs(8);
const IMPORT: Duration = Duration::from_secs(40);

pub(super) fn run(seat: &mut Seat<'_>, arguments: &[&str]) -> Answer {
    match arguments {
        ["get", rest @ ..] if option(rest, "-t") == Some("xml") => export(seat, rest),
        ["set", rest @ ..] if option(rest, "-t") == Some("xml") => import(seat, rest),
        ["get", name] => get(seat, name),
        ["jobqueue", "view"] => view(seat, None),
        ["jobqueue", "view", "-i", id] => view(seat, Some(id)),
        [] => Answer::ok("\nracadm: a lab machine's; see `racadm help` of a real one\n"),
        _ => Answer::says(255, "ERROR: Invalid subcommand specified.\n"),
    }
}

fn export(seat: &mut Seat<'_>, arguments: &[&str]) -> Answer {
    let Some(file) = option(arguments, "-f") else {
        return Answer::says(255, "ERROR: Missing required option -f\n");
    };
    if export_fails(seat) {
        return Answer::says(
            255,
            "ERROR: SWC0245 : The Lifecycle Controller is not ready; try again later.\n",
        );
    }
    let time = seat.now;
    let machine = seat.machine();
    let mut text = format!(
        "<SystemConfiguration Model=\"{}\" ServiceTag=\"{}\" TimeStamp=\"{time}\">\n\
         <!--Export type is Normal,XML-->\n\
         <!--Exported configuration may contain commented attributes.-->\n\
         <Component FQDD=\"{BIOS}\">\n",
        xml(&machine.model),
        xml(&machine.serial)
    );
    for definition in definitions(machine.vendor) {
        let value = xml(machine.bios.current(definition));
        let name = attribute(definition.name);
        let line = format!("<Attribute Name=\"{name}\">{value}</Attribute>");
        if definition.takes.is_empty() {
            push!(text, " <!-- {line} -->\n");
        } else {
            push!(text, " {line}\n");
        }
    }
    text.push_str("</Component>\n</SystemConfiguration>\n");
    machine.host.write(file, text);
    let id = begin(seat, "Export: Server Configuration Profile", EXPORT, JobEnd::Exported);
    Answer::ok(format!(
        "RAC976: Export configuration XML file operation initiated.\n\
         Use the \"racadm jobqueue view -i {id}\" command to view the status\nof the operation.\n"
    ))
}

fn import(seat: &mut Seat<'_>, arguments: &[&str]) -> Answer {
    let text = option(arguments, "-f").and_then(|file| seat.machine().host.text(file));
    let Some(text) = text else {
        return Answer::says(255, "ERROR: Unable to open the input file.\n");
    };
    let now = seat.now;
    if seat.machine().host.jobs.iter().any(|job| job.ends > now && job.end != JobEnd::Exported) {
        return Answer::says(
            255,
            "ERROR: A configuration job is already running. Retry after it has completed.\n",
        );
    }
    let wanted = match profile(&text) {
        Ok(wanted) => wanted,
        Err(reason) => {
            return Answer::says(255, format!("ERROR: Invalid XML in the input file: {reason}\n"));
        }
    };
    let end = if import_fails(seat) { JobEnd::Failed } else { apply(seat, &wanted) };
    let id = begin(seat, "Configure: Import Server Configuration Profile", IMPORT, end);
    Answer::ok(format!(
        "Please wait while racadm transfers the file.\n\
         File transferred successfully. Initiating the import operation.\n\
         RAC977: Import configuration XML file operation initiated.\n\
         Use the \"racadm jobqueue view -i {id}\" command to view the status\nof the operation.\n"
    ))
}

/// The BIOS attributes of a profile.
fn profile(text: &str) -> Result<Vec<(String, String)>, String> {
    let document = roxmltree::Document::parse(text).map_err(|error| error.to_string())?;
    if !document.root_element().has_tag_name("SystemConfiguration") {
        return Err("SystemConfiguration is missing".to_owned());
    }
    let attributes = document.descendants().filter(|node| {
        node.has_tag_name("Attribute")
            && node.parent().is_some_and(|parent| parent.attribute("FQDD") == Some(BIOS))
    });
    let pair = |node: roxmltree::Node<'_, '_>| {
        let name = node.attribute("Name").unwrap_or_default().to_owned();
        (name, node.text().unwrap_or_default().to_owned())
    };
    Ok(attributes.map(pair).collect())
}

/// What is valid is put by; a bad attribute makes the job end with errors, not undone.
fn apply(seat: &mut Seat<'_>, wanted: &[(String, String)]) -> JobEnd {
    let machine = seat.machine();
    let mut changes = Vec::new();
    let mut errors = false;
    for (name, value) in wanted {
        let known = definitions(machine.vendor).iter().find(|d| attribute(d.name) == name);
        let change = known
            .ok_or(Refusal::Unknown)
            .and_then(|definition| machine.bios.change(machine.vendor, definition.name, value));
        match change {
            Ok(change) => changes.extend(change),
            Err(Refusal::Unknown | Refusal::ReadOnly | Refusal::Value) => errors = true,
        }
    }
    let end = match (errors, changes.is_empty()) {
        (true, _) => JobEnd::Errors,
        (false, true) => JobEnd::Unchanged,
        (false, false) => JobEnd::Staged,
    };
    stage(seat, changes);
    end
}

fn begin(seat: &mut Seat<'_>, name: &str, takes: Duration, end: JobEnd) -> String {
    let (begun, ends) = (seat.now, seat.after(takes));
    let jobs = &mut seat.machine().host.jobs;
    let mut number = begun.micros().unsigned_abs() / 1000 % 1_000_000_000_000;
    let mut id = format!("JID_{number:012}");
    while jobs.iter().any(|job| job.id == id) {
        number += 1;
        id = format!("JID_{number:012}");
    }
    jobs.push(Job { id: id.clone(), name: name.to_owned(), begun, ends, end });
    id
}

fn get(seat: &mut Seat<'_>, name: &str) -> Answer {
    let machine = seat.machine();
    let found = definitions(machine.vendor).iter().filter(|definition| {
        definition.name == name || definition.name.starts_with(&format!("{name}."))
    });
    let mut text = String::new();
    let mut last = "";
    for definition in found {
        let group = definition.name.split('.').nth(1).unwrap_or_default();
        if group != last {
            push!(text, "[Key={BIOS}#{group}]\n");
            last = group;
        }
        let (current, next) = (machine.bios.current(definition), machine.bios.next(definition));
        let hash = if definition.takes.is_empty() { "#" } else { "" };
        push!(text, "{hash}{}={current}", attribute(definition.name));
        if next != current {
            push!(text, " (Pending Value={next})");
        }
        text.push('\n');
    }
    if text.is_empty() {
        return Answer::says(255, "ERROR: RAC917 : Provided object name is invalid.\n");
    }
    Answer::ok(text)
}

fn view(seat: &mut Seat<'_>, id: Option<&str>) -> Answer {
    let now = seat.now;
    let machine = seat.machine();
    let waits = !machine.bios.pending.is_empty();
    let jobs = &machine.host.jobs;
    let shown: Vec<&Job> = jobs.iter().filter(|job| id.is_none_or(|id| job.id == id)).collect();
    if shown.is_empty() && id.is_some() {
        return Answer::says(255, "ERROR: RAC1032 : JID is not valid.\n");
    }
    let mut text = match id {
        Some(_) => "---------------------------- JOB -------------------------\n".to_owned(),
        None => "-------------------------JOB QUEUE------------------------\n".to_owned(),
    };
    for job in shown {
        let (status, message, percent) = state(job, job.ends <= now, waits);
        let (begun, name, id) = (job.begun, &job.name, &job.id);
        push!(
            text,
            "[Job ID={id}]\n\
             Job Name={name}\n\
             Status={status}\n\
             Scheduled Start Time=[Not Applicable]\n\
             Expiration Time=[Not Applicable]\n\
             Actual Start Time=[{begun}]\n\
             Actual Completion Time=[{}]\n\
             Message=[{message}]\n\
             Percent Complete=[{percent}]\n\
             ----------------------------------------------------------\n",
            if percent == 100 { job.ends.to_string() } else { "Not Applicable".to_owned() }
        );
    }
    Answer::ok(text)
}

fn state(job: &Job, ended: bool, waits: bool) -> (&'static str, &'static str, u8) {
    match (job.end, ended) {
        (JobEnd::Exported, false) => {
            ("Running", "SYS057: Exporting Server Configuration Profile.", 10)
        }
        (_, false) => ("Running", "SYS058: Applying configuration changes.", 20),
        (JobEnd::Exported, true) => {
            ("Completed", "SYS043: Successfully exported Server Configuration Profile", 100)
        }
        (JobEnd::Staged, true) if waits => (
            "Scheduled",
            "No reboot Server Configuration Profile Import job scheduled, Waiting for System \
             Reboot to complete the operation.",
            20,
        ),
        (JobEnd::Staged, true) => (
            "Completed",
            "SYS053: Successfully imported and applied Server Configuration Profile.",
            100,
        ),
        (JobEnd::Unchanged, true) => (
            "Completed",
            "SYS069: No changes were applied since the current component configuration matched \
             the requested configuration.",
            100,
        ),
        (JobEnd::Errors, true) => (
            "Completed",
            "SYS055: Import of Server Configuration Profile operation completed with errors.",
            100,
        ),
        (JobEnd::Failed, true) => {
            ("Failed", "Unable to complete application of configuration profile values.", 100)
        }
    }
}

/// `BIOS.ProcSettings.LogicalProc` is the attribute `LogicalProc`.
fn attribute(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
