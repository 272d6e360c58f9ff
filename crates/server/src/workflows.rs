//! Workflow files, with what they need: the executors and the device types.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use rackwright_engine::{
    Registry,
    graph::check,
    load::{Bundle, Diagnostics, Library},
};
use rackwright_steps_ssh::DeviceTypes;

use crate::{
    exit::{Exit, Failure, Outcome},
    home::Home,
    output::Output,
};

/// The directory of device types that stands beside a workflow file.
pub(crate) fn device_types_beside(file: &Path) -> Option<PathBuf> {
    let beside = std::path::absolute(file).ok()?.parent()?.join("device-types");
    beside.is_dir().then_some(beside)
}

/// The device types that ship, those in the data directory, and those of `beside`; of the same
/// name the last one counts.
pub(crate) fn device_types(home: &Home, beside: Option<&Path>) -> Outcome<DeviceTypes> {
    let own = home.dir().join("device-types");
    DeviceTypes::built_in()
        .and_then(|types| types.with_directory(&own))
        .and_then(|types| match beside {
            Some(beside) => types.with_directory(beside),
            None => Ok(types),
        })
        .map_err(Failure::usage)
}

/// All executors.
pub(crate) fn registry(types: DeviceTypes) -> Outcome<Registry> {
    let mut registry = Registry::new();
    rackwright_steps_maas::register(&mut registry)
        .and_then(|()| rackwright_steps_ssh::register(&mut registry, types))
        .map_err(Failure::usage)?;
    Ok(registry)
}

/// Reads a file and the workflows that it calls, and checks them all.
pub(crate) fn load(file: &Path, registry: &Registry) -> Result<Bundle, Diagnostics> {
    let bundle = Library::new().load(file)?;
    let mut diagnostics = Diagnostics::default();
    let child = |name: &str| {
        let found = bundle.workflows.iter().find(|loaded| loaded.workflow.name == name);
        found.map(|loaded| &loaded.workflow)
    };
    for loaded in &bundle.workflows {
        let problems = check(&loaded.workflow, registry, &child);
        diagnostics.extend(loaded.source.diagnostics(problems));
    }
    if diagnostics.is_empty() { Ok(bundle) } else { Err(diagnostics) }
}

/// Reads several files; the problems of a workflow that several call are told once.
pub(crate) fn load_all(files: &[PathBuf], registry: &Registry) -> (Vec<Bundle>, Vec<Diagnostics>) {
    let mut bundles = Vec::new();
    let mut problems = Vec::new();
    let mut told = HashSet::new();
    for file in files {
        match load(file, registry) {
            Ok(bundle) => bundles.push(bundle),
            Err(diagnostics) => {
                if told.insert(diagnostics.to_string()) {
                    problems.push(diagnostics);
                }
            }
        }
    }
    (bundles, problems)
}

/// Invalid files as a command's end.
pub(crate) fn invalid(problems: &Diagnostics, output: &Output) -> Failure {
    let text = if output.colours_errors() { problems.coloured() } else { problems.to_string() };
    Failure { exit: Exit::Usage, message: text, rendered: true, hint: None }
}
