//! Three processes on one PostgreSQL, killed, stopped past their leases, cut off from a database
//! that is restarted under them; and machines that count what was done to them.
//!
//! The figures are printed. All of it, with 500 runs, as the project promises:
//!
//! ```text
//! RACKWRIGHT_NODES_RUNS=500 cargo test -p rackwright-tests --test nodes -- --nocapture
//! ```
//!
//! `RACKWRIGHT_NODES_SEED` draws other harm, `RACKWRIGHT_NODES_PAUSE` sets the milliseconds between
//! two runs that a node starts.

mod device;
mod figures;
mod fleet;
mod node;
mod proxy;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use rackwright_engine::{Client, Effect, RunStatus, machine::Event, store};
use rackwright_tests::{journal::Journals, postgres::Postgres, seed::number};
use tokio::time::Instant;

use fleet::{Fleet, NODES};

const RUNS: u64 = 100;
const SEED: u64 = 20_260_731;
/// A run writes to its machine five times.
const WRITES: usize = 5;

/// No test: what this program does when a test starts it as a node.
#[tokio::test]
#[ignore = "a node; started by the tests"]
async fn a_node() -> Result<()> {
    if std::env::var_os(node::STORE).is_some() { node::work().await } else { Ok(()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_twice_whatever_happens_to_nodes_and_database() -> Result<()> {
    let Some(postgres) = Postgres::start()? else { return Ok(()) };
    let runs = number("RACKWRIGHT_NODES_RUNS", RUNS)?;
    let seed = number("RACKWRIGHT_NODES_SEED", SEED)?;
    let pause = Duration::from_millis(number("RACKWRIGHT_NODES_PAUSE", 600)?);
    // Migrates before the nodes come, and survives restarts of the server.
    let client = Client::new(store::open(&postgres.url(postgres.port())).await?);
    let mut fleet = Fleet::start(postgres, seed, runs, pause).await?;
    let played = play(&mut fleet, &client, runs, pause).await;
    fleet.end().await?;
    let judged = match played {
        Ok(()) => judge(&mut fleet, &client, runs).await,
        Err(error) => Err(error),
    };
    println!("seed {seed}: {}", fleet.figures);
    judged.with_context(|| format!("seed {seed}; the nodes' logs: {}", fleet.keep_logs().display()))
}

/// Harm while runs are started, with a restart of the database after each third of that time;
/// then nothing but patience.
async fn play(fleet: &mut Fleet, client: &Client, runs: u64, pause: Duration) -> Result<()> {
    let third = pause * u32::try_from(runs / NODES)? / 3;
    fleet.harass(third).await?;
    fleet.restart_postgres(false)?;
    fleet.harass(third).await?;
    fleet.restart_postgres(true)?;
    fleet.harass(third).await?;
    let limit = Instant::now() + Duration::from_mins(2);
    loop {
        fleet.tend()?;
        let counts = client.counts().await;
        // The first questions after a restart may find their connections gone.
        let (ended, all) = counts.unwrap_or_default();
        if all == runs && ended == runs {
            return Ok(());
        }
        ensure!(Instant::now() < limit, "{ended} of {all} runs have ended, of {runs}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

trait Counts {
    async fn counts(&self) -> Result<(u64, u64)>;
}

impl Counts for Client {
    /// How many runs have ended or wait for a person, and how many there are.
    async fn counts(&self) -> Result<(u64, u64)> {
        let filter = store::RunFilter { limit: 10_000, ..store::RunFilter::default() };
        let records = self.runs(&filter).await?;
        let rests = |status: RunStatus| status.is_ended() || status == RunStatus::Attention;
        let ended = records.iter().filter(|record| rests(record.status)).count();
        Ok((u64::try_from(ended)?, u64::try_from(records.len())?))
    }
}

async fn judge(fleet: &mut Fleet, client: &Client, runs: u64) -> Result<()> {
    let journals = Journals::read(client).await?;
    let counts = fleet.devices.counts();
    let figures = &mut fleet.figures;
    figures.runs = journals.0.len();
    figures.takeovers = journals
        .0
        .values()
        .flat_map(|run| &run.events)
        .filter(|event| matches!(event, Event::Claimed { epoch, .. } if *epoch > 1))
        .count();
    let effects = [
        ("device.flash", Effect::Verify),
        ("device.config", Effect::Idempotent),
        ("device.read", Effect::Read),
    ];
    let effects = effects.map(|(name, effect)| (name.to_owned(), effect));
    let found = journals.findings(&BTreeMap::from(effects));
    (figures.interrupted, figures.observed) = (found.interrupted, found.observed);
    (figures.revoked, figures.refused) = (found.revoked, counts.refused);
    figures.writes = counts.writes.values().sum();
    let mut breaches = found.breaches;
    breaches.extend(counts.breaches);
    // `device.config` may be made again after an interruption; all else exactly once.
    let again = |what: &str| what.ends_with("/configure");
    let twice = counts.writes.iter().filter(|(what, times)| **times > 1 && !again(what));
    breaches.extend(twice.map(|(what, times)| format!("{what} was written {times} times")));
    ensure!(breaches.is_empty(), "{}", breaches.join("\n"));
    let unfinished: Vec<_> = journals
        .0
        .values()
        .filter(|run| run.record.status != RunStatus::Completed)
        .map(|run| format!("{} {:?}", run.record.id, run.view.tree()))
        .collect();
    ensure!(unfinished.is_empty(), "not completed: {}", unfinished.join("\n"));
    ensure!(figures.runs as u64 == runs, "{} runs instead of {runs}", figures.runs);
    let distinct = counts.writes.len();
    ensure!(distinct == figures.runs * WRITES, "{distinct} writes for {runs} runs");
    if runs >= RUNS {
        ensure!(figures.kills > 0 && figures.at_gates > 0, "nothing was harmed: {figures}");
        ensure!(figures.takeovers > 0 && figures.revoked > 0, "nothing was taken over: {figures}");
        ensure!(figures.refused > 0, "no zombie tried: {figures}");
    }
    Ok(())
}
