//! `cargo xtask sim`: the simulation, for as many seeds as one likes.

use std::env;

use clap::Args;

use crate::{
    Outcome,
    cluster::{Cluster, Durability},
    shell,
    test::POSTGRES,
    workspace::Program,
};

#[derive(Args)]
pub(crate) struct Options {
    /// How many seeds
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// This seed alone
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// memory, sqlite or postgres (a private server, unless `RACKWRIGHT_TEST_POSTGRES` names one)
    #[arg(long, default_value = "memory")]
    store: String,
    /// Plants a defect in the engine: fence, cleanup, retry or map
    #[arg(long)]
    defect: Option<String>,
    /// Without optimization: builds sooner, plays slower
    #[arg(long)]
    dev: bool,
}

/// The program; see `tests/src/bin/sim.rs`.
const SIM: Program = Program { kind: "--bin", name: "sim" };

pub(crate) fn run(options: &Options) -> Outcome {
    let mut command = shell::command(SIM.build(!options.dev)?);
    match options.seed {
        Some(seed) => command.args(["--seed", &seed.to_string()]),
        None => command
            .args(["--seeds", &options.seeds.to_string()])
            .args(["--from", &options.from.to_string()]),
    };
    command.args(["--store", &options.store]);
    if let Some(defect) = &options.defect {
        command.args(["--defect", defect]);
    }
    // Stopped again when this function ends, whatever way.
    let mut server = None;
    if options.store == "postgres" && env::var_os(POSTGRES).is_none() {
        let started = Cluster::start(Durability::None, &env::temp_dir())?;
        command.env(POSTGRES, server.insert(started).url());
    }
    Ok(shell::code(shell::status(&mut command)?))
}
