//! `maas.commission`: begins a commissioning, once, and sees it through.

use rackwright_engine::{
    Describe, Effect, Executor, Observation, StepContext,
    model::{ErrorClass, HumanDuration, StepError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    MachineOutput, Status,
    error::RequestError,
    history::{self, Fate, fate},
    register::Maas,
    task::{Task, default_credential, default_poll, unless_cancelled},
    view::{Event, Machine},
};

/// Input of `maas.commission`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are MAAS's own flags")]
pub struct CommissionInput {
    /// System id or host name.
    pub machine: String,
    /// Name of the credential with `url` and `api_key`.
    #[serde(default = "default_credential")]
    pub credential: String,
    /// Leaves the machine on afterwards, with SSH open for the user's keys. MAAS switches it off
    /// otherwise.
    #[serde(default)]
    pub enable_ssh: bool,
    /// Leaves the BMC's configuration as it is.
    #[serde(default)]
    pub skip_bmc_config: bool,
    /// Leaves the network configuration in MAAS as it is.
    #[serde(default)]
    pub skip_networking: bool,
    /// Leaves the storage configuration in MAAS as it is.
    #[serde(default)]
    pub skip_storage: bool,
    /// Commissioning scripts to run, by name or tag; all custom ones if absent.
    #[serde(default)]
    pub commissioning_scripts: Vec<String>,
    /// Tests to run, by name or tag; MAAS's choice if absent, none if empty.
    #[serde(default)]
    pub testing_scripts: Option<Vec<String>>,
    /// Does nothing if the machine is ready already.
    #[serde(default)]
    pub skip_if_ready: bool,
    /// How often MAAS is asked.
    #[serde(default = "default_poll")]
    pub poll: HumanDuration,
}

/// What stands in the journal before the request goes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Saved {
    system_id: String,
    /// The machine's newest event at that time.
    newest_event: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    /// The request is about to go out, or went.
    Requested,
    /// It came to an end that was reported: the next attempt begins anew.
    Over,
}

/// `maas.commission`.
#[derive(Clone, Debug)]
pub struct Commission(pub Maas);

impl Executor for Commission {
    type Input = CommissionInput;
    type Output = MachineOutput;

    fn describe(&self) -> Describe {
        Describe::new("maas.commission", Effect::Verify).about(
            "Commissions a machine in MAAS and waits until it is ready. Joins the commissioning \
             that an interrupted attempt began; a cancelled step leaves it running.",
        )
    }

    async fn run(
        &self,
        ctx: &StepContext,
        input: CommissionInput,
    ) -> Result<MachineOutput, StepError> {
        let mut task = Task::start(&self.0, ctx, &input.machine, &input.credential).await?;
        let done = commission(&mut task, &input).await;
        task.end(done)
    }

    async fn observe(
        &self,
        ctx: &StepContext,
        input: CommissionInput,
    ) -> Result<Observation<MachineOutput>, StepError> {
        let mut task = Task::start(&self.0, ctx, &input.machine, &input.credential).await?;
        let seen = observe(&mut task).await;
        task.end(seen)
    }
}

async fn observe(task: &mut Task<'_>) -> Result<Observation<MachineOutput>, StepError> {
    let machine = task.machine().await?;
    let Some(saved) = requested(task.ctx, &machine) else {
        // The request goes out after the save: nothing saved, nothing sent.
        return Ok(Observation::NotDone);
    };
    let since = events(task, &saved).await?;
    Ok(match fate(&machine, &since) {
        Fate::NotStarted => Observation::NotDone,
        // Carried on, a failure is reported with its reason and counts as an attempt.
        Fate::UnderWay | Fate::Failed => Observation::InProgress(json!(saved)),
        Fate::Done => Observation::Done(machine.into()),
        Fate::Aborted | Fate::Elsewhere => {
            Observation::Unknown(history::evidence(&machine, &since))
        }
    })
}

/// The request that an earlier attempt made, or was about to make.
fn requested(ctx: &StepContext, machine: &Machine) -> Option<Saved> {
    let saved: Saved = serde_json::from_value(ctx.saved()?.clone()).ok()?;
    (saved.phase == Phase::Requested && saved.system_id == machine.system_id).then_some(saved)
}

async fn events(task: &Task<'_>, saved: &Saved) -> Result<Vec<Event>, StepError> {
    let read = task.client.events_after(&saved.system_id, saved.newest_event);
    Ok(unless_cancelled(task.ctx, read).await??)
}

async fn commission(
    task: &mut Task<'_>,
    input: &CommissionInput,
) -> Result<MachineOutput, StepError> {
    let machine = task.machine().await?;
    if let Some(saved) = requested(task.ctx, &machine) {
        task.begin("Looking for the commissioning that was begun");
        let since = events(task, &saved).await?;
        if fate(&machine, &since) != Fate::NotStarted {
            return follow(task, machine, saved, input).await;
        }
    }
    if input.skip_if_ready && machine.status() == Some(Status::Ready) {
        return Ok(machine.into());
    }
    if !machine.status().is_some_and(Status::can_commission) {
        return Err(wrong_state(&machine));
    }
    let newest_event =
        unless_cancelled(task.ctx, task.client.newest_event(&machine.system_id)).await??;
    let system_id = machine.system_id.clone();
    let saved = Saved { system_id, newest_event, phase: Phase::Requested };
    task.ctx.save(&saved).await?;
    task.begin("Requesting commissioning");
    task.ctx.fence()?;
    let path = format!("machines/{}/?op=commission", saved.system_id);
    // Not given up on a cancellation: the answer says whether the request was taken.
    let answer = task.client.post::<Machine>(&path, &form(input)).await;
    let machine = match answer {
        Ok(machine) => machine,
        Err(error) if error.may_have_worked() => {
            taken_all_the_same(task, &saved, error, input).await?
        }
        // MAAS checks the state in the form: 400, not 409.
        Err(error) if error.status() == Some(400) && says_state(&error) => {
            return Err(wrong_state(&task.look(&saved.system_id).await?));
        }
        Err(error) => return Err(error.into()),
    };
    follow(task, machine, saved, input).await
}

fn says_state(error: &RequestError) -> bool {
    StepError::from(error.clone()).message.contains("because of the current state")
}

fn wrong_state(machine: &Machine) -> StepError {
    let status = machine.status_text();
    let error = StepError::new(
        "maas.wrong_state",
        ErrorClass::Conflict,
        format!("MAAS commissions no machine that is `{status}`"),
    )
    .details(history::evidence(machine, &[]));
    match machine.status() {
        Some(Status::FailedTesting) => {
            let class = ErrorClass::Permanent;
            StepError { class, ..error }.hint(TESTS_HINT)
        }
        Some(Status::Commissioning | Status::Testing) => {
            error.hint("somebody else has it commissioned: wait for the end, or abort it in MAAS")
        }
        Some(_) | None => error.hint(
            "it has to be New, Ready, Broken or Failed commissioning: release it first, or leave \
             it to who uses it",
        ),
    }
}

const TESTS_HINT: &str = "see the failed test's log in MAAS; mend the hardware, or override the \
                          failed tests there (MAAS commissions it no more before)";

/// The answer was lost: looks whether MAAS took the request, twice, a little apart.
async fn taken_all_the_same(
    task: &mut Task<'_>,
    saved: &Saved,
    error: RequestError,
    input: &CommissionInput,
) -> Result<Machine, StepError> {
    task.begin("Finding out whether MAAS took the request");
    for last in [false, true] {
        let machine = task.look(&saved.system_id).await?;
        if fate(&machine, &events(task, saved).await?) != Fate::NotStarted {
            return Ok(machine);
        }
        if !last {
            task.pause(input.poll.0).await?;
        }
    }
    // What is saved stays: should the request arrive late, the next attempt joins it.
    let error = StepError::from(error);
    let message = format!("{}; the commissioning did not begin", error.message);
    Err(StepError { message, class: ErrorClass::Transient, ..error })
}

/// Waits for the end.
async fn follow(
    task: &mut Task<'_>,
    mut machine: Machine,
    saved: Saved,
    input: &CommissionInput,
) -> Result<MachineOutput, StepError> {
    loop {
        task.begin(machine.standing());
        match machine.status() {
            Some(Status::Commissioning | Status::Testing) => {}
            Some(Status::Ready) => return Ok(machine.into()),
            _ => break,
        }
        task.pause(input.poll.0).await?;
        machine = task.look(&saved.system_id).await?;
    }
    let since = events(task, &saved).await?;
    // Saved before it is reported: the next attempt is to begin anew, not to find this end again.
    task.ctx.save(&Saved { phase: Phase::Over, ..saved }).await?;
    Err(failure(&machine, &since))
}

fn failure(machine: &Machine, since: &[Event]) -> StepError {
    let reason = history::reason(machine, since);
    let (code, class, what, hint) = match (machine.status(), fate(machine, since)) {
        (Some(Status::FailedTesting), _) => {
            ("maas.testing_failed", ErrorClass::Permanent, "the hardware tests failed", TESTS_HINT)
        }
        (_, Fate::Failed) if history::is_power_failure(since) => (
            "maas.power_failed",
            ErrorClass::Transient,
            "MAAS can't control the power",
            "check the BMC's address and credentials in MAAS (Configuration, Power)",
        ),
        (_, Fate::Failed | Fate::NotStarted) => (
            "maas.commission_failed",
            ErrorClass::Transient,
            "the commissioning failed",
            "see the machine's Commissioning tab in MAAS for the script's log",
        ),
        (_, Fate::Aborted) => (
            "maas.commission_aborted",
            ErrorClass::Permanent,
            "the commissioning was aborted",
            "somebody aborted it in MAAS: retry when they agree",
        ),
        (_, Fate::Elsewhere | Fate::UnderWay | Fate::Done) => (
            "maas.wrong_state",
            ErrorClass::Conflict,
            "the machine left the commissioning for another state",
            "see in MAAS who works on the machine",
        ),
    };
    StepError::new(code, class, format!("{what}: {reason}"))
        .hint(hint)
        .details(history::evidence(machine, since))
}

fn form(input: &CommissionInput) -> Vec<(&'static str, String)> {
    let flags = [
        ("enable_ssh", input.enable_ssh),
        ("skip_bmc_config", input.skip_bmc_config),
        ("skip_networking", input.skip_networking),
        ("skip_storage", input.skip_storage),
    ];
    let mut form: Vec<_> =
        flags.into_iter().map(|(name, value)| (name, u8::from(value).to_string())).collect();
    if !input.commissioning_scripts.is_empty() {
        form.push(("commissioning_scripts", input.commissioning_scripts.join(",")));
    }
    if let Some(scripts) = &input.testing_scripts {
        let none = || "none".to_owned();
        form.push(("testing_scripts", if scripts.is_empty() { none() } else { scripts.join(",") }));
    }
    form
}
