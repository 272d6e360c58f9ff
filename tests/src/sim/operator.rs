//! The people of the simulation: they decide what waits for them, send what is waited for, and give
//! orders in between, to runs that are in any state.

use rackwright_engine::{
    Client, EngineError, RunId, RunStatus,
    api::RunView,
    machine::{ApprovalAnswer, StepRef, Verdict},
    store::{RunFilter, RunRecord},
    testing::Device,
};
use serde_json::json;
use tokio::time::Instant;

use super::{
    chance::Chance,
    figures::Figures,
    scene::{Deed, Scene},
};

/// Who they say that they are.
const ME: &str = "somebody";

/// The people.
pub(super) struct Operator<'a> {
    scene: &'a Scene,
    client: Client,
    device: &'a Device,
    begun: Instant,
    /// How many of the scene's deeds are done.
    done: usize,
    looks: u64,
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

type Done = Result<(), EngineError>;

impl<'a> Operator<'a> {
    pub(super) fn new(scene: &'a Scene, client: Client, device: &'a Device) -> Self {
        let (begun, figures) = (Instant::now(), Figures::default());
        Self { scene, client, device, begun, done: 0, looks: 0, decisions: 0, figures }
    }

    /// Looks at all runs, and does what there is to do.
    pub(super) async fn look(&mut self, root: RunId) -> Result<Standing, EngineError> {
        let runs = self.client.runs(&RunFilter { limit: 10_000, ..RunFilter::default() }).await?;
        if runs.iter().all(|run| run.status.is_ended()) {
            return Ok(Standing::Ended);
        }
        self.looks += 1;
        while let Some((after, deed)) = self.scene.deeds.get(self.done).copied() {
            if self.begun.elapsed() < after {
                break;
            }
            self.done += 1;
            self.do_it(deed, root, &runs).await?;
        }
        // Nobody looks at all runs all the time.
        let closely = self.looks.is_multiple_of(3);
        for run in runs.iter().filter(|run| !run.status.is_ended()) {
            match run.status {
                RunStatus::Attention if run.quarantined_at.is_some() => {
                    // Nodes died over it, but not for its sake.
                    let why = "it was not its fault";
                    let told = self.client.release_quarantine(run.id, ME, why).await;
                    self.note("releases from quarantine", told)?;
                }
                RunStatus::Attention => self.resolve(run.id).await?,
                RunStatus::Paused => self.resume(run.id).await?,
                RunStatus::Pending | RunStatus::Running | RunStatus::Waiting if closely => {
                    self.answer(run.id).await?;
                }
                RunStatus::Pending
                | RunStatus::Running
                | RunStatus::Waiting
                | RunStatus::Completed
                | RunStatus::Failed
                | RunStatus::Cancelled => {}
            }
        }
        Ok(Standing::Alive)
    }

    fn chance(&mut self, purpose: &str) -> Chance {
        self.decisions += 1;
        Chance::of(self.scene.seed, (purpose, self.decisions))
    }

    /// Notes what was done, if it was: it may have come too late, or make no sense.
    fn note<T>(&mut self, what: &str, told: Result<T, EngineError>) -> Done {
        match told {
            Ok(_) => {
                self.figures.add(what, 1);
                Ok(())
            }
            Err(EngineError::Refused(_)) => {
                self.figures.add("refused orders", 1);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn do_it(&mut self, deed: Deed, root: RunId, runs: &[RunRecord]) -> Done {
        let mut chance = self.chance("deed");
        let any = runs.get(usize::try_from(chance.below(runs.len() as u64)).unwrap_or(0));
        let some = any.filter(|_| chance.percent(30)).map_or(root, |run| run.id);
        let why = Some("so");
        match deed {
            Deed::Cancel => {
                let told = self.client.cancel(root, ME, Some("it takes too long")).await;
                self.note("cancels", told)
            }
            Deed::Pause => {
                let told = self.client.pause(some, ME, why).await;
                self.note("pauses", told)
            }
            Deed::Stop => {
                let told = self.client.emergency_stop(some, ME, why).await;
                self.note("emergency stops", told)
            }
            Deed::Skip | Deed::MarkDone => self.by_hand(some, deed, &mut chance).await,
            Deed::LetIn => {
                let told = self.client.override_window(some, None, ME, "it is urgent").await;
                self.note("overrides of windows", told)
            }
            Deed::Signal => {
                let name = if chance.percent(50) { "red" } else { "green" };
                self.signal(some, name, chance.below(3)).await
            }
        }
    }

    /// Takes any step out of the run's hands; often it is not to be had.
    async fn by_hand(&mut self, run: RunId, deed: Deed, chance: &mut Chance) -> Done {
        let view = self.client.view(run).await?;
        let steps = view.state().steps.len() as u64;
        let step = StepRef(u32::try_from(chance.below(steps)).unwrap_or(0));
        let path = view.state().path(view.plan(), step);
        // They look after the target themselves.
        if deed == Deed::Skip {
            let told = self.client.skip(run, &path, ME, "not needed").await;
            self.note("skips by a person", told)
        } else {
            let told = self.client.mark_done(run, &path, json!("by hand"), ME, "did it").await;
            self.note("steps done by a person", told)
        }
    }

    async fn resolve(&mut self, run: RunId) -> Done {
        let view = self.client.view(run).await?;
        if view.state().waits_for_release() && self.chance("release").percent(20) {
            let told = self.client.release(run, ME, Some("all is well")).await;
            self.note("releases", told)?;
        }
        for path in view.in_attention() {
            let mut chance = self.chance("verdict");
            let verdict = match chance.below(3) {
                0 => Verdict::Done(json!("by hand")),
                1 => Verdict::Failed,
                _ => Verdict::Retry,
            };
            // The person takes the responsibility: whatever was done may be done once more.
            self.device.allow_again(run, &path);
            let told = self.client.resolve(run, &path, verdict, ME, "looked at it").await;
            self.note("decisions of a person", told)?;
        }
        Ok(())
    }

    async fn resume(&mut self, run: RunId) -> Done {
        if !self.chance("resume").percent(15) {
            return Ok(());
        }
        let told = self.client.resume(run, ME, Some("go on")).await;
        self.note("resumes", told)
    }

    /// Sends what a run waits for, and answers what it asks: sooner or later, sometimes twice.
    async fn answer(&mut self, run: RunId) -> Done {
        let view = self.client.view(run).await?;
        let awaited: Vec<_> = view.state().awaited_signals().map(str::to_owned).collect();
        for name in awaited {
            let mut chance = self.chance("signal");
            if chance.percent(30) {
                self.signal(run, &name, chance.below(3)).await?;
            }
        }
        self.approve(run, &view).await
    }

    /// Sends a signal: 0 once without an id, 1 once, 2 twice under the same id.
    async fn signal(&mut self, run: RunId, name: &str, how: u64) -> Done {
        let id = format!("signal {}", self.decisions);
        for _ in 0..how.max(1) {
            let id = (how > 0).then_some(id.as_str());
            let told = self.client.signal_once(run, name, json!({ "how": how }), ME, id).await;
            self.note("signals", told)?;
        }
        Ok(())
    }

    async fn approve(&mut self, run: RunId, view: &RunView) -> Done {
        for (path, ask) in view.questions() {
            let mut chance = self.chance("approval");
            if !chance.percent(30) {
                continue;
            }
            // The generator names nobody but `me`.
            let answer = |approved| ApprovalAnswer {
                approved,
                by: if ask.approvers.is_empty() { ME.to_owned() } else { "me".to_owned() },
                reason: None,
                shown: Some(ask.hash.clone()),
            };
            let approved = chance.percent(70);
            let told = self.client.approve(run, &path, answer(approved)).await;
            self.note("answers", told)?;
            if chance.percent(30) {
                // Somebody else has another opinion, too late.
                let told = self.client.approve(run, &path, answer(!approved)).await;
                self.note("second answers", told)?;
            }
        }
        Ok(())
    }
}
