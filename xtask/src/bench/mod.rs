//! `cargo xtask bench`: the engine and the raw store under it, measured in one run, so that a
//! figure means something on any machine: as a ratio.

mod driver;
mod figures;
mod large;
mod process;
mod raw;
mod report;
mod workload;

use std::{env, path::PathBuf};

use clap::{Args, ValueEnum};

use self::{
    driver::Bench,
    figures::Figures,
    raw::Probe,
    workload::{Scale, Workload},
};
use crate::{
    Outcome,
    cluster::{Cluster, Durability},
    shell,
    workspace::Program,
};

const DRIVER: Program = Program { kind: "--bin", name: "rackwright-bench-driver" };

#[derive(Args)]
pub(crate) struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Once, and a tenth of the size: shows that it works, not how fast
    #[arg(long)]
    quick: bool,
    /// How often each measurement is repeated; the median counts [default: 3, quick: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: Option<u32>,
    /// Which stores
    #[arg(long, value_delimiter = ',', default_values = ["sqlite", "postgres"])]
    stores: Vec<Store>,
    /// Which workloads; `filled` and `parked` write gigabytes and take minutes
    #[arg(long, value_delimiter = ',',
          default_values = ["w1", "w2", "w2-512", "w2-10k", "w3", "w3-10000", "w4", "w5",
                            "nodes-2", "nodes-3"])]
    workloads: Vec<Workload>,
    /// Another driver that keeps the contract, instead of building ours
    #[arg(long)]
    driver: Option<PathBuf>,
    /// Where the data lies: on the disk that is to be measured [default: the temporary directory]
    #[arg(long)]
    place: Option<PathBuf>,
}

/// The store under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// WAL, `synchronous=FULL`
    Sqlite,
    /// `fsync=on`, `synchronous_commit=on`
    Postgres,
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

pub(crate) fn run(options: &Options) -> Outcome {
    // The raw probes are ours in any case: the reference must not change with the driver.
    let ours = DRIVER.build(true)?;
    let engine = options.driver.clone().unwrap_or_else(|| ours.clone());
    let place = options.place.clone().unwrap_or_else(env::temp_dir);
    let postgres = options.stores.contains(&Store::Postgres);
    let cluster = postgres.then(|| Cluster::start(Durability::Full, &place)).transpose()?;
    let scale = if options.quick { Scale::Quick } else { Scale::Full };
    let repetitions = options.repetitions.unwrap_or(if options.quick { 1 } else { 3 });
    let mut figures = Vec::new();
    for store in &options.stores {
        let cluster = cluster.as_ref().filter(|_| *store == Store::Postgres);
        let bench = Bench { store: *store, cluster, ours: &ours, engine: &engine, place: &place };
        let mut of_store = Figures::new(*store);
        for repetition in 1..=repetitions {
            eprintln!("xtask: {}, repetition {repetition} of {repetitions}", store.name());
            of_store.raw(Probe::Batch, &Probe::Batch.measure(&bench, scale)?);
            for workload in options.workloads.iter().filter(|it| it.fits(*store)) {
                measure(&bench, *workload, scale, &mut of_store)?;
            }
        }
        figures.push(of_store);
    }
    let machine = report::Machine::look(cluster.as_ref(), &place);
    if options.json {
        println!("{}", report::json(&machine, scale, repetitions, &figures));
    } else {
        print!("{}", report::text(&machine, scale, repetitions, &figures));
    }
    Ok(u8::from(figures.iter().any(Figures::has_errors)))
}

/// One workload, with its reference measured right before it: the machine may be shared.
fn measure(
    bench: &Bench<'_>,
    workload: Workload,
    scale: Scale,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let probe = workload.reference();
    let reference = probe.measure(bench, scale)?;
    figures.raw(probe, &reference);
    let outcome = workload.measure(bench, scale);
    shell::interrupted()?;
    match outcome {
        Ok(sample) => figures.engine(workload, &sample, &reference),
        // A workload that fails is a result, not the end of the run.
        Err(error) => {
            eprintln!("xtask: {}, {workload:?}: {error:#}", bench.store.name());
            figures.failed(workload, format!("{error:#}"));
        }
    }
    Ok(())
}
