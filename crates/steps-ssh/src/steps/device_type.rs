//! `device_type.load`: a device type as data for the workflow.

use std::sync::Arc;

use rackwright_engine::{Describe, Effect, Executor, StepContext, StepError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::device::{DeviceType, DeviceTypes};

/// Input of `device_type.load`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadInput {
    /// The device type's name.
    device_type: String,
}

/// `device_type.load`.
#[derive(Clone, Debug)]
pub struct Load(pub(crate) DeviceTypes);

impl Executor for Load {
    type Input = LoadInput;
    type Output = DeviceType;

    fn describe(&self) -> Describe {
        Describe::new("device_type.load", Effect::Read)
            .about("Gives a device type's file as data: vendor, tool, settings, time-outs")
    }

    async fn run(&self, _: &StepContext, input: LoadInput) -> Result<DeviceType, StepError> {
        known(&self.0, &input.device_type).map(|found| (*found).clone())
    }
}

/// The device type of that name, or what to do about it.
pub(crate) fn known(types: &DeviceTypes, name: &str) -> Result<Arc<DeviceType>, StepError> {
    types.get(name).map_err(|error| {
        let hint = match &error.nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None if error.known.is_empty() => "no device types were loaded".to_owned(),
            None => format!("there are: {}", error.known.join(", ")),
        };
        StepError::permanent("device_type.unknown", error.to_string()).hint(hint)
    })
}
