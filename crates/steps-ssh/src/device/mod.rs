//! Device types: what a kind of server needs. Files that operators write.

mod catalogue;
mod yaml;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use rackwright_engine::model::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use catalogue::{DeviceTypeProblem, DeviceTypeProblems, DeviceTypes, UnknownDeviceType};

use crate::bios::SettingValue;

/// A kind of server: which tool sets its BIOS, and to what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceType {
    /// The name that workflows use; the file is called `NAME.yaml`.
    pub name: String,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who makes it.
    pub vendor: Vendor,
    /// What reads and writes its BIOS settings.
    pub tool: Tool,
    /// The settings wanted.
    pub bios: BiosProfile,
    /// How long its operations may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// What is checked before anything is changed.
    #[serde(default)]
    pub validation: Validation,
}

/// Who makes a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Dell.
    Dell,
    /// Hewlett Packard Enterprise.
    Hpe,
    /// Supermicro.
    Supermicro,
}

/// The vendor's program, on the machine itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Which program, and so which text format.
    pub kind: ToolKind,
    /// Where it is; without it, it is looked for on the login's `PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether to run it by `sudo -n`, for logins other than root: the user of an image that MAAS
    /// deploys may do everything without a password.
    #[serde(default)]
    pub sudo: bool,
    /// The definition file that `conrep` is given with `-x`, where the built-in one doesn't fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definitions: Option<String>,
    /// A directory on the machine for the files that go in and out.
    #[serde(default = "Tool::default_directory")]
    pub directory: String,
}

impl Tool {
    fn default_directory() -> String {
        "/tmp".to_owned()
    }
}

/// The vendors' programs that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Dell's RACADM, local: server configuration profiles in XML.
    Racadm,
    /// HPE's scripting toolkit: `conrep`, XML.
    Conrep,
    /// HPE's interface tool for REST: `ilorest`, JSON.
    Ilorest,
    /// Supermicro Update Manager: `sum`, XML.
    Sum,
    /// Supermicro's successor of `sum`: `saa`, with the same commands.
    Saa,
}

impl ToolKind {
    /// The program's name.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Racadm => "racadm",
            Self::Conrep => "conrep",
            Self::Ilorest => "ilorest",
            Self::Sum => "sum",
            Self::Saa => "saa",
        }
    }

    const fn vendor(self) -> Vendor {
        match self {
            Self::Racadm => Vendor::Dell,
            Self::Conrep | Self::Ilorest => Vendor::Hpe,
            Self::Sum | Self::Saa => Vendor::Supermicro,
        }
    }
}

/// The BIOS settings that a device type wants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BiosProfile {
    /// Value by setting. A setting is named as the tool's file names it: an attribute of
    /// `BIOS.Setup.1-1`, or `FQDD/Attribute` (racadm); a section (conrep); an attribute (ilorest);
    /// the setting's name, or its menus and name joined by `|` where the name alone is not unique
    /// (sum, saa).
    pub settings: IndexMap<String, SettingValue>,
    /// The values that a setting may take, for tools whose files don't say so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub allowed: BTreeMap<String, Vec<SettingValue>>,
}

/// How long a device type's operations may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Reading all settings.
    pub export: HumanDuration,
    /// Writing them, with the job that does it.
    pub import: HumanDuration,
    /// The longest pause between two looks at a job; the first ones are shorter.
    pub poll: HumanDuration,
}

impl Default for Timeouts {
    fn default() -> Self {
        use std::time::Duration;
        Self {
            export: HumanDuration(Duration::from_mins(10)),
            import: HumanDuration(Duration::from_mins(30)),
            poll: HumanDuration(Duration::from_secs(5)),
        }
    }
}

/// What is checked before anything is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// The models that the profile is for, as the exported settings name them. Empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Settings that the export must hold, else it is not complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
}

impl DeviceType {
    /// What doesn't fit together in it, in words; nothing if all does.
    fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.tool.kind.vendor() != self.vendor {
            found.push(format!(
                "the tool `{}` is not for machines of the vendor `{:?}`",
                self.tool.kind.program(),
                self.vendor
            ));
        }
        if self.tool.definitions.is_some() && self.tool.kind != ToolKind::Conrep {
            found.push("`definitions` is for the tool `conrep` only".to_owned());
        }
        for (setting, allowed) in &self.bios.allowed {
            if let Some(value) = self.bios.settings.get(setting)
                && !allowed.contains(value)
            {
                found.push(format!("`{setting}` is wanted as `{value}`, which `allowed` excludes"));
            }
        }
        found
    }
}
