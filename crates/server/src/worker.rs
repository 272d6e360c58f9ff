//! `rackwright worker`: a process that makes the calls of steps that are left to pools.

use rackwright_engine::Worker;
use serde_json::json;

use crate::{
    cli::{Common, WorkerArguments},
    credentials::{Credentials, OwnCredentials},
    exit::{Exit, Outcome},
    home::Home,
    output::Output,
    signals::Signals,
    workflows,
};

pub(crate) async fn worker(
    common: &Common,
    arguments: &WorkerArguments,
    output: &Output,
) -> Outcome<Exit> {
    let home = Home::find(common)?;
    let mut signals = Signals::catch()?;
    let types = workflows::device_types(&home, None)?;
    let name = arguments.name.clone();
    let name = name.unwrap_or_else(|| format!("worker-{}", std::process::id()));
    let mut builder = Worker::builder(home.open().await?)
        .registry(workflows::registry(types)?)
        .credentials(Credentials::Own(OwnCredentials::load(common, &home)?))
        .name(&name)
        .slots(arguments.slots)
        .max_payload(common.max_payload.0);
    for pool in &arguments.pools {
        builder = builder.pool(pool);
    }
    let worker = builder.start().await?;
    let pools = arguments.pools.join(", ");
    if output.json() {
        output.object(&json!({ "type": "worker", "name": name, "pools": arguments.pools }));
    } else {
        output.line(format_args!("{name} works for {pools} until Ctrl-C"));
    }
    signals.next().await;
    if !output.json() {
        output.line("stops: what runs is finished or given back");
    }
    tokio::select! {
        () = worker.shutdown() => {}
        () = signals.next() => {}
    }
    Ok(Exit::Completed)
}
