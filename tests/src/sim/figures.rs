//! What the simulation met: a law is worth what it was tried against.

use std::{collections::BTreeMap, fmt};

use rackwright_engine::{
    machine::Event,
    step::Observation,
    testing::{Device, Tally},
};

/// Counts of what happened, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures(pub BTreeMap<String, u64>);

impl Figures {
    /// Adds to a count.
    pub fn add(&mut self, name: &str, count: u64) {
        if count > 0 {
            *self.0.entry(name.to_owned()).or_default() += count;
        }
    }

    /// A count.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Adds all of another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            self.add(name, *count);
        }
    }

    pub(super) fn of_events<'e>(&mut self, events: impl IntoIterator<Item = &'e Event>) {
        for event in events {
            self.add(&format!("event {}", event.name()), 1);
            let taken_up = matches!(event, Event::Claimed { epoch, .. } if *epoch > 1);
            self.add("claims of a living run", taken_up.into());
            let retried = matches!(event, Event::Failed { retry_at: Some(_), .. });
            self.add("retries", retried.into());
            if let Event::Observed { seen, .. } = event {
                let seen = match seen {
                    Observation::Done(_) => "seen done",
                    Observation::NotDone => "seen not done",
                    Observation::InProgress(_) => "seen in progress",
                    Observation::Unknown(_) => "seen unknown",
                };
                self.add(seen, 1);
            }
        }
    }

    pub(super) fn of_faults(&mut self, tally: &Tally) {
        for (name, count) in &tally.faults {
            self.add(&format!("fault {name}"), *count);
        }
        self.add("operations", tally.operations.values().sum());
    }

    pub(super) fn of_device(&mut self, device: &Device) {
        for record in device.records().values() {
            self.add("executor calls", record.calls.into());
            self.add("device writes", record.writes.into());
            self.add("device looks", record.looks.into());
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.0 {
            writeln!(f, "{count:>12}  {name}")?;
        }
        Ok(())
    }
}
