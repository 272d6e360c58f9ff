//! Runs whose owners died again and again.

use super::{Client, EngineError, RunView};
use crate::{
    machine::{Input, StepRef, TaskRef},
    model::RunId,
    runtime::outgoing,
};

impl RunView {
    /// The paths of the attempts and observations that are under way, or were when the run's last
    /// owner died.
    pub fn under_way(&self) -> Vec<String> {
        let steps = (0..).map(StepRef).take(self.state.steps.len());
        let flies = |task: &TaskRef| {
            let execution = self.state.execution(*task);
            execution.is_some_and(|it| self.state.is_in_flight(*task, &it.phase))
        };
        let tasks = steps.flat_map(TaskRef::all_of).filter(flies);
        tasks.map(|task| self.state.task_path(&self.plan, task)).collect()
    }
}

impl Client {
    /// Lets a run in quarantine go on: its take-overs are counted from 0, and who did it and why is
    /// recorded. Whatever was sent to the run meanwhile is taken in first: a run that was cancelled
    /// stops before anything of it is tried again.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if the run is not in quarantine.
    pub async fn release_quarantine(
        &self,
        run: RunId,
        by: &str,
        reason: &str,
    ) -> Result<(), EngineError> {
        let record = self.record(run).await?;
        let input = Input::QuarantineReleased {
            by: by.to_owned(),
            reason: reason.to_owned(),
            takeovers: record.takeovers,
        };
        let message = outgoing(run, "release quarantine", &input);
        if self.store.fleet().release_quarantine(&message).await? {
            return Ok(());
        }
        Err(EngineError::Refused(format!(
            "run {run} is not in quarantine: it is {}",
            record.status
        )))
    }
}
