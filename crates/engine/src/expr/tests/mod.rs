//! Tests of the floor as a whole.

mod evaluation;
mod limits;
mod predicates;
mod problems;
mod random;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{Scope, StepView};

/// A scope of fixed values; counts what it is asked for.
#[derive(Debug, Default)]
pub(super) struct Data {
    roots: BTreeMap<String, Arc<Value>>,
    steps: BTreeMap<String, StepView>,
}

impl Data {
    pub(super) fn new(roots: Value) -> Self {
        let Value::Object(roots) = roots else { panic!("roots are an object") };
        let roots = roots.into_iter().map(|(name, value)| (name, Arc::new(value)));
        Self { roots: roots.collect(), steps: BTreeMap::new() }
    }

    pub(super) fn step(mut self, id: &str, status: &'static str, output: Value) -> Self {
        let error = (status == "failed").then(|| Arc::new(json!({"code": "bmc.busy"})));
        self.steps.insert(
            id.to_owned(),
            StepView { status, output: Arc::new(output), error, items: None },
        );
        self
    }
}

impl Scope for Data {
    fn root(&self, name: &str) -> Option<Arc<Value>> {
        self.roots.get(name).cloned()
    }

    fn step(&self, id: &str) -> Option<StepView> {
        self.steps.get(id).cloned()
    }
}

/// What the tests evaluate over.
pub(super) fn sample() -> Data {
    Data::new(json!({
        "input": {
            "host": "srv001", "count": 3, "ratio": 0.5, "big": u64::MAX, "small": i64::MIN,
            "on": true, "none": null, "tags": ["b", "a", "b"],
            "updates": [
                {"name": "bios", "version": "2.1", "reboot": true},
                {"name": "nic", "version": "1.0", "reboot": false},
            ],
            "settings": {"BootMode": "Uefi", "SecureBoot": "On"},
        },
        "item": {"name": "x", "items": 7},
        "item_index": 1,
    }))
    .step("plan", "completed", json!([{"v": 1}, {"v": 2}]))
    .step("flash", "failed", Value::Null)
    .step("my-step", "completed", json!({"a b": {"c": [10, 20]}}))
}
