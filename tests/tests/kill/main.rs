//! `kill -9` at seeded instants of a run over the lab's rack, and again while it is resumed. The
//! lab's own records and the journals say whether anything was repeated.
//!
//! `RACKWRIGHT_KILL_INSTANTS` and `RACKWRIGHT_KILL_SEED` ask for more or other instants,
//! `RACKWRIGHT_KILL_JOBS` for more of them at once.

mod figures;
mod instant;
mod scenario;

use std::{sync::Arc, thread::available_parallelism};

use anyhow::{Result, ensure};
use rackwright_tests::{place::Backend, seed::number};
use tokio::{sync::Semaphore, task::JoinSet};

use figures::Figures;
use instant::Instant;
use scenario::Undisturbed;

/// How many instants are tried on each store unless asked otherwise.
const INSTANTS: u64 = 50;
/// What they are made from unless asked otherwise.
const SEED: u64 = 20_260_731;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_sqlite() -> Result<()> {
    sweep(Backend::Sqlite).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_postgres() -> Result<()> {
    match Backend::postgres() {
        Some(backend) => sweep(backend).await,
        None => Ok(()),
    }
}

async fn sweep(backend: Backend) -> Result<()> {
    let instants = number("RACKWRIGHT_KILL_INSTANTS", INSTANTS)?;
    let seed = number("RACKWRIGHT_KILL_SEED", SEED)?;
    // A run mostly waits for the lab's time to pass: one more than there are cores.
    let cores = available_parallelism().map_or(2, usize::from);
    let jobs = number("RACKWRIGHT_KILL_JOBS", cores + 1)?.max(1);
    let undisturbed = Arc::new(Undisturbed::measure(&backend, jobs).await?);
    let permits = Arc::new(Semaphore::new(jobs));
    let mut scenarios = JoinSet::new();
    for number in 0..instants {
        let instant = Instant::seeded(seed, number, &undisturbed.course);
        let (backend, undisturbed) = (backend.clone(), Arc::clone(&undisturbed));
        let permits = Arc::clone(&permits);
        scenarios.spawn(async move {
            let _permit = permits.acquire_owned().await?;
            let ended = scenario::play(&backend, &instant, &undisturbed).await;
            ended.map_err(|error| {
                error.context(format!("seed {seed}, instant {number} {instant:?}"))
            })
        });
    }
    let mut figures = Figures::default();
    let mut failures = Vec::new();
    while let Some(ended) = scenarios.join_next().await {
        match ended? {
            Ok(one) => figures.add(one),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    println!("{}: {instants} instants of seed {seed}, {figures}", backend.name());
    ensure!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n\n"));
    figures.says_something(instants)
}
