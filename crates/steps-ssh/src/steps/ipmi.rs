//! `ipmi.set_lan`: the BMC's address, set in band by `ipmitool` over SSH.

use std::{net::Ipv4Addr, time::Duration};

use rackwright_engine::{
    Describe, Effect, ErrorClass, Executor, StepContext, StepError, model::HumanDuration,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Target,
    lan::LanConfig,
    remote::{Remote, ending, evidence, limits, quote},
};
use crate::client::{ExecOutput, Interrupted};

/// Input of `ipmi.set_lan`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetLanInput {
    #[serde(flatten)]
    target: Target,
    /// The BMC's new IPv4 address.
    ip: Ipv4Addr,
    /// Its netmask; without it the BMC keeps the one it has.
    #[serde(default)]
    netmask: Option<Ipv4Addr>,
    /// Its default gateway; without it the BMC keeps the one it has.
    #[serde(default)]
    gateway: Option<Ipv4Addr>,
    /// The IPMI channel of the BMC's network port.
    #[serde(default = "SetLanInput::default_channel")]
    channel: u8,
    /// Where `ipmitool` is; without it, it is looked for on the login's `PATH`.
    #[serde(default)]
    ipmitool: Option<String>,
    /// Whether to run it by `sudo -n`, for logins other than root.
    #[serde(default)]
    sudo: bool,
    /// How long the BMC may take to show what was set.
    #[serde(default = "SetLanInput::default_settle")]
    settle: HumanDuration,
}

impl SetLanInput {
    fn default_channel() -> u8 {
        1
    }

    fn default_settle() -> HumanDuration {
        HumanDuration(Duration::from_secs(20))
    }

    /// What is not as wanted, in the order in which it is set. The source goes first: a BMC that
    /// still asks DHCP overwrites the address. The gateway goes last.
    fn differences(&self, lan: &LanConfig) -> Vec<Difference> {
        let mut found = Vec::new();
        if !lan.is_static() {
            let to = "Static Address".to_owned();
            let from = lan.source.clone();
            found.push(Difference { parameter: "ipsrc", argument: "static".to_owned(), from, to });
        }
        let addresses = [
            ("ipaddr", Some(self.ip), lan.address),
            ("netmask", self.netmask, lan.netmask),
            ("defgw ipaddr", self.gateway, lan.gateway),
        ];
        for (parameter, wanted, current) in addresses {
            if let Some(wanted) = wanted.filter(|wanted| Some(*wanted) != current) {
                found.push(Difference {
                    parameter,
                    argument: wanted.to_string(),
                    from: current.map(|address| address.to_string()),
                    to: wanted.to_string(),
                });
            }
        }
        found
    }
}

struct Difference {
    /// As `ipmitool lan set N` names it.
    parameter: &'static str,
    argument: String,
    from: Option<String>,
    to: String,
}

/// A parameter that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LanChange {
    /// As `ipmitool lan set` names it.
    pub parameter: String,
    /// What it was; null if the BMC showed nothing.
    pub from: Option<String>,
    /// What it is now.
    pub to: String,
}

/// Output of `ipmi.set_lan`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SetLanOutput {
    /// The BMC's network configuration now, as it says itself.
    pub lan: LanConfig,
    /// What was changed; empty if all was as wanted already.
    pub changes: Vec<LanChange>,
    /// Whether anything was.
    pub changed: bool,
}

/// `ipmi.set_lan`.
///
/// In band, so that a wrong address can't lock the step out. IPMI has nothing that could be
/// revoked: a node that lost its right to act between the fence and the command may still set an
/// address; a run that owns the machine sets its own afterwards.
#[derive(Clone, Copy, Debug)]
pub struct SetLan;

impl Executor for SetLan {
    type Input = SetLanInput;
    type Output = SetLanOutput;

    fn describe(&self) -> Describe {
        Describe::new("ipmi.set_lan", Effect::Idempotent)
            .about("Gives a BMC a static address in band (`ipmitool` over SSH) and reads it back")
    }

    async fn run(&self, ctx: &StepContext, input: SetLanInput) -> Result<SetLanOutput, StepError> {
        let remote = Remote::connect(ctx, &input.target, Interrupted::Harmless).await?;
        let tool = Ipmitool { remote: &remote, input: &input };
        ctx.report("Reading the BMC's network configuration", None);
        let before = tool.print().await?;
        let wanted = input.differences(&before);
        for difference in &wanted {
            let parameter = difference.parameter;
            ctx.report(format!("Setting {parameter} to {}", difference.argument), None);
            tool.set(difference).await?;
        }
        let lan = if wanted.is_empty() { before } else { tool.verify(ctx).await? };
        remote.close().await;
        let changes: Vec<LanChange> = wanted
            .into_iter()
            .map(|d| LanChange { parameter: d.parameter.to_owned(), from: d.from, to: d.to })
            .collect();
        Ok(SetLanOutput { lan, changed: !changes.is_empty(), changes })
    }
}

const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);
const VERIFY_PAUSE: Duration = Duration::from_secs(1);

struct Ipmitool<'a> {
    remote: &'a Remote,
    input: &'a SetLanInput,
}

impl Ipmitool<'_> {
    fn command(&self, arguments: &str) -> String {
        let program = quote(self.input.ipmitool.as_deref().unwrap_or("ipmitool"));
        format!("{}{program} {arguments}", if self.input.sudo { "sudo -n " } else { "" })
    }

    async fn print(&self) -> Result<LanConfig, StepError> {
        let command = self.command(&format!("lan print {}", self.input.channel));
        let output = self.remote.query(&command, limits(COMMAND_TIMEOUT)).await?;
        self.judge("lan print", &output)?;
        let text = output.stdout.text();
        LanConfig::read(&text).ok_or_else(|| {
            let message = format!("{}: `lan print` shows no address", self.input.target.host);
            StepError::permanent("ipmi.format", message).details(evidence(&output))
        })
    }

    async fn set(&self, difference: &Difference) -> Result<(), StepError> {
        let Difference { parameter, argument, .. } = difference;
        let channel = self.input.channel;
        let command = self.command(&format!("lan set {channel} {parameter} {argument}"));
        let output = self.remote.change(&command, limits(COMMAND_TIMEOUT)).await?;
        self.judge(&format!("lan set {parameter}"), &output)
    }

    /// Reads until the BMC shows what was set: some take seconds, and `ipmitool` exits with 0
    /// even where it says that the write may have failed.
    async fn verify(&self, ctx: &StepContext) -> Result<LanConfig, StepError> {
        ctx.report("Verifying the BMC's network configuration", None);
        let begun = tokio::time::Instant::now();
        loop {
            let lan = self.print().await?;
            let left = self.input.differences(&lan);
            if left.is_empty() {
                return Ok(lan);
            }
            if begun.elapsed() >= self.input.settle.0 {
                let left: Vec<String> = left
                    .iter()
                    .map(|d| {
                        let from = d.from.as_deref().unwrap_or("nothing");
                        format!("{} is {from}, not {}", d.parameter, d.to)
                    })
                    .collect();
                let host = &self.input.target.host;
                let message = format!("{host}: the BMC did not take it: {}", left.join("; "));
                return Err(StepError::transient("ipmi.not_applied", message)
                    .hint("if it stays so, reset the BMC: `ipmitool mc reset cold`"));
            }
            ctx.sleep(VERIFY_PAUSE).await?;
        }
    }

    fn judge(&self, what: &str, output: &ExecOutput) -> Result<(), StepError> {
        let host = &self.input.target.host;
        let message = format!("{host}: `ipmitool {what}` ended with {}", ending(output));
        let error = |class| {
            StepError::new("ipmi.tool_failed", class, message.clone()).details(evidence(output))
        };
        match output.exit {
            Some(0) => Ok(()),
            Some(126 | 127) => Err(error(ErrorClass::Permanent)
                .hint("install `ipmitool` on the machine, or say where it is with `ipmitool`")),
            _ if output.stderr.text().contains("/dev/ipmi") => Err(error(ErrorClass::Permanent)
                .hint(
                    "load the kernel modules `ipmi_si` and `ipmi_devintf`; the login must be root",
                )),
            _ => Err(error(ErrorClass::Transient)),
        }
    }
}
