//! The trials: one disturbance each, and what has to hold after it.

use serde_json::Value;

use super::{
    Report, Rig, Seen,
    probe::{Disturbance, End, Probe},
};
use crate::step::{Effect, Observation};

/// At so many calls at most an executor is disturbed: one that polls for hours makes very many.
const POINTS: u32 = 100;

/// How often what an observation saw under way is carried on.
const ROUNDS: u32 = 3;

pub(super) struct Trials<M> {
    pub(super) make: M,
    pub(super) report: Report,
}

/// How the device was and came to be without any disturbance.
struct Calm {
    before: Seen,
    after: Seen,
}

impl<F: Future<Output = Rig>, M: Fn() -> F> Trials<M> {
    pub(super) async fn all(&mut self) {
        let Some((calm, effect)) = self.calm().await else { return };
        let calls = self.report.calls;
        let step = calls.div_ceil(POINTS).max(1) as usize;
        for call in (1..=calls + 1).step_by(step) {
            self.zombie(call, &calm).await;
        }
        for call in (1..=calls).step_by(step) {
            self.crash(Disturbance::CrashBefore(call), effect, &calm).await;
            self.crash(Disturbance::CrashAfter(call), effect, &calm).await;
        }
        self.crash(Disturbance::None, effect, &calm).await;
        for call in (0..=calls).step_by(step) {
            self.stop(call).await;
        }
    }

    fn violation(&mut self, disturbance: Disturbance, what: &str) {
        let at = match disturbance {
            Disturbance::None => "undisturbed".to_owned(),
            Disturbance::CrashBefore(call) => format!("crash before call {call}"),
            Disturbance::CrashAfter(call) => format!("crash after call {call}"),
            Disturbance::Zombie(nth) => format!("fence lost after call {}", nth - 1),
            Disturbance::Stop(call) => format!("told to stop before call {call}"),
        };
        self.report.violations.push(format!("{at}: {what}"));
    }

    /// Without any disturbance it has to succeed.
    async fn calm(&mut self) -> Option<(Calm, Effect)> {
        let rig = (self.make)().await;
        let effect = rig.executor.describe().effect;
        let before = (rig.look)().await;
        let probe = Probe::new(&rig, Disturbance::None);
        let end = probe.run(&rig, None).await;
        let after = (rig.look)().await;
        self.report.calls = probe.calls();
        if !matches!(end, End::Done) {
            self.violation(Disturbance::None, &format!("it does not succeed: {end}"));
            return None;
        }
        if effect == Effect::Read && after.changes > before.changes {
            self.violation(Disturbance::None, "it changes the device, and is declared as `Read`");
        }
        Some((Calm { before, after }, effect))
    }

    /// A node without the right to act changes nothing.
    async fn zombie(&mut self, nth: u32, calm: &Calm) {
        let disturbance = Disturbance::Zombie(nth);
        self.report.trials += 1;
        let rig = (self.make)().await;
        let allowed = self.changes_until(nth, calm).await;
        let end = Probe::new(&rig, disturbance).run(&rig, None).await;
        let changes = (rig.look)().await.changes;
        if changes > allowed {
            let more = changes - allowed;
            self.violation(disturbance, &format!("{more} change(s) without the right to"));
        }
        if let End::Panicked | End::Late = end {
            self.violation(disturbance, &format!("it ends badly: {end}"));
        }
    }

    /// How often the device may have been changed when the call begins: what a twin that dies there
    /// has done. What follows a check of the fence belongs to it; what follows any other call does
    /// not.
    async fn changes_until(&self, nth: u32, calm: &Calm) -> u64 {
        let twin = (self.make)().await;
        let probe = Probe::new(&twin, Disturbance::CrashBefore(nth));
        probe.run(&twin, None).await;
        if probe.may_change() {
            return (twin.look)().await.changes;
        }
        if nth == 1 {
            return calm.before.changes;
        }
        let twin = (self.make)().await;
        Probe::new(&twin, Disturbance::CrashAfter(nth - 1)).run(&twin, None).await;
        (twin.look)().await.changes
    }

    /// It dies, or its end is not recorded; then the engine recovers it.
    async fn crash(&mut self, disturbance: Disturbance, effect: Effect, calm: &Calm) {
        self.report.trials += 1;
        let rig = (self.make)().await;
        let probe = Probe::new(&rig, disturbance);
        let end = probe.run(&rig, None).await;
        if let End::Panicked | End::Late = end {
            return self.violation(disturbance, &format!("it ends badly: {end}"));
        }
        let saved = probe.saved();
        match effect {
            Effect::Read | Effect::Idempotent => {
                self.perform(disturbance, &rig, saved, calm).await;
            }
            Effect::Verify => self.verify(disturbance, &rig, saved, calm).await,
        }
    }

    /// Performs it again: the device comes to the same state.
    async fn perform(
        &mut self,
        disturbance: Disturbance,
        rig: &Rig,
        saved: Option<Value>,
        calm: &Calm,
    ) {
        let end = Probe::new(rig, Disturbance::None).run(rig, saved).await;
        if !matches!(end, End::Done) {
            return self.violation(disturbance, &format!("performed again it fails: {end}"));
        }
        let seen = (rig.look)().await;
        if seen.state != calm.after.state {
            let is = format!(
                "performed again the device is {}, undisturbed {}",
                seen.state, calm.after.state
            );
            self.violation(disturbance, &is);
        }
    }

    /// Observes it, and goes on as the observation says.
    async fn verify(
        &mut self,
        disturbance: Disturbance,
        rig: &Rig,
        mut saved: Option<Value>,
        calm: &Calm,
    ) {
        for _ in 0..ROUNDS {
            let before = (rig.look)().await;
            let observed = Probe::new(rig, Disturbance::None).observe(rig, saved.clone()).await;
            let after = (rig.look)().await;
            if after.changes > before.changes {
                self.violation(disturbance, "its observation changes the device");
            }
            match observed {
                Err(error) => {
                    return self.violation(disturbance, &format!("it can't be observed: {error}"));
                }
                Ok(Observation::Unknown(_)) => {
                    self.report.unknown += 1;
                    return;
                }
                Ok(Observation::Done(_)) => {
                    if after.state != calm.after.state {
                        let is = format!("observed as done, and the device is {}", after.state);
                        self.violation(disturbance, &is);
                    }
                    return;
                }
                Ok(Observation::NotDone) if after.done > calm.before.done => {
                    return self.violation(disturbance, "observed as not done, and it was done");
                }
                Ok(Observation::NotDone) => {}
                Ok(Observation::InProgress(progress)) => saved = Some(progress),
            }
            self.perform(disturbance, rig, saved.clone(), calm).await;
            if (rig.look)().await.done > calm.after.done {
                return self.violation(disturbance, "it was done twice");
            }
        }
    }

    /// Told to stop, it ends soon; one that must not be interrupted is not told.
    async fn stop(&mut self, call: u32) {
        let disturbance = Disturbance::Stop(call);
        let rig = (self.make)().await;
        if rig.executor.describe().uninterruptible {
            return;
        }
        self.report.trials += 1;
        let end = Probe::new(&rig, disturbance).run(&rig, None).await;
        if let End::Panicked | End::Late = end {
            self.violation(disturbance, &format!("it does not stop: {end}"));
        }
    }
}
