//! What was measured, over all repetitions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Store, driver::Sample, raw::Probe, workload::Workload};

/// All values of one number, one for each repetition.
#[derive(Debug, Default, Clone)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        f64::midpoint(at(low), at(high))
    }

    pub(super) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(super) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The numbers of one measurement, by name.
pub(crate) type Numbers = BTreeMap<String, Series>;

/// Everything about one store.
pub(crate) struct Figures {
    pub(super) store: Store,
    pub(super) raw: BTreeMap<Probe, Numbers>,
    pub(super) engine: BTreeMap<Workload, Numbers>,
    pub(super) errors: BTreeMap<Workload, String>,
}

impl Figures {
    pub(super) fn new(store: Store) -> Self {
        Self { store, raw: BTreeMap::new(), engine: BTreeMap::new(), errors: BTreeMap::new() }
    }

    pub(super) fn raw(&mut self, probe: Probe, sample: &Sample) {
        add(self.raw.entry(probe).or_default(), sample);
    }

    /// Adds a sample and its ratios to the reference that was measured beside it.
    pub(super) fn engine(&mut self, workload: Workload, sample: &Sample, reference: &Sample) {
        let numbers = self.engine.entry(workload).or_default();
        add(numbers, sample);
        let Some(raw) = reference.get("steps_s") else { return };
        let mut ratios = Sample::new();
        if let Some(rate) = sample.get("steps_s") {
            ratios.insert("ratio".into(), rate / raw);
        }
        for name in ["p50_us", "p99_us"] {
            // Both to the median commit: a mean would hide a stall of the disk in the reference.
            if let (Some(latency), Some(commit)) = (sample.get(name), reference.get("p50_us")) {
                ratios.insert(format!("{name}_ratio"), latency / commit);
            }
        }
        ratios.insert("reference_steps_s".into(), *raw);
        add(numbers, &ratios);
    }

    pub(super) fn failed(&mut self, workload: Workload, error: String) {
        self.errors.insert(workload, error);
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    pub(super) fn json(&self) -> Value {
        let raw: BTreeMap<_, _> =
            self.raw.iter().map(|(probe, numbers)| (probe.name(), object(numbers))).collect();
        let engine: BTreeMap<_, _> =
            self.engine.iter().map(|(load, numbers)| (load.name(), object(numbers))).collect();
        let errors: BTreeMap<_, _> =
            self.errors.iter().map(|(load, error)| (load.name(), error)).collect();
        json!({ "raw": raw, "engine": engine, "errors": errors })
    }
}

fn add(numbers: &mut Numbers, sample: &Sample) {
    for (name, value) in sample {
        numbers.entry(name.clone()).or_default().0.push(*value);
    }
}

fn object(numbers: &Numbers) -> Value {
    let fields = numbers.iter().map(|(name, series)| {
        let value = json!({ "median": series.median(), "min": series.min(), "max": series.max() });
        (name.clone(), value)
    });
    Value::Object(fields.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(numbers: &[(&str, f64)]) -> Sample {
        numbers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn ratios_are_to_the_reference_beside() {
        let mut figures = Figures::new(Store::Sqlite);
        // The machine got twice as slow between the repetitions: the ratio stays.
        for (rate, raw) in [(1000.0, 4000.0), (500.0, 2000.0)] {
            let measured = sample(&[("steps_s", rate), ("p50_us", 1e6 / rate)]);
            let reference = sample(&[("steps_s", raw), ("p50_us", 1e6 / raw)]);
            figures.engine(Workload::W1, &measured, &reference);
        }
        let numbers = &figures.engine[&Workload::W1];
        assert!((numbers["ratio"].median() - 0.25).abs() < 1e-9);
        assert!((numbers["p50_us_ratio"].max() - 4.0).abs() < 1e-9);
        assert!((numbers["steps_s"].median() - 750.0).abs() < 1e-9);
        assert!((numbers["steps_s"].min() - 500.0).abs() < 1e-9);
    }
}
