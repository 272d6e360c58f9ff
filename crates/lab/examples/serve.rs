//! Serves a lab by itself until its standard input ends, for tests with other clients.
//!
//! `cargo run -p rackwright-lab --example serve -- DIR [MACHINES [TIME_SCALE [FAULT…]]]` prints
//! one JSON object with the MAAS `url` and `api_key`, the SSH user and the inventory.

use std::io::{Read, Write};

use rackwright_lab::{Lab, LabOptions};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: serve DIR [MACHINES [TIME_SCALE [FAULT…]]]")?;
    let mut options = LabOptions::new(dir);
    options.machines = arguments.next().map(|text| text.parse()).transpose()?;
    if let Some(scale) = arguments.next() {
        options.time_scale = scale.parse()?;
    }
    options.faults = arguments.map(|text| text.parse()).collect::<Result<_, _>>()?;
    let lab = Lab::start(options).await?;
    let secrets = lab.state().read(|rack, _| rack.secrets.clone());
    let line = json!({
        "url": lab.addresses().maas,
        "api_key": secrets.maas_api_key,
        "ssh_username": secrets.ssh_username,
        "ssh_password": secrets.ssh_password,
        "inventory": lab.inventory(),
    });
    writeln!(std::io::stdout(), "{line}")?;
    let mut rest = Vec::new();
    tokio::task::block_in_place(|| std::io::stdin().read_to_end(&mut rest))?;
    lab.shutdown().await;
    Ok(())
}
