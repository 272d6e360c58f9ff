//! The simulation: five hundred seeds, the same journals for the same seed on every store, and the
//! defects that it is to find. `cargo xtask sim` plays many more seeds.

use rackwright_engine::model::planted::Defect;
use rackwright_tests::{
    seed::number,
    sim::{Backend, Course, Figures, play_seed},
};

fn quiet() {
    // Panics of the laws are caught and told with their seed.
    std::panic::set_hook(Box::new(|_| {}));
}

/// Ends the test from outside the hook: with the hook gone, what is told is seen.
fn fail(text: &str) -> ! {
    let _ = std::panic::take_hook();
    panic!("{text}");
}

fn sound(seed: u64, backend: Backend) -> Course {
    match play_seed(seed, &backend, None) {
        Ok(course) => course,
        Err(failure) => fail(&format!("{failure}")),
    }
}

#[test]
fn five_hundred_seeds_keep_the_laws() {
    quiet();
    let first = number("RACKWRIGHT_TEST_SEED", 0).unwrap();
    let seeds = number("RACKWRIGHT_TEST_SEEDS", 500).unwrap();
    let mut figures = Figures::default();
    for seed in first..first + seeds {
        figures.merge(&sound(seed, Backend::Memory).figures);
    }
    let _ = std::panic::take_hook();
    println!("{figures}");
    // Laws that nothing was held against would be kept by anything.
    let met = [
        "crashes",
        "claims of a living run",
        "retries",
        "cancels",
        "decisions of a person",
        "seen done",
        "seen not done",
        "seen in progress",
        "seen unknown",
        "event items_started",
        "event child_ended",
        "event timed_out",
        "fault cut off",
        "fault clock jump",
        "fault repeated message",
    ];
    let missing: Vec<_> = met.into_iter().filter(|name| figures.get(name) == 0).collect();
    assert!(seeds < 500 || missing.is_empty(), "never met: {missing:?}");
}

#[test]
fn a_seed_gives_the_same_journals_again() {
    quiet();
    for seed in 0..200 {
        let (once, again) = (sound(seed, Backend::Memory), sound(seed, Backend::Memory));
        if once.journals != again.journals || once.figures != again.figures {
            fail(&format!("seed {seed} is not the same again"));
        }
    }
}

/// A seed that fails on one store fails on all of them.
fn same_as_in_memory(backend: Backend, seeds: u64) {
    quiet();
    for seed in 0..seeds {
        let (memory, other) = (sound(seed, Backend::Memory), sound(seed, backend));
        if memory.journals != other.journals {
            let rows = |course: Course| course.journals.into_values().flatten();
            let pair = rows(memory).zip(rows(other)).find(|(ours, theirs)| ours != theirs);
            fail(&format!("seed {seed} is not the same on {backend}: {pair:#?}"));
        }
    }
}

#[test]
fn a_seed_is_the_same_on_sqlite() {
    same_as_in_memory(Backend::Sqlite, 12);
}

#[test]
fn a_seed_is_the_same_on_postgres() {
    if std::env::var("RACKWRIGHT_TEST_POSTGRES").is_err() {
        println!("skipped: set RACKWRIGHT_TEST_POSTGRES, or run `cargo xtask test`, which does");
        return;
    }
    same_as_in_memory(Backend::Postgres, 8);
}

/// The first seed that a defect shows itself in; without the defect the seed passes.
fn found(defect: Defect, what: &str) {
    quiet();
    for seed in 0..500 {
        if let Err(failure) = play_seed(seed, &Backend::Memory, Some(defect)) {
            let told = failure.breaches.join("\n");
            if !told.contains(what) {
                fail(&format!("seed {seed} tells something else of {defect:?}: {told}"));
            }
            sound(seed, Backend::Memory);
            println!("{defect:?} is found by seed {seed}: {told}");
            return;
        }
    }
    fail(&format!("{defect:?} is not found by 500 seeds"));
}

#[test]
fn a_defect_of_the_fence_is_found() {
    found(Defect::Fence, "acts for run");
}

#[test]
fn a_forgotten_cleanup_is_found() {
    found(Defect::Cleanup, " of step ");
}

#[test]
fn an_attempt_too_many_is_found() {
    found(Defect::Retry, "was attempted");
}

#[test]
fn a_lost_item_is_found() {
    found(Defect::Map, "do not end");
}
