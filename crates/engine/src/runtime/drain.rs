//! Emptying a node: it takes nothing more, and hands each run over when it comes to rest.
//!
//! What runs is finished; what would follow is left to the run's next owner, like at the end of a
//! node. Unlike then, nothing is told to stop, so that it may take as long as the longest attempt.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, atomic::Ordering},
};

use super::{active::ActiveRun, message::Message, shard::Shard, shared::Shared};
use crate::{
    machine::Input,
    model::RunId,
    store::{StoreError, has_labels},
};

impl Shared {
    /// Who wants the node empty, if anybody does.
    pub(crate) fn draining(&self) -> Option<String> {
        self.draining.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of what the store says.
    pub(crate) fn set_draining(&self, by: Option<&str>) {
        let before = {
            let mut draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *draining, by.map(str::to_owned))
        };
        match (before, by) {
            (None, Some(by)) => {
                tracing::info!(by, "this node is drained: it takes nothing more");
                self.tell_all(|| Message::HandOver(true));
            }
            (Some(_), None) => {
                tracing::info!("this node is not drained any more");
                self.tell_all(|| Message::HandOver(false));
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    /// Whether nothing is left to hand over.
    pub(crate) fn is_drained(&self) -> bool {
        let claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        self.draining().is_some() && claimed && self.active.load(Ordering::Relaxed) == 0
    }

    /// Whether a run that asks for this may be carried on here.
    pub(super) fn takes(&self, requires: &BTreeMap<String, String>) -> bool {
        self.draining().is_none() && has_labels(&self.config.labels, requires)
    }

    /// What the store says about this node lasts: a new life of it goes on with that.
    pub(super) async fn stay_draining(&self) -> Result<(), StoreError> {
        match self.draining() {
            Some(by) => self.store.fleet().set_draining(self.node(), Some(&by)).await.map(drop),
            None => Ok(()),
        }
    }
}

impl Shard {
    /// Begins to hand runs over, or goes on with those that are still here.
    pub(super) fn hand_over(&mut self, begin: bool) {
        self.handing_over = begin;
        let mut runs: Vec<_> = self.runs.keys().copied().collect();
        // In an order that a seed decides.
        runs.sort_unstable();
        for run in runs {
            if begin {
                self.mark(run);
            } else {
                self.feed(run, Input::Tick);
            }
        }
    }

    /// Whether what follows from an input is left to the next owner. Orders and a time that is
    /// over are acted on here: else an attempt would go on that should stop.
    pub(super) fn leaves(&self, run: RunId, input: &Input) -> bool {
        if !self.handing_over || matches!(input, Input::Cancel(_) | Input::Control(_)) {
            return self.draining;
        }
        let now = self.shared.clock.now();
        let over = |run: &ActiveRun| run.state.next_deadline().is_some_and(|at| at <= now);
        !self.runs.get(&run).is_some_and(|run| over(run))
    }
}
