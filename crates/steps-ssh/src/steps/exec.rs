//! `ssh.exec` and `ssh.query`: any command.

use rackwright_engine::{
    Describe, Effect, ErrorClass, Executor, Observation, StepContext, StepError,
    model::HumanDuration,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Target,
    remote::{Remote, ending, evidence},
};
use crate::client::{DEFAULT_OUTPUT_LIMIT, ExecLimits, ExecOutput, Interrupted};

/// A command, and what is expected of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Command {
    /// The command, as the login's shell takes it.
    pub command: String,
    /// The exit statuses that mean success.
    #[serde(default = "Command::default_expect")]
    pub expect_exit: Vec<u32>,
    /// How long it may run; the step's time-out holds as well.
    #[serde(default)]
    pub command_timeout: Option<HumanDuration>,
    /// Bytes kept of each output stream.
    #[serde(default = "Command::default_limit")]
    pub max_output: usize,
}

impl Command {
    fn default_expect() -> Vec<u32> {
        vec![0]
    }

    fn default_limit() -> usize {
        DEFAULT_OUTPUT_LIMIT
    }

    fn limits(&self) -> ExecLimits {
        ExecLimits { timeout: self.command_timeout.map(|t| t.0), output: self.max_output }
    }

    fn judge(&self, host: &str, output: &ExecOutput) -> Result<CommandOutput, StepError> {
        if output.exit.is_some_and(|exit| self.expect_exit.contains(&exit)) {
            return Ok(CommandOutput::new(output));
        }
        let message = format!("{host}: the command ended with {}", ending(output));
        Err(StepError::permanent("ssh.exit", message)
            .hint("see the details for its output; `expect_exit` lists the exit statuses that are fine")
            .details(evidence(output)))
    }
}

/// How a command ended.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CommandOutput {
    /// The exit status; null where the effect was only observed.
    pub exit: Option<u32>,
    /// The first `max_output` bytes of standard output; what is not UTF-8 is replaced.
    pub stdout: String,
    /// The same of standard error.
    pub stderr: String,
    /// Whether there was more standard output.
    pub stdout_truncated: bool,
    /// Whether there was more standard error.
    pub stderr_truncated: bool,
    /// Whether the command was interrupted, and `check` found that it had taken effect: then the
    /// output is that of `check`.
    pub observed: bool,
}

impl CommandOutput {
    fn new(output: &ExecOutput) -> Self {
        Self {
            exit: output.exit,
            stdout: output.stdout.text(),
            stderr: output.stderr.text(),
            stdout_truncated: output.stdout.truncated,
            stderr_truncated: output.stderr.truncated,
            observed: false,
        }
    }
}

/// Input of `ssh.exec`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecInput {
    #[serde(flatten)]
    target: Target,
    #[serde(flatten)]
    command: Command,
    /// A command that changes nothing and exits with 0 if `command` has taken effect. It is asked
    /// when an attempt was interrupted; without it a person is.
    #[serde(default)]
    check: Option<String>,
    /// Says that repeating the command is harmless: an interrupted attempt is simply repeated.
    #[serde(default)]
    repeatable: bool,
}

/// `ssh.exec`.
#[derive(Clone, Copy, Debug)]
pub struct Exec;

impl Executor for Exec {
    type Input = ExecInput;
    type Output = CommandOutput;

    fn describe(&self) -> Describe {
        Describe::new("ssh.exec", Effect::Verify)
            .about("Runs a command over SSH; `check` tells whether an interrupted one took effect")
    }

    async fn run(&self, ctx: &StepContext, input: ExecInput) -> Result<CommandOutput, StepError> {
        let interrupted =
            if input.repeatable { Interrupted::Harmless } else { Interrupted::Unknown };
        let remote = Remote::connect(ctx, &input.target, interrupted).await?;
        ctx.report("Running the command", None);
        let output = remote.change(&input.command.command, input.command.limits()).await?;
        remote.close().await;
        input.command.judge(&input.target.host, &output)
    }

    async fn observe(
        &self,
        ctx: &StepContext,
        input: ExecInput,
    ) -> Result<Observation<CommandOutput>, StepError> {
        if input.repeatable {
            return Ok(Observation::NotDone);
        }
        let Some(check) = &input.check else {
            return Ok(Observation::Unknown(json!({
                "host": input.target.host,
                "command": input.command.command,
                "why": "the command was interrupted, and the step has no `check`",
            })));
        };
        let remote = Remote::connect(ctx, &input.target, Interrupted::Harmless).await?;
        ctx.report("Checking whether the command took effect", None);
        let output = remote.query(check, input.command.limits()).await?;
        remote.close().await;
        Ok(match output.exit {
            Some(0) => Observation::Done(CommandOutput {
                exit: None,
                observed: true,
                ..CommandOutput::new(&output)
            }),
            // The shell did not find or could not run the check: that says nothing.
            Some(126 | 127) | None => Observation::Unknown(evidence(&output)),
            Some(_) => Observation::NotDone,
        })
    }
}

/// Input of `ssh.query`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryInput {
    #[serde(flatten)]
    target: Target,
    #[serde(flatten)]
    command: Command,
}

/// `ssh.query`.
#[derive(Clone, Copy, Debug)]
pub struct Query;

impl Executor for Query {
    type Input = QueryInput;
    type Output = CommandOutput;

    fn describe(&self) -> Describe {
        Describe::new("ssh.query", Effect::Read)
            .about("Runs a command over SSH that changes nothing, such as `uname -r`")
    }

    async fn run(&self, ctx: &StepContext, input: QueryInput) -> Result<CommandOutput, StepError> {
        let remote = Remote::connect(ctx, &input.target, Interrupted::Harmless).await?;
        ctx.report("Running the command", None);
        let output = remote.query(&input.command.command, input.command.limits()).await?;
        remote.close().await;
        let judged = input.command.judge(&input.target.host, &output);
        // A command that a signal ended, such as at a shutdown, may do better next time.
        judged.map_err(|error| match output.exit {
            Some(_) => error,
            None => StepError { class: ErrorClass::Transient, ..error },
        })
    }
}
