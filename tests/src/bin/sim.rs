//! The simulation on all cores; `cargo xtask sim` builds and runs it.

use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use rackwright_engine::model::planted::{Defect, plant};
use rackwright_tests::sim::{Backend, Figures, play_seed, shrink};

struct Options {
    first: u64,
    seeds: u64,
    backend: Backend,
    defect: Option<Defect>,
    verbose: bool,
}

impl Options {
    fn read() -> Result<Self> {
        let mut options = Self {
            first: 0,
            seeds: 20_000,
            backend: Backend::Memory,
            defect: None,
            verbose: false,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--seeds" => options.seeds = value()?.parse()?,
                "--from" => options.first = value()?.parse()?,
                "--seed" => {
                    options.first = value()?.parse()?;
                    options.seeds = 1;
                    options.verbose = true;
                }
                "--store" => options.backend = value()?.parse()?,
                "--defect" => options.defect = Some(defect(&value()?)?),
                _ => bail!("unknown option {name}"),
            }
        }
        Ok(options)
    }
}

fn defect(name: &str) -> Result<Defect> {
    let found = Defect::ALL.into_iter().find(|it| format!("{it:?}").eq_ignore_ascii_case(name));
    found.with_context(|| format!("`{name}` is no defect: {:?}", Defect::ALL))
}

fn main() -> Result<ExitCode> {
    let options = Options::read()?;
    // Panics are caught and told with their seed.
    std::panic::set_hook(Box::new(|_| {}));
    let (next, failed) = (AtomicU64::new(options.first), AtomicBool::new(false));
    let figures = Mutex::new(Figures::default());
    let begun = Instant::now();
    let work = || {
        let mut mine = Figures::default();
        while !failed.load(Ordering::SeqCst) {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= options.first + options.seeds {
                break;
            }
            match play_seed(seed, &options.backend, options.defect) {
                Ok(course) => mine.merge(&course.figures),
                Err(failure) => {
                    if !failed.swap(true, Ordering::SeqCst) {
                        println!("{failure}\nshrinking …");
                        plant(options.defect);
                        println!("shrunk to:\n{}", shrink(failure, &options.backend));
                    }
                }
            }
            mine.add("seeds", 1);
        }
        figures.lock().unwrap_or_else(PoisonError::into_inner).merge(&mine);
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let figures = figures.into_inner().unwrap_or_else(PoisonError::into_inner);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = figures.get("seeds") as f64 / begun.elapsed().as_secs_f64();
    print!("{figures}");
    println!("{rate:.0} seeds per second on {threads} threads, {} store", options.backend);
    if options.verbose {
        println!("play it again: cargo xtask sim --seed {}", options.first);
    }
    Ok(ExitCode::from(u8::from(failed.into_inner())))
}
