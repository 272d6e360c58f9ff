//! Workloads that take more than one driver: several nodes on one store, a store that has been in
//! use for long, very many parked runs.

use std::thread;

use anyhow::Context as _;

use super::{
    Store,
    driver::{Bench, Sample},
    workload::{Scale, Size},
};

/// Rows of each journal that fills a store.
const ROWS: u32 = 100;

/// The same work on each of several nodes at once, on one store.
pub(super) fn nodes(bench: &Bench<'_>, nodes: u32, size: &Size) -> anyhow::Result<Sample> {
    let scratch = bench.scratch()?;
    let samples = thread::scope(|scope| {
        let drivers: Vec<_> = (0..nodes)
            .map(|node| {
                let mut settings = size.settings();
                settings.push(("BENCH_NODE", format!("n{node}-")));
                let scratch = &scratch;
                scope.spawn(move || bench.drive(bench.engine, "w2", scratch, &settings))
            })
            .collect();
        let join = |driver: thread::ScopedJoinHandle<'_, anyhow::Result<Sample>>| {
            driver.join().map_err(|_| anyhow::anyhow!("a driver's thread panicked"))?
        };
        drivers.into_iter().map(join).collect::<anyhow::Result<Vec<_>>>()
    })?;
    let of = |name: &str| -> anyhow::Result<Vec<f64>> {
        let values = samples.iter().map(|sample| sample.get(name).copied());
        values.collect::<Option<_>>().with_context(|| format!("a node did not tell `{name}`"))
    };
    let most = |values: Vec<f64>| values.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let begin = of("begin_at_s")?.into_iter().fold(f64::INFINITY, f64::min);
    let took = most(of("end_at_s")?) - begin;
    let steps = f64::from(nodes * size.runs * size.steps);
    Ok([
        ("steps_s", steps / took),
        ("elapsed_s", took),
        ("cpu_engine_s", of("cpu_engine_s")?.into_iter().sum()),
        // Each saw the whole server.
        ("cpu_database_s", most(of("cpu_database_s")?)),
        ("peak_rss_mib", most(of("peak_rss_mib")?)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into())
}

/// The same work on an empty store and on a full one.
pub(super) fn filled(bench: &Bench<'_>, scale: Scale, size: &Size) -> anyhow::Result<Sample> {
    let settings = size.settings();
    let empty = bench.drive(bench.engine, "w2", &bench.scratch()?, &settings)?;
    let scratch = bench.scratch()?;
    let runs = scale.of(10_000_000 / ROWS);
    let fill = [("BENCH_WF", runs.to_string()), ("BENCH_STEPS", ROWS.to_string())];
    bench.drive(bench.engine, "fill", &scratch, &fill)?;
    bench.settle(&scratch)?;
    let mut sample = bench.drive(bench.engine, "w2", &scratch, &settings)?;
    let rate = |sample: &Sample| sample.get("steps_s").copied().context("w2 told no rate");
    let empty = rate(&empty)?;
    sample.insert("of_empty".into(), rate(&sample)? / empty);
    sample.insert("empty_steps_s".into(), empty);
    sample.insert("journal_rows".into(), f64::from(runs * ROWS));
    Ok(sample)
}

/// A node on a store in which very many runs wait.
pub(super) fn parked(bench: &Bench<'_>, mut size: Size) -> anyhow::Result<Sample> {
    if bench.store == Store::Sqlite {
        size.runs /= 10;
    }
    let scratch = bench.scratch()?;
    let parking = bench.drive(bench.engine, "park", &scratch, &size.settings())?;
    bench.settle(&scratch)?;
    let mut sample = bench.drive(bench.engine, "parked", &scratch, &size.settings())?;
    sample.insert("parked".into(), f64::from(size.runs));
    for (name, of) in [("parked_s", "parked_s"), ("parking_rss_mib", "peak_rss_mib")] {
        sample.insert(name.into(), parking.get(of).copied().context("parking told no figures")?);
    }
    Ok(sample)
}
