//! Throws changed files at the loader for a while, on stable Rust:
//! `cargo run --example fuzz_loader -- [--seconds N] [--seed S]`. Stops with a panic that names
//! the seed at the first input for which something does not hold.

#[path = "../tests/support/exercise.rs"]
mod exercise;
#[path = "../tests/support/mutate.rs"]
mod mutate;

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

const SLOW: Duration = Duration::from_secs(15);

fn argument(name: &str, default: u64) -> Result<u64, String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    match (arguments.next(), arguments.next()) {
        (None, _) => Ok(default),
        (Some(_), Some(value)) => {
            value.parse().map_err(|_| format!("{name} takes a number, not `{value}`"))
        }
        (Some(_), None) => Err(format!("{name} takes a number")),
    }
}

fn main() -> ExitCode {
    let (seconds, first) = match (argument("--seconds", 60), argument("--seed", 0)) {
        (Ok(seconds), Ok(first)) => (seconds, first),
        (Err(message), _) | (_, Err(message)) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let corpus = mutate::corpus(&[&tests.join("good"), &tests.join("bad")]);
    let start = Instant::now();
    let mut seed = first;
    while start.elapsed() < Duration::from_secs(seconds) {
        let input = mutate::mutated(&corpus, seed);
        let began = Instant::now();
        if std::panic::catch_unwind(|| exercise::exercise(&input)).is_err() {
            eprintln!("failed with --seed {seed}: {:?}", String::from_utf8_lossy(&input));
            return ExitCode::FAILURE;
        }
        if began.elapsed() > SLOW {
            eprintln!("took {:?} with --seed {seed}", began.elapsed());
            return ExitCode::FAILURE;
        }
        seed = seed.wrapping_add(1);
    }
    println!("{} inputs in {seconds} s, none failed", seed.wrapping_sub(first));
    ExitCode::SUCCESS
}
