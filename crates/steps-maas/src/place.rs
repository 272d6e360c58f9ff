//! `maas.set_pool` and `maas.set_zone`: where a machine belongs.

use rackwright_engine::{Describe, Effect, Executor, StepContext, model::StepError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    MachineOutput,
    register::Maas,
    task::{Task, default_credential},
    view::Machine,
};

/// Input of `maas.set_pool`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPoolInput {
    /// System id or host name.
    pub machine: String,
    /// Name of the credential with `url` and `api_key`.
    #[serde(default = "default_credential")]
    pub credential: String,
    /// Name of the resource pool.
    pub pool: String,
}

/// Input of `maas.set_zone`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetZoneInput {
    /// System id or host name.
    pub machine: String,
    /// Name of the credential with `url` and `api_key`.
    #[serde(default = "default_credential")]
    pub credential: String,
    /// Name of the physical zone.
    pub zone: String,
}

/// `maas.set_pool`.
#[derive(Clone, Debug)]
pub struct SetPool(pub Maas);

impl Executor for SetPool {
    type Input = SetPoolInput;
    type Output = MachineOutput;

    fn describe(&self) -> Describe {
        Describe::new("maas.set_pool", Effect::Idempotent)
            .about("Puts a machine in MAAS into a resource pool.")
    }

    async fn run(
        &self,
        ctx: &StepContext,
        input: SetPoolInput,
    ) -> Result<MachineOutput, StepError> {
        let mut task = Task::start(&self.0, ctx, &input.machine, &input.credential).await?;
        let done = put(&mut task, "pool", &input.pool).await;
        task.end(done)
    }
}

/// `maas.set_zone`.
#[derive(Clone, Debug)]
pub struct SetZone(pub Maas);

impl Executor for SetZone {
    type Input = SetZoneInput;
    type Output = MachineOutput;

    fn describe(&self) -> Describe {
        Describe::new("maas.set_zone", Effect::Idempotent)
            .about("Puts a machine in MAAS into a physical zone.")
    }

    async fn run(
        &self,
        ctx: &StepContext,
        input: SetZoneInput,
    ) -> Result<MachineOutput, StepError> {
        let mut task = Task::start(&self.0, ctx, &input.machine, &input.credential).await?;
        let done = put(&mut task, "zone", &input.zone).await;
        task.end(done)
    }
}

async fn put(
    task: &mut Task<'_>,
    kind: &'static str,
    name: &str,
) -> Result<MachineOutput, StepError> {
    let machine = task.machine().await?;
    let place = if kind == "pool" { &machine.pool } else { &machine.zone };
    if place.as_ref().is_some_and(|place| place.name == name) {
        return Ok(machine.into());
    }
    task.begin(format!("Moving the machine to the {kind} {name}"));
    task.ctx.fence()?;
    let path = format!("machines/{}/", machine.system_id);
    let moved: Machine = task.client.put(&path, &[(kind, name.to_owned())]).await?;
    Ok(moved.into())
}
