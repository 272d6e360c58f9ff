//! `maas.wait_status`: waits until a machine is in one of some statuses.

use rackwright_engine::{
    Describe, Effect, Executor, StepContext,
    model::{ErrorClass, HumanDuration, StepError},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    MachineOutput, Status,
    register::Maas,
    task::{Task, default_credential, default_poll},
    view::Machine,
};

/// Input of `maas.wait_status`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitStatusInput {
    /// System id or host name.
    pub machine: String,
    /// Name of the credential with `url` and `api_key`.
    #[serde(default = "default_credential")]
    pub credential: String,
    /// The statuses that end the wait.
    #[schemars(length(min = 1))]
    pub status: Vec<Status>,
    /// The statuses that fail it; all failures if absent. One that ends the wait does not fail it.
    #[serde(default)]
    pub fail_on: Option<Vec<Status>>,
    /// How often MAAS is asked.
    #[serde(default = "default_poll")]
    pub poll: HumanDuration,
}

/// `maas.wait_status`.
#[derive(Clone, Debug)]
pub struct WaitStatus(pub Maas);

impl Executor for WaitStatus {
    type Input = WaitStatusInput;
    type Output = MachineOutput;

    fn describe(&self) -> Describe {
        Describe::new("maas.wait_status", Effect::Read)
            .about("Waits until a machine in MAAS is in one of the statuses.")
    }

    async fn run(
        &self,
        ctx: &StepContext,
        input: WaitStatusInput,
    ) -> Result<MachineOutput, StepError> {
        let mut task = Task::start(&self.0, ctx, &input.machine, &input.credential).await?;
        let done = wait(&mut task, &input).await;
        task.end(done)
    }
}

async fn wait(task: &mut Task<'_>, input: &WaitStatusInput) -> Result<MachineOutput, StepError> {
    let mut machine = task.machine().await?;
    loop {
        task.begin(machine.standing());
        if machine.status().is_some_and(|status| input.status.contains(&status)) {
            return Ok(machine.into());
        }
        if machine.status().is_some_and(|status| fails(input, status)) {
            return Err(failure(&machine, input));
        }
        task.pause(input.poll.0).await?;
        machine = task.look(&machine.system_id).await?;
    }
}

fn fails(input: &WaitStatusInput, status: Status) -> bool {
    input.fail_on.as_ref().map_or(status.is_failure(), |list| list.contains(&status))
}

fn failure(machine: &Machine, input: &WaitStatusInput) -> StepError {
    let wanted: Vec<_> = input.status.iter().map(|status| status.as_str()).collect();
    let message = format!("it is `{}`, awaited was {}", machine.standing(), wanted.join(" or "));
    StepError::new("maas.wrong_state", ErrorClass::Conflict, message)
        .hint("see the machine's events in MAAS")
        .details(json!({ "system_id": machine.system_id, "status": machine.status_text() }))
}
