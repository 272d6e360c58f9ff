//! A simulated device: it counts what is done to it, and tells the truth about it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    model::RunId,
    step::{Effect, StepContext},
};

/// A simulated device, on which every step of every run has a place of its own. It outlives the
/// nodes that act on it. Clones are the same device.
#[derive(Clone, Default)]
pub struct Device(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    places: BTreeMap<(RunId, String), DeviceRecord>,
    breaches: Vec<String>,
}

/// What happened to one place of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceRecord {
    /// How often the step's executor was called.
    pub calls: u32,
    /// How often it changed the device.
    pub writes: u32,
    /// How often the device was observed.
    pub looks: u32,
    /// The change that is in effect or under way, if there is one.
    pub job: Option<Job>,
}

/// A change of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Tells it from the changes before and after it.
    pub number: u32,
    /// When it is done.
    pub done_at: Instant,
}

impl Job {
    /// Whether it is in effect now. Under virtual time this is asked inside of the simulation: out
    /// of it the clock is the machine's.
    pub fn is_done(&self) -> bool {
        self.done_at <= Instant::now()
    }
}

impl Device {
    /// A device that nobody has touched.
    pub fn new() -> Self {
        Self::default()
    }

    /// What happened, by run and step path.
    pub fn records(&self) -> BTreeMap<(RunId, String), DeviceRecord> {
        self.state().places.clone()
    }

    /// What happened to the place of one step.
    pub fn record(&self, run: RunId, path: &str) -> DeviceRecord {
        self.state().places.get(&(run, path.to_owned())).cloned().unwrap_or_default()
    }

    /// How often it was changed in all, and how many changes are in effect: see [`Job::is_done`].
    pub fn total(&self) -> (u64, u64) {
        let state = self.state();
        let writes = state.places.values().map(|place| u64::from(place.writes)).sum();
        let done = state.places.values().filter(|it| it.job.is_some_and(|job| job.is_done()));
        (writes, done.count() as u64)
    }

    /// What was done to the device that must never be done.
    pub fn breaches(&self) -> Vec<String> {
        self.state().breaches.clone()
    }

    /// Notes something that must never happen.
    pub fn breach(&self, what: impl Into<String>) {
        self.state().breaches.push(what.into());
    }

    /// A person sends the executor to do it again, whatever the device looks like.
    pub fn allow_again(&self, run: RunId, path: &str) {
        if let Some(place) = self.state().places.get_mut(&(run, path.to_owned())) {
            place.job = None;
        }
    }

    pub(super) fn called(&self, ctx: &StepContext) {
        self.at(ctx, |place| place.calls += 1);
    }

    pub(super) fn look(&self, ctx: &StepContext) -> Option<Job> {
        self.at(ctx, |place| {
            place.looks += 1;
            place.job
        })
    }

    pub(super) fn job(&self, ctx: &StepContext) -> Option<Job> {
        self.at(ctx, |place| place.job)
    }

    /// Changes the device; the change takes effect after `takes`. What must be verified may not
    /// be done again while it is done.
    pub(super) fn write(&self, ctx: &StepContext, effect: Effect, takes: Duration) -> Job {
        let (job, again) = self.at(ctx, |place| {
            place.writes += 1;
            let job = Job { number: place.writes, done_at: Instant::now() + takes };
            (job, place.job.replace(job).is_some())
        });
        if again && effect == Effect::Verify {
            self.breach(format!(
                "{} of run {} was done and is done again",
                ctx.path(),
                ctx.run_id()
            ));
        }
        job
    }

    /// Takes a change back, if it is still the last one.
    pub(super) fn take_back(&self, ctx: &StepContext, job: Job) {
        self.at(ctx, |place| {
            if place.job.is_some_and(|it| it.number == job.number) {
                place.job = None;
            }
        });
    }

    fn at<T>(&self, ctx: &StepContext, act: impl FnOnce(&mut DeviceRecord) -> T) -> T {
        let key = (ctx.run_id(), ctx.path().to_owned());
        act(self.state().places.entry(key).or_default())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
