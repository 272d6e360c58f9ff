//! `rackwright-bench-driver MODE`: runs one workload or one raw probe. The sizes and the store
//! come from the environment; `rackwright_bench::contract` lists the variables.

use clap::{Parser, Subcommand};
use rackwright_bench::{
    contract::Settings,
    fill, parked, raw,
    workloads::{self, Workload},
};

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Runs one workload of the benchmark, or one raw probe of the store under it.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// One run of many steps, one after the other.
    W1,
    /// Many runs, a fixed number of them in flight.
    W2,
    /// One run whose steps are all parallel.
    W3,
    /// Starts, one after the other.
    W4,
    /// Many runs in flight; the harness kills the process.
    W5run,
    /// What `w5run` left is recovered and completed.
    W5recover,
    /// Fills a store with the journals of runs that have ended; `BENCH_WF` of `BENCH_STEPS` rows.
    Fill,
    /// Fills a store with `BENCH_WF` runs that wait for a year.
    Park,
    /// Starts a node on what `park` left; `BENCH_STEPS` further runs wait for a few seconds.
    Parked,
    /// Inserts into SQLite with nothing on top.
    RawSqlite,
    /// Inserts into PostgreSQL with nothing on top.
    RawPostgres,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let settings = Settings::from_env()?;
    let workload = match cli.mode {
        Mode::W1 => Workload::Sequence,
        Mode::W2 => Workload::Throughput,
        Mode::W3 => Workload::FanOut,
        Mode::W4 => Workload::Start,
        Mode::W5run => Workload::CrashRun,
        Mode::W5recover => Workload::CrashRecover,
        Mode::Fill => return fill::run(&settings).await,
        Mode::Park => return parked::park(&settings).await,
        Mode::Parked => return parked::wake(&settings).await,
        Mode::RawSqlite => return raw::sqlite(&settings).await,
        Mode::RawPostgres => return raw::postgres(&settings).await,
    };
    workloads::run(workload, &settings).await
}
