//! `rackwright run`.

mod background;

use std::path::Path;

use rackwright_engine::{Engine, RunId, RunRequest, load::Bundle, store::ClaimScope};
use rackwright_lab::{Lab, LabOptions};
use serde_json::{Map, Value};

use crate::{
    cli::{Common, RunArguments},
    exit::{Exit, Failure, Outcome},
    follow::{Ended, follow},
    home::Home,
    inputs, lab,
    logs::Logs,
    nodes::{Node, Site, lab_failure},
    output::Output,
    signals::Signals,
    workflows,
};

pub(crate) async fn run(
    common: &Common,
    arguments: &RunArguments,
    output: &Output,
    logs: &Logs,
) -> Outcome<Exit> {
    let home = Home::find(common)?;
    let device_types = workflows::device_types_beside(&arguments.file);
    let types = workflows::device_types(&home, device_types.as_deref())?;
    let bundle = workflows::load(&arguments.file, &workflows::registry(types)?)
        .map_err(|problems| workflows::invalid(&problems, output))?;
    let pairs = inputs_of(&bundle, arguments)?;
    if arguments.detach {
        return background::start(&home, output).await;
    }
    let mut signals = Signals::catch()?;
    let store = home.open().await?;
    let (lab, site) = start_lab(&home, arguments, device_types).await?;
    let input = match checked(&bundle, pairs, lab.as_ref()) {
        Ok(input) => input,
        Err(failure) => {
            drop_new_lab(arguments, &site, lab).await;
            return Err(failure);
        }
    };
    let node = Node::start(common, &home, &site, lab, store).await?;
    let run = match start(&node.engine, bundle, input, &site, arguments).await {
        Ok(run) => run,
        Err(failure) => {
            node.stop().await?;
            return Err(failure);
        }
    };
    if arguments.background {
        background::announce(run);
    }
    let quiet = if arguments.background { output.silent() } else { output.clone() };
    let ended = follow(&node.engine, &[run], None, &quiet, logs, &mut signals).await;
    finish(node, ended, &[run], output, &mut signals).await
}

/// Stops the node; a second Ctrl-C does not wait for it.
pub(crate) async fn finish(
    node: Node,
    ended: Outcome<Ended>,
    runs: &[RunId],
    output: &Output,
    signals: &mut Signals,
) -> Outcome<Exit> {
    tokio::select! {
        stopped = node.stop() => stopped?,
        () = signals.next() => {}
    }
    match ended? {
        Ended::Settled(exit) => Ok(exit),
        Ended::Interrupted => {
            let ids: Vec<_> = runs.iter().map(ToString::to_string).collect();
            output.note(format_args!(
                "not finished; carry it on with: rackwright resume {}",
                ids.join(" ")
            ));
            Ok(Exit::Interrupted)
        }
    }
}

fn inputs_of(bundle: &Bundle, arguments: &RunArguments) -> Outcome<Map<String, Value>> {
    let root = bundle.root().ok_or_else(|| Failure::usage("the file holds no workflow"))?;
    let input = inputs::gather(&root.workflow, arguments.input_file.as_deref(), &arguments.inputs)?;
    // What the lab will fill in can't be checked before there is one.
    if arguments.lab.is_none() {
        inputs::check(&root.workflow, input.clone())?;
    }
    Ok(input)
}

fn checked(bundle: &Bundle, mut input: Map<String, Value>, lab: Option<&Lab>) -> Outcome<Value> {
    let root = bundle.root().ok_or_else(|| Failure::usage("the file holds no workflow"))?;
    if let Some(lab) = lab {
        lab::fill_in(&mut input, &root.workflow, &lab.inventory())?;
    }
    inputs::check(&root.workflow, input)
}

async fn start_lab(
    home: &Home,
    arguments: &RunArguments,
    device_types: Option<std::path::PathBuf>,
) -> Outcome<(Option<Lab>, Site)> {
    let Some(machines) = arguments.lab else {
        return Ok((None, Site { device_types, ..Site::default() }));
    };
    let dir = match &arguments.rack.dir {
        Some(dir) => std::path::absolute(dir).unwrap_or_else(|_| dir.clone()),
        None => home.new_lab()?,
    };
    Home::make(&dir)?;
    let mut options = lab::options(dir.clone(), machines, &arguments.rack);
    // A rack that is there already keeps its size unless one is asked for.
    if !dir.join("lab.json").exists() {
        options.machines = options.machines.or(Some(LabOptions::MACHINES));
    }
    let site = Site {
        lab: Some(dir.clone()),
        lab_speed: Some(arguments.rack.speed.to_string()),
        device_types,
    };
    match Lab::start(options).await {
        Ok(lab) => Ok((Some(lab), site)),
        Err(error) => {
            drop_new_lab(arguments, &site, None).await;
            Err(lab_failure(error))
        }
    }
}

/// A lab that was made for a run that never came to be leaves nothing behind.
async fn drop_new_lab(arguments: &RunArguments, site: &Site, lab: Option<Lab>) {
    if let Some(lab) = lab {
        lab.shutdown().await;
    }
    if let (None, Some(dir)) = (&arguments.rack.dir, &site.lab) {
        remove(dir);
    }
}

fn remove(dir: &Path) {
    if let Err(error) = std::fs::remove_dir_all(dir) {
        tracing::warn!(dir = %dir.display(), %error, "the unused lab could not be removed");
    }
}

/// Starts the run, and lets the engine keep it.
async fn start(
    engine: &Engine,
    bundle: Bundle,
    input: Value,
    site: &Site,
    arguments: &RunArguments,
) -> Outcome<RunId> {
    let mut name = String::new();
    for loaded in bundle.workflows {
        name.clone_from(&loaded.workflow.name);
        engine.deploy(loaded.workflow).await?;
    }
    let mut request = RunRequest::new(name).input(input);
    for (label, value) in site.labels() {
        request = request.label(label, value);
    }
    for (name, value) in &arguments.requires {
        request = request.requires(name, value);
    }
    if let Some(key) = &arguments.idempotency_key {
        request = request.idempotency_key(key);
    }
    let run = engine.start(request).await?.id();
    engine.take_over(ClaimScope::Root(run)).await?;
    Ok(run)
}
