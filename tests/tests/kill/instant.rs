//! When a process is killed.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};

/// How a run goes that nobody disturbs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    /// How long its process takes.
    pub(crate) time: Duration,
    /// How many requests the lab gets.
    pub(crate) requests: usize,
}

/// A moment in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long after its start.
    After(Duration),
    /// So long after the lab wrote this many requests down: just behind an effect, before its
    /// completion is recorded or just then.
    Behind(usize, Duration),
}

/// What happens to one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    /// When the run's first process is killed.
    pub(crate) first: Moment,
    /// When those are killed that resume it, one after the other; the one after them is not.
    pub(crate) resumed: Vec<Moment>,
}

impl Instant {
    /// The instant of this number: the same for the same course.
    pub(crate) fn seeded(seed: u64, number: u64, course: &Course) -> Self {
        let mut random = StdRng::seed_from_u64(seed ^ number.rotate_left(32));
        let first = moment(&mut random, course);
        let mut resumed = Vec::new();
        while resumed.len() < 3 && random.random_bool(0.35) {
            // What is left takes less time, and begins anew with counting.
            let half = Course { time: course.time / 2, requests: course.requests / 2 };
            resumed.push(moment(&mut random, &half));
        }
        Self { first, resumed }
    }
}

fn moment(random: &mut StdRng, course: &Course) -> Moment {
    // A start is short, and much happens in it: every tenth moment is there.
    if random.random_bool(0.1) {
        Moment::After(course.time.mul_f64(random.random_range(0.0..0.05)))
    } else if random.random_bool(0.5) {
        Moment::After(course.time.mul_f64(random.random_range(0.0..1.0)))
    } else {
        let requests = random.random_range(1..=course.requests.max(1));
        Moment::Behind(requests, Duration::from_micros(random.random_range(0..5000)))
    }
}
