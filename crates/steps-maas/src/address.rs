//! `maas.machine_address`: where a machine can be reached.

use std::net::IpAddr;

use rackwright_engine::{
    Describe, Effect, Executor, StepContext,
    model::{HumanDuration, StepError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    register::Maas,
    task::{Task, default_credential, default_poll},
};

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Either; IPv4 first.
    #[default]
    Any,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}

impl Family {
    /// The addresses of that family, those to be preferred first; link-local ones, which mean
    /// nothing to another host, are left out.
    fn pick(self, addresses: &[String]) -> Vec<IpAddr> {
        let mut picked: Vec<IpAddr> = addresses
            .iter()
            .filter_map(|text| text.parse().ok())
            .filter(|address| match (self, address) {
                (Self::Any | Self::Ipv4, IpAddr::V4(v4)) => !v4.is_link_local(),
                (Self::Any | Self::Ipv6, IpAddr::V6(v6)) => !v6.is_unicast_link_local(),
                (Self::Ipv4, IpAddr::V6(_)) | (Self::Ipv6, IpAddr::V4(_)) => false,
            })
            .collect();
        picked.sort_by_key(IpAddr::is_ipv6);
        picked
    }
}

/// Input of `maas.machine_address`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressInput {
    /// System id or host name.
    pub machine: String,
    /// Name of the credential with `url` and `api_key`.
    #[serde(default = "default_credential")]
    pub credential: String,
    /// Which addresses are wanted.
    #[serde(default)]
    pub family: Family,
    /// How long to wait for MAAS to know one.
    #[serde(default = "five_minutes")]
    pub wait: HumanDuration,
    /// How often MAAS is asked.
    #[serde(default = "default_poll")]
    pub poll: HumanDuration,
}

const fn five_minutes() -> HumanDuration {
    HumanDuration(std::time::Duration::from_mins(5))
}

/// Output of `maas.machine_address`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressOutput {
    /// The address to use.
    pub address: String,
    /// All that were found, the one to use first.
    pub addresses: Vec<String>,
    /// MAAS's id.
    pub system_id: String,
    /// The machine's name.
    pub hostname: String,
}

/// `maas.machine_address`.
#[derive(Clone, Debug)]
pub struct MachineAddress(pub Maas);

impl Executor for MachineAddress {
    type Input = AddressInput;
    type Output = AddressOutput;

    fn describe(&self) -> Describe {
        Describe::new("maas.machine_address", Effect::Read)
            .about("Finds a machine's address in MAAS; waits a while until it has one.")
    }

    async fn run(
        &self,
        ctx: &StepContext,
        input: AddressInput,
    ) -> Result<AddressOutput, StepError> {
        let mut task = Task::start(&self.0, ctx, &input.machine, &input.credential).await?;
        let done = find(&mut task, &input).await;
        task.end(done)
    }
}

async fn find(task: &mut Task<'_>, input: &AddressInput) -> Result<AddressOutput, StepError> {
    let mut machine = task.machine().await?;
    let until = Instant::now() + input.wait.0;
    loop {
        let found = input.family.pick(&machine.ip_addresses);
        if let Some(first) = found.first() {
            return Ok(AddressOutput {
                address: first.to_string(),
                addresses: found.iter().map(ToString::to_string).collect(),
                system_id: machine.system_id,
                hostname: machine.hostname,
            });
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(no_address(&machine.standing(), &machine.power_state, input));
        }
        task.begin("Waiting for an address");
        task.pause(input.poll.0.min(left)).await?;
        machine = task.look(&machine.system_id).await?;
    }
}

fn no_address(standing: &str, power: &str, input: &AddressInput) -> StepError {
    let family = match input.family {
        Family::Any => "",
        Family::Ipv4 => "IPv4 ",
        Family::Ipv6 => "IPv6 ",
    };
    let message = format!(
        "MAAS knows no {family}address of it after {} (it is `{standing}`, its power is {power})",
        input.wait
    );
    StepError::transient("maas.no_address", message).hint(
        "a machine that is off has none: commission it with `enable_ssh: true`, or deploy it; \
         then look at its Network tab and at DHCP",
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Family::Any, &["10.0.0.5", "2001:db8::5"])]
    #[case(Family::Ipv4, &["10.0.0.5"])]
    #[case(Family::Ipv6, &["2001:db8::5"])]
    fn addresses_are_picked_by_family(#[case] family: Family, #[case] wanted: &[&str]) {
        let known = ["2001:db8::5", "fe80::1", "169.254.0.9", "odd", "10.0.0.5"];
        let picked = family.pick(&known.map(str::to_owned));
        assert_eq!(picked.iter().map(ToString::to_string).collect::<Vec<_>>(), wanted);
    }
}
