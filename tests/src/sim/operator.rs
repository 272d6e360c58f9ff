//! The people of the simulation: they decide what waits for them, and sometimes cancel.

use rackwright_engine::{
    Client, EngineError, RunId, RunStatus, machine::Verdict, store::RunFilter, testing::Device,
};
use serde_json::json;
use tokio::time::Instant;

use super::{chance::Chance, figures::Figures, scene::Scene};

/// The people.
pub(super) struct Operator<'a> {
    scene: &'a Scene,
    client: Client,
    device: &'a Device,
    begun: Instant,
    cancelled: bool,
    /// How often they have decided something.
    decisions: u64,
    pub(super) figures: Figures,
}

/// How all runs stand.
pub(super) enum Standing {
    /// Some go on.
    Alive,
    /// All have ended.
    Ended,
}

impl<'a> Operator<'a> {
    pub(super) fn new(scene: &'a Scene, client: Client, device: &'a Device) -> Self {
        let (begun, figures) = (Instant::now(), Figures::default());
        Self { scene, client, device, begun, cancelled: false, decisions: 0, figures }
    }

    /// Looks at all runs, and does what there is to do.
    pub(super) async fn look(&mut self, root: RunId) -> Result<Standing, EngineError> {
        let runs = self.client.runs(&RunFilter { limit: 10_000, ..RunFilter::default() }).await?;
        if runs.iter().all(|run| run.status.is_ended()) {
            return Ok(Standing::Ended);
        }
        let due = |after| self.begun.elapsed() >= after;
        if !self.cancelled && self.scene.cancel_after.is_some_and(due) {
            self.cancelled = true;
            self.cancel(root).await?;
        }
        for run in runs.iter().filter(|run| run.status == RunStatus::Attention) {
            if run.quarantined_at.is_some() {
                self.release(run.id).await?;
                continue;
            }
            self.resolve(run.id).await?;
        }
        Ok(Standing::Alive)
    }

    async fn cancel(&mut self, root: RunId) -> Result<(), EngineError> {
        match self.client.cancel(root, "somebody", Some("it takes too long")).await {
            Ok(_) => {
                self.figures.add("cancels", 1);
                Ok(())
            }
            // It ended meanwhile.
            Err(EngineError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Nodes died over it, but not for its sake.
    async fn release(&mut self, run: RunId) -> Result<(), EngineError> {
        self.figures.add("releases from quarantine", 1);
        match self.client.release_quarantine(run, "somebody", "it was not its fault").await {
            Ok(()) | Err(EngineError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn resolve(&mut self, run: RunId) -> Result<(), EngineError> {
        for path in self.client.view(run).await?.in_attention() {
            self.decisions += 1;
            let mut chance = Chance::of(self.scene.seed, ("verdict", &path, self.decisions));
            let verdict = match chance.below(3) {
                0 => Verdict::Done(json!("by hand")),
                1 => Verdict::Failed,
                _ => Verdict::Retry,
            };
            // The person takes the responsibility: whatever was done may be done once more.
            self.device.allow_again(run, &path);
            self.figures.add("decisions of a person", 1);
            match self.client.resolve(run, &path, verdict, "somebody", "looked at it").await {
                // Another message came first.
                Ok(_) | Err(EngineError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
