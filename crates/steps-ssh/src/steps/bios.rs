//! `bios.export`, `bios.apply_profile`, `bios.import`.

use rackwright_engine::{Describe, Effect, Executor, Observation, StepContext, StepError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Target, device_type::known, remote::Remote};
use crate::{
    bios::{self, Change, Document, Encoding, SettingValue},
    client::Interrupted,
    device::{DeviceType, DeviceTypes},
    tool::Bench,
};

/// Input of `bios.export`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportInput {
    #[serde(flatten)]
    target: Target,
    /// The device type's name.
    device_type: String,
}

/// Output of `bios.export`: a file of settings.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ExportOutput {
    /// The device type's name.
    pub device_type: String,
    /// The vendor's program that wrote it.
    pub tool: String,
    /// The file's text, untouched.
    pub text: String,
    /// How the file's bytes stand for the text.
    pub encoding: Encoding,
    /// The model that the file names.
    pub model: Option<String>,
    /// How many settings it holds.
    pub settings: usize,
}

/// `bios.export`.
#[derive(Clone, Debug)]
pub struct Export(pub(crate) DeviceTypes);

impl Executor for Export {
    type Input = ExportInput;
    type Output = ExportOutput;

    fn describe(&self) -> Describe {
        Describe::new("bios.export", Effect::Read)
            .about("Reads a machine's BIOS settings with the vendor's tool, over SSH")
    }

    async fn run(&self, ctx: &StepContext, input: ExportInput) -> Result<ExportOutput, StepError> {
        let device_type = known(&self.0, &input.device_type)?;
        let remote = Remote::connect(ctx, &input.target, Interrupted::Harmless).await?;
        let bench = Bench { ctx, remote: &remote, device_type: &device_type };
        let bytes = bench.export().await?;
        remote.close().await;
        ctx.report("Reading BIOS configuration", None);
        let (text, encoding) = bios::decode(bytes);
        let document = parse(&device_type, &text, &input.target.host)?;
        Ok(ExportOutput {
            device_type: device_type.name.clone(),
            tool: device_type.tool.kind.program().to_owned(),
            model: document.model,
            settings: document.settings.len(),
            text,
            encoding,
        })
    }
}

fn parse(device_type: &DeviceType, text: &str, from: &str) -> Result<Document, StepError> {
    bios::parse(device_type.tool.kind, text).map_err(|error| {
        let start: String = text.chars().take(200).collect();
        StepError::permanent("bios.format", format!("{from}: {error}"))
            .details(json!({ "start": start }))
    })
}

/// Input of `bios.apply_profile`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyInput {
    /// The device type's name.
    device_type: String,
    /// The text that `bios.export` gave.
    text: String,
    /// The encoding that it gave; handed on.
    #[serde(default)]
    encoding: Encoding,
}

/// Output of `bios.apply_profile`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ApplyOutput {
    /// The device type's name.
    pub device_type: String,
    /// The text with the changes; all else is as it was.
    pub text: String,
    /// As given.
    pub encoding: Encoding,
    /// What was changed.
    pub changes: Vec<Change>,
    /// Whether anything was.
    pub changed: bool,
}

/// `bios.apply_profile`.
#[derive(Clone, Debug)]
pub struct ApplyProfile(pub(crate) DeviceTypes);

impl Executor for ApplyProfile {
    type Input = ApplyInput;
    type Output = ApplyOutput;

    fn describe(&self) -> Describe {
        Describe::new("bios.apply_profile", Effect::Read).about(
            "Changes exported BIOS settings to what the device type wants; touches no machine",
        )
    }

    async fn run(&self, ctx: &StepContext, input: ApplyInput) -> Result<ApplyOutput, StepError> {
        let device_type = known(&self.0, &input.device_type)?;
        ctx.report(format!("Applying the profile of {}", device_type.name), None);
        let document = parse(&device_type, &input.text, "the exported settings")?;
        let applied = bios::apply(&input.text, &document, &device_type).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let message = format!("{} does not fit: {}", device_type.name, problems.join("; "));
            StepError::permanent("bios.profile", message)
                .hint("mend the device type's file, or give the machine another device type")
                .details(json!({ "problems": problems }))
        })?;
        ctx.report(format!("{} settings differ", applied.changes.len()), None);
        Ok(ApplyOutput {
            device_type: device_type.name.clone(),
            text: applied.text,
            encoding: input.encoding,
            changed: !applied.changes.is_empty(),
            changes: applied.changes,
        })
    }
}

/// Input of `bios.import`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportInput {
    #[serde(flatten)]
    target: Target,
    /// The device type's name.
    device_type: String,
    /// The text that `bios.apply_profile` gave.
    text: String,
    /// The encoding that it gave.
    #[serde(default)]
    encoding: Encoding,
    /// The changes that it gave: what is compared afterwards. Empty means that there is nothing
    /// to import; without it all settings in the text are compared.
    #[serde(default)]
    changes: Option<Vec<Change>>,
}

impl ImportInput {
    /// The values that the machine has to have afterwards.
    fn wanted(&self, device_type: &DeviceType) -> Result<Vec<(String, SettingValue)>, StepError> {
        if let Some(changes) = &self.changes {
            return Ok(changes.iter().map(|c| (c.setting.clone(), c.to.clone())).collect());
        }
        let document = parse(device_type, &self.text, "the text to import")?;
        let changeable = document.settings.into_iter().filter(|setting| setting.place.is_some());
        Ok(changeable.map(|setting| (setting.name, setting.value)).collect())
    }
}

/// Output of `bios.import`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ImportOutput {
    /// Whether anything was imported.
    pub changed: bool,
    /// Whether the settings take effect at the next boot.
    pub reboot_required: bool,
    /// Whether the settings were read back and are as wanted. False where the machine shows them
    /// only after its next boot.
    pub verified: bool,
    /// The tool's job, where it has jobs.
    pub job: Option<String>,
    /// What the tool said last.
    pub message: Option<String>,
}

/// `bios.import`.
#[derive(Clone, Debug)]
pub struct Import(pub(crate) DeviceTypes);

impl Executor for Import {
    type Input = ImportInput;
    type Output = ImportOutput;

    fn describe(&self) -> Describe {
        Describe::new("bios.import", Effect::Verify).about(
            "Writes BIOS settings with the vendor's tool, over SSH; says whether a reboot is due",
        )
    }

    async fn run(&self, ctx: &StepContext, input: ImportInput) -> Result<ImportOutput, StepError> {
        let device_type = known(&self.0, &input.device_type)?;
        let wanted = input.wanted(&device_type)?;
        if wanted.is_empty() {
            ctx.report("Nothing to import", Some(100));
            return Ok(ImportOutput::unchanged());
        }
        let content = bios::encode(&input.text, input.encoding).map_err(|c| {
            let message = format!("the text holds `{c}`, which the file's encoding lacks");
            StepError::permanent("bios.encoding", message)
        })?;
        let remote = Remote::connect(ctx, &input.target, Interrupted::Unknown).await?;
        let bench = Bench { ctx, remote: &remote, device_type: &device_type };
        let imported = bench.import(&content, ctx.saved()).await?;
        if imported.reads_back {
            let missing = missing(&bench, &wanted, &input.target.host).await?;
            if !missing.is_empty() {
                let message = format!(
                    "{}: the import succeeded, but {} settings are not as imported: {}",
                    input.target.host,
                    missing.len(),
                    missing.join(", ")
                );
                return Err(StepError::permanent("bios.not_applied", message)
                    .hint("a setting may depend on another one that forbids it"));
            }
        }
        remote.close().await;
        Ok(ImportOutput {
            changed: true,
            reboot_required: imported.reboot_required,
            verified: imported.reads_back,
            job: imported.job,
            message: imported.message,
        })
    }

    async fn observe(
        &self,
        ctx: &StepContext,
        input: ImportInput,
    ) -> Result<Observation<ImportOutput>, StepError> {
        let device_type = known(&self.0, &input.device_type)?;
        let wanted = input.wanted(&device_type)?;
        if wanted.is_empty() {
            return Ok(Observation::Done(ImportOutput::unchanged()));
        }
        let remote = Remote::connect(ctx, &input.target, Interrupted::Harmless).await?;
        let bench = Bench { ctx, remote: &remote, device_type: &device_type };
        ctx.report("Looking for an import under way", None);
        let seen = if let Some(saved) = bench.under_way().await? {
            Observation::InProgress(saved)
        } else if missing(&bench, &wanted, &input.target.host).await?.is_empty() {
            Observation::Done(ImportOutput {
                changed: true,
                reboot_required: true,
                verified: true,
                job: None,
                message: None,
            })
        } else {
            Observation::NotDone
        };
        remote.close().await;
        Ok(seen)
    }
}

impl ImportOutput {
    fn unchanged() -> Self {
        Self { changed: false, reboot_required: false, verified: true, job: None, message: None }
    }
}

/// Exports again, and lists what is not as wanted: "`name` is `x`".
async fn missing(
    bench: &Bench<'_>,
    wanted: &[(String, SettingValue)],
    host: &str,
) -> Result<Vec<String>, StepError> {
    let (text, _) = bios::decode(bench.export().await?);
    let document = parse(bench.device_type, &text, host)?;
    let mut found = Vec::new();
    for (name, value) in wanted {
        match document.settings.iter().find(|setting| setting.name == *name) {
            Some(setting) if setting.value == *value => {}
            Some(setting) => found.push(format!("`{name}` is `{}`", setting.value)),
            None => found.push(format!("`{name}` is gone")),
        }
    }
    Ok(found)
}

/// Makes the three executors of one catalogue.
pub(crate) fn executors(types: &DeviceTypes) -> (Export, ApplyProfile, Import) {
    (Export(types.clone()), ApplyProfile(types.clone()), Import(types.clone()))
}
