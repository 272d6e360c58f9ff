//! Faults by name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! faults {
    ($($variant:ident, $name:literal, $times:expr, $about:literal;)*) => {
        /// What can go wrong on request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum FaultKind {
            $(#[doc = $about] #[serde(rename = $name)] $variant,)*
        }

        impl FaultKind {
            /// All of them, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence for the list of faults.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }

            /// How often it strikes a machine; `None` stands for "always".
            pub const fn times(self) -> Option<u32> {
                match self { $(Self::$variant => $times,)* }
            }
        }
    };
}

faults! {
    CommissionFailsOnce, "commission_fails_once", Some(1), "The first commissioning of a machine fails in its scripts.";
    CommissionAlwaysFails, "commission_always_fails", None, "Every commissioning of a machine fails in its scripts.";
    CommissionTestsFailOnce, "commission_tests_fail_once", Some(1), "Commissioning succeeds, but the hardware tests behind it fail, once.";
    CommissionSticks, "commission_sticks", None, "A commissioning never ends.";
    CommissionAnswerLost, "commission_answer_lost", Some(1), "MAAS begins to commission, but the connection dies before the answer, once.";
    PowerUnreachableOnce, "power_unreachable_once", Some(1), "MAAS can't reach the BMC for the first power command.";
    Maas503, "maas_503", Some(2), "MAAS answers the first two requests about a machine with 503 and Retry-After.";
    MaasDrops, "maas_drops", Some(2), "MAAS closes the connection of the first two reads of a machine without an answer.";
    MaasSlow, "maas_slow", None, "Every answer of MAAS about a machine takes 20 simulated seconds.";
    SlowBoot, "slow_boot", None, "A boot takes four times as long.";
    SshRefusedOnce, "ssh_refused_once", Some(1), "The first SSH connection to a machine is closed before the handshake.";
    SshDrops, "ssh_drops", Some(1), "The SSH connection dies in the middle of the first command.";
    WrongHostKey, "wrong_host_key", None, "A machine shows another host key than the one it is known by.";
    SshPasswordRefused, "ssh_password_refused", None, "A machine refuses the right password.";
    BiosExportFailsOnce, "bios_export_fails_once", Some(1), "The vendor's tool fails to export the BIOS settings, once.";
    BiosImportFailsOnce, "bios_import_fails_once", Some(1), "The vendor's tool fails to import the BIOS settings, once.";
    BiosImportAlwaysFails, "bios_import_always_fails", None, "The vendor's tool always fails to import the BIOS settings.";
    BiosImportIgnored, "bios_import_ignored", None, "The vendor's tool reports success, but the BIOS keeps its settings.";
    IpmiSetFailsOnce, "ipmi_set_fails_once", Some(1), "The first `ipmitool lan set` fails.";
    IpmiSetIgnored, "ipmi_set_ignored", None, "`ipmitool lan set` reports success, but the BMC keeps its address.";
}

impl FaultKind {
    /// Whether a workflow with retries gets past it.
    pub const fn passes(self) -> bool {
        // MAAS does not commission what has failed its tests: a person has to look.
        let stops = matches!(self, Self::CommissionTestsFailOnce);
        let slows = matches!(self, Self::SlowBoot | Self::MaasSlow);
        slows || (self.times().is_some() && !stops)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A fault for all machines (`ssh_drops`) or for one (`ssh_drops@srv003`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Host name or system id of the machine that it strikes; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.machine {
            Some(machine) => write!(f, "{}@{machine}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

/// A text that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no fault `{name}`{}; known faults: {}", did_you_mean(.name), known())]
pub struct UnknownFault {
    /// The name as given.
    pub name: String,
}

fn known() -> String {
    FaultKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

fn did_you_mean(name: &str) -> String {
    let nearest = FaultKind::ALL
        .iter()
        .map(|kind| (strsim::jaro_winkler(name, kind.as_str()), kind))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((score, kind)) if score > 0.75 => format!(" (did you mean `{kind}`?)"),
        Some(_) | None => String::new(),
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let (name, machine) = match text.split_once('@') {
            Some((name, machine)) => (name, Some(machine.to_owned())),
            None => (text, None),
        };
        FaultKind::ALL
            .iter()
            .find(|kind| kind.as_str() == name)
            .map(|&kind| Self { kind, machine })
            .ok_or_else(|| UnknownFault { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for &kind in FaultKind::ALL {
            let one = Fault { kind, machine: Some("srv003".into()) };
            assert_eq!(one.to_string().parse(), Ok(one.clone()));
            assert_eq!(kind.as_str().parse(), Ok(Fault { kind, machine: None }));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn an_unknown_name_lists_and_suggests() {
        let error = "comission_fails_once".parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains("did you mean `commission_fails_once`?"), "{error}");
        assert!(error.contains("ipmi_set_ignored"), "{error}");
        let error = "zzz".parse::<Fault>().unwrap_err().to_string();
        assert!(!error.contains("did you mean"), "{error}");
    }
}
