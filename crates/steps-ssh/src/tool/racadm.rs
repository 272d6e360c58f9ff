//! Dell's `racadm`, local. A server configuration profile goes in and out by jobs of the
//! Lifecycle Controller. An import with `-b NoReboot` leaves its job waiting for the next boot
//! ("No reboot Server Configuration Profile Import job scheduled …"); until then an export shows
//! the old values.

use std::time::Duration;

use rackwright_engine::{ErrorClass, StepError};
use serde_json::{Value, json};

use super::{Bench, Imported};
use crate::{client::ExecOutput, steps::remote::quote};

/// The job of an import, in what the step saves.
const JOB: &str = "racadm_job";
/// Some jobs are done at once; the pause doubles up to the device type's `poll`.
const FIRST_LOOK: Duration = Duration::from_millis(250);

pub(super) async fn export(bench: &Bench<'_>, file: &str) -> Result<(), StepError> {
    let arguments = format!("get -t xml -f {} -c BIOS.Setup.1-1", quote(file));
    let output = bench.read_with_tool(&arguments).await?;
    judge(bench, &output)?;
    // Local versions wait for the export themselves; others name the job.
    if let Some(job) = job_id(&output.stdout.text()) {
        wait(bench, &job, bench.device_type.timeouts.export.0).await?;
    }
    Ok(())
}

pub(super) async fn import(bench: &Bench<'_>, file: &str) -> Result<Imported, StepError> {
    let arguments = format!("set -t xml -f {} -b NoReboot", quote(file));
    let output = bench.change_with_tool(&arguments).await?;
    judge(bench, &output)?;
    let text = output.stdout.text();
    let Some(job) = job_id(&text) else {
        let error = bench.failed(&output, ErrorClass::UnknownOutcome);
        return Err(StepError { code: "bios.no_job".to_owned(), ..error }
            .hint("`racadm` named no job: look at `racadm jobqueue view`"));
    };
    // Before anything relies on it: a new owner of the run has to find this job.
    bench.ctx.save(&json!({ JOB: job })).await?;
    follow(bench, &job).await
}

/// The job that an earlier attempt saved.
pub(super) fn saved_job(saved: &Value) -> Option<&str> {
    saved.get(JOB)?.as_str()
}

/// Waits for an import's job. When it failed, it is forgotten, so that a retry makes a new one.
pub(super) async fn follow(bench: &Bench<'_>, job: &str) -> Result<Imported, StepError> {
    match wait(bench, job, bench.device_type.timeouts.import.0).await {
        Ok(view) => Ok(Imported {
            job: Some(job.to_owned()),
            reboot_required: view.waits_for_boot(),
            reads_back: !view.waits_for_boot(),
            message: Some(view.message),
        }),
        Err(error) => {
            if error.code == "bios.job_failed" {
                bench.ctx.save(&json!({ JOB: null })).await?;
            }
            Err(error)
        }
    }
}

pub(super) async fn under_way(bench: &Bench<'_>) -> Result<Option<Value>, StepError> {
    let output = bench.read_with_tool("jobqueue view").await?;
    judge(bench, &output)?;
    let jobs = JobView::read_all(&output.stdout.text());
    let job = jobs.into_iter().find(|job| {
        job.name.contains("Import Server Configuration Profile")
            && job.state() != State::Failed
            && job.state() != State::Completed
    });
    Ok(job.map(|job| json!({ JOB: job.id })))
}

async fn wait(bench: &Bench<'_>, job: &str, limit: Duration) -> Result<JobView, StepError> {
    let begun = tokio::time::Instant::now();
    let mut pause = FIRST_LOOK;
    loop {
        let output = bench.read_with_tool(&format!("jobqueue view -i {}", quote(job))).await?;
        judge(bench, &output)?;
        let text = output.stdout.text();
        let Some(view) = JobView::read_all(&text).into_iter().find(|view| view.id == job) else {
            let message = format!("the job {job} is not in the job queue");
            return Err(StepError::permanent("bios.job_failed", message).details(json!(text)));
        };
        match view.state() {
            State::Completed => return Ok(view),
            State::Failed => {
                let message = format!("the job {job} ended as `{}`: {}", view.status, view.message);
                return Err(StepError::transient("bios.job_failed", message)
                    .hint("`racadm lclog viewconfigresult -j JID` lists each attribute's result"));
            }
            State::Running if view.waits_for_boot() => return Ok(view),
            State::Running => {
                bench.ctx.report(format!("{}: {}", view.name, view.message), view.percent);
            }
        }
        if begun.elapsed() > limit {
            let message = format!("the job {job} is still `{}` after {limit:?}", view.status);
            return Err(StepError::new("bios.job_timeout", ErrorClass::Timeout, message));
        }
        let longest = bench.device_type.timeouts.poll.0;
        bench.ctx.sleep(pause.min(longest)).await?;
        pause = pause.saturating_mul(2);
    }
}

fn judge(bench: &Bench<'_>, output: &ExecOutput) -> Result<(), StepError> {
    if output.exit == Some(0) {
        return Ok(());
    }
    let said = format!("{}{}", output.stdout.text(), output.stderr.text()).to_lowercase();
    let busy = ["already running", "in progress", "lifecycle controller is currently in use"];
    if busy.iter().any(|words| said.contains(words)) {
        return Err(bench.failed(output, ErrorClass::Conflict));
    }
    if said.contains("invalid") || said.contains("not compliant") {
        return Err(bench.failed(output, ErrorClass::Permanent));
    }
    Err(bench.failed(output, ErrorClass::Transient))
}

/// The job that an answer names: `JID_` and digits.
fn job_id(text: &str) -> Option<String> {
    let start = text.find("JID_")?;
    let digits = text[start + 4..].chars().take_while(char::is_ascii_digit).count();
    (digits > 0).then(|| text[start..start + 4 + digits].to_owned())
}

/// A job, as `jobqueue view` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct JobView {
    id: String,
    name: String,
    status: String,
    message: String,
    percent: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Completed,
    Failed,
}

impl JobView {
    /// `[Job ID=…]` opens a job, `Key=Value` lines follow, some values in brackets.
    fn read_all(text: &str) -> Vec<Self> {
        let mut jobs: Vec<Self> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(id) = line.strip_prefix("[Job ID=") {
                let id = id.trim_end_matches(']').to_owned();
                jobs.push(Self { id, ..Self::default() });
                continue;
            }
            let (Some(job), Some((key, value))) = (jobs.last_mut(), line.split_once('=')) else {
                continue;
            };
            let value = value.trim();
            let bare = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value);
            match key {
                "Job Name" => bare.clone_into(&mut job.name),
                "Status" => bare.clone_into(&mut job.status),
                "Message" => bare.clone_into(&mut job.message),
                "Percent Complete" => job.percent = bare.trim_end_matches('%').parse().ok(),
                _ => {}
            }
        }
        jobs
    }

    /// The job's state; unknown ones count as running, and the time-out ends them.
    fn state(&self) -> State {
        match self.status.as_str() {
            // SYS055 and its like: "Completed" is not always a success.
            "Completed" if self.message.contains("completed with errors") => State::Failed,
            "Completed" => State::Completed,
            "Failed" | "Completed with Errors" | "CompletedWithErrors" | "RebootFailed" => {
                State::Failed
            }
            _ => State::Running,
        }
    }

    fn waits_for_boot(&self) -> bool {
        self.message.contains("No reboot Server")
            || self.message.contains("Waiting for System Reboot")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "-------------------------JOB QUEUE------------------------\n\
        [Job ID=JID_429400224349]\n\
        Job Name=Configure: Import Server Configuration Profile\n\
        Status=Running\n\
        Scheduled Start Time=[Not Applicable]\n\
        Message=[SYS058: Applying configuration changes.]\n\
        Percent Complete=[20]\n\
        ----------------------------------------------------------\n\
        [Job ID=JID_833540920066]\n\
        Job Name=Firmware Update: iDRAC\n\
        Status=Downloading\n\
        Message= [RED001: Job in progress.]\n\
        Percent Complete= [50%]\n";

    #[test]
    fn a_job_queue_is_read() {
        let jobs = JobView::read_all(QUEUE);
        assert_eq!(jobs.len(), 2);
        assert_eq!(jobs[0].id, "JID_429400224349");
        assert_eq!(jobs[0].message, "SYS058: Applying configuration changes.");
        assert_eq!(jobs[0].percent, Some(20));
        assert_eq!(jobs[0].state(), State::Running);
        assert_eq!(jobs[1].percent, Some(50));
    }

    #[test]
    fn the_job_is_found_in_an_answer() {
        let text = "RAC977: Import configuration XML file operation initiated.\nUse the \"racadm \
                    jobqueue view -i JID_000123456789\" command to view the status";
        assert_eq!(job_id(text).as_deref(), Some("JID_000123456789"));
        assert_eq!(job_id("view -i JID_xxxx"), None);
        assert_eq!(job_id("done"), None);
    }

    #[test]
    fn completed_is_not_always_success() {
        let job = |status: &str, message: &str| JobView {
            status: status.to_owned(),
            message: message.to_owned(),
            ..JobView::default()
        };
        assert_eq!(job("Completed", "SYS053: Successfully imported").state(), State::Completed);
        let partly =
            "SYS055: Import of Server Configuration Profile operation completed with errors.";
        assert_eq!(job("Completed", partly).state(), State::Failed);
        assert_eq!(job("Failed", "").state(), State::Failed);
        assert_eq!(job("Waiting", "").state(), State::Running);
        let scheduled = "No reboot Server Configuration Profile Import job scheduled, Waiting for \
                         System Reboot to complete the operation.";
        assert!(job("Scheduled", scheduled).waits_for_boot());
    }
}
