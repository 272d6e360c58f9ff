//! The vendors' BIOS programs, run on the machine itself.

mod conrep;
mod ilorest;
mod racadm;
mod sum;

use rackwright_engine::{ErrorClass, StepContext, StepError};
use serde_json::Value;

use crate::{
    client::ExecOutput,
    device::{DeviceType, ToolKind},
    steps::remote::{FILE_LIMIT, Remote, ending, evidence, limits, quote},
};

/// A machine, and the tool for its type.
pub(crate) struct Bench<'a> {
    pub(crate) ctx: &'a StepContext,
    pub(crate) remote: &'a Remote,
    pub(crate) device_type: &'a DeviceType,
}

/// What became of an import.
#[derive(Clone, Debug, Default)]
pub(crate) struct Imported {
    /// The tool's job, where it has jobs.
    pub(crate) job: Option<String>,
    /// What the tool said last.
    pub(crate) message: Option<String>,
    /// Whether the settings take effect at the next boot.
    pub(crate) reboot_required: bool,
    /// Whether an export shows them already, before the reboot.
    pub(crate) reads_back: bool,
}

impl Bench<'_> {
    /// All settings, as the tool writes them.
    pub(crate) async fn export(&self) -> Result<Vec<u8>, StepError> {
        self.ctx.report("Exporting BIOS configuration", None);
        let file = self.file("export");
        match self.device_type.tool.kind {
            ToolKind::Racadm => racadm::export(self, &file).await?,
            ToolKind::Conrep => conrep::export(self, &file).await?,
            ToolKind::Ilorest => ilorest::export(self, &file).await?,
            ToolKind::Sum | ToolKind::Saa => sum::export(self, &file).await?,
        }
        if self.device_type.tool.sudo {
            // Root's file, which the login is to fetch.
            self.run_quietly(&format!("sudo -n chmod 0644 {}", quote(&file))).await?;
        }
        self.ctx.report("Downloading BIOS configuration", None);
        let bytes = self.remote.read_file(&file, FILE_LIMIT).await?;
        self.remove(&file).await?;
        Ok(bytes)
    }

    /// Hands a file of settings to the tool. `saved` is what an earlier attempt, or an
    /// observation, saved of an import that is under way.
    pub(crate) async fn import(
        &self,
        content: &[u8],
        saved: Option<&Value>,
    ) -> Result<Imported, StepError> {
        if let Some(job) = saved.and_then(racadm::saved_job) {
            return racadm::follow(self, job).await;
        }
        self.ctx.report("Uploading BIOS configuration", None);
        let file = self.file("import");
        // Nobody else on the machine needs to read it.
        self.remote.write_file(&file, content, 0o600).await?;
        self.ctx.report("Importing BIOS configuration", None);
        let imported = match self.device_type.tool.kind {
            ToolKind::Racadm => racadm::import(self, &file).await?,
            ToolKind::Conrep => conrep::import(self, &file).await?,
            ToolKind::Ilorest => ilorest::import(self, &file).await?,
            ToolKind::Sum | ToolKind::Saa => sum::import(self, &file).await?,
        };
        self.remove(&file).await?;
        Ok(imported)
    }

    /// An import that the machine is busy with, to be saved and carried on.
    pub(crate) async fn under_way(&self) -> Result<Option<Value>, StepError> {
        match self.device_type.tool.kind {
            ToolKind::Racadm => racadm::under_way(self).await,
            // These work in the foreground: when the connection is gone, so is the import.
            ToolKind::Conrep | ToolKind::Ilorest | ToolKind::Sum | ToolKind::Saa => Ok(None),
        }
    }

    /// A file of this step's own: other runs on the machine have others.
    fn file(&self, what: &str) -> String {
        let directory = self.device_type.tool.directory.trim_end_matches('/');
        let key = self.ctx.idempotency_key();
        let extension =
            if self.device_type.tool.kind == ToolKind::Ilorest { "json" } else { "xml" };
        format!("{directory}/rackwright-{}-{what}.{extension}", &key[..12])
    }

    /// Not behind the fence: the file is this step's own, and no part of the machine's state.
    async fn remove(&self, file: &str) -> Result<(), StepError> {
        let sudo = if self.device_type.tool.sudo { "sudo -n " } else { "" };
        self.run_quietly(&format!("{sudo}rm -f -- {}", quote(file))).await
    }

    /// What fails here shows in what comes next, or leaves a small file behind.
    async fn run_quietly(&self, command: &str) -> Result<(), StepError> {
        let limits = limits(self.device_type.timeouts.export.0);
        self.remote.query(command, limits).await.map(drop)
    }

    /// The command line of the tool.
    fn command(&self, arguments: &str) -> String {
        let tool = &self.device_type.tool;
        let program = tool.path.as_deref().unwrap_or(tool.kind.program());
        format!("{}{} {arguments}", if tool.sudo { "sudo -n " } else { "" }, quote(program))
    }

    async fn read_with_tool(&self, arguments: &str) -> Result<ExecOutput, StepError> {
        let limits = limits(self.device_type.timeouts.export.0);
        self.remote.query(&self.command(arguments), limits).await
    }

    async fn change_with_tool(&self, arguments: &str) -> Result<ExecOutput, StepError> {
        let limits = limits(self.device_type.timeouts.import.0);
        self.remote.change(&self.command(arguments), limits).await
    }

    /// The error for a tool that did not succeed. `class` is for exit statuses that say nothing
    /// else; the shell's own are told apart.
    fn failed(&self, output: &ExecOutput, class: ErrorClass) -> StepError {
        let program = self.device_type.tool.kind.program();
        let said = last_line(&output.stdout.text()).or_else(|| last_line(&output.stderr.text()));
        let said = said.unwrap_or_else(|| "it said nothing".to_owned());
        let message = format!("`{program}` ended with {}: {said}", ending(output));
        let error = StepError::new("bios.tool_failed", class, message).details(evidence(output));
        match output.exit {
            Some(126 | 127) => StepError {
                code: "bios.tool_missing".to_owned(),
                class: ErrorClass::Permanent,
                ..error
            }
            .hint(
                "install the vendor's tool, or say where it is with `tool.path` of the device type",
            ),
            _ => error,
        }
    }
}

/// The last line that says something: some tools end with a row of stars.
fn last_line(text: &str) -> Option<String> {
    let says = |line: &&str| line.contains(char::is_alphanumeric);
    text.lines().map(str::trim).rfind(says).map(ToOwned::to_owned)
}
