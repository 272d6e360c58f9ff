//! Moving a run in memory to another version of its workflow.

use std::sync::Arc;

use super::{
    active::ActiveRun,
    plans::{Deployed, PlanUnavailable},
    shard::Shard,
    shared::Shared,
};
use crate::{
    machine::{Event, IllegalEvent, Input, Order, Side, movable},
    model::{RunId, Version},
    store::InboxRow,
};

/// The key of the mail that moves a run begins so.
pub(crate) const MOVE_MAIL: &str = "migrate ";

impl Shared {
    /// Gets the plans that some mail asks for: a shard does not wait for the store. One that can't
    /// be had is missed when the mail is read.
    pub(super) async fn plans_for(&self, mail: &[InboxRow]) {
        for row in mail.iter().filter(|row| row.dedup.starts_with(MOVE_MAIL)) {
            if let Ok(Input::Migrate { version, .. }) = serde_json::from_slice(&row.body)
                && let Err(error) = self.plans.get(version, &*self.store, &self.registry).await
            {
                tracing::warn!(run = %row.run, %version, %error, "the plan of a move is missing");
            }
        }
    }

    /// The plans that a run lived by, in order, up to its present one.
    pub(super) async fn plans_of(
        &self,
        versions: &[Version],
    ) -> Result<Vec<Arc<Deployed>>, PlanUnavailable> {
        let mut plans = Vec::with_capacity(versions.len());
        let last = versions.len().saturating_sub(1);
        for (number, version) in versions.iter().enumerate() {
            let plan = if number == last {
                self.plans.get(*version, &*self.store, &self.registry).await?
            } else {
                self.plans.for_reading(*version, &*self.store).await?
            };
            plans.push(plan);
        }
        Ok(plans)
    }
}

impl Shard {
    /// Moves a run, or records why it can't be moved. What has become possible is not decided yet.
    pub(super) fn migrate(&mut self, id: RunId, version: Version, order: Order) {
        let deployed = self.shared.plans.cached(version);
        let Some(run) = self.runs.get_mut(&id) else { return };
        let may = match &deployed {
            Some(deployed) => run.may_move_to(deployed),
            None => Err(format!("this node has no plan of version {version}: its log says why")),
        };
        let moved = match (deployed, may) {
            (Some(deployed), Ok(())) => run.move_to(deployed, order),
            (_, why) => {
                let (action, by) = ("migrate".to_owned(), order.by);
                let why = why.err().unwrap_or_default();
                run.turn.events.push(Event::ControlRefused { action, by, why });
                Ok(())
            }
        };
        if let Err(error) = moved {
            tracing::error!(run = %id, %error, "the run can't go on: it could not be moved");
            self.lose(id);
        }
    }
}

impl ActiveRun {
    fn side(deployed: &Deployed) -> Side<'_> {
        Side { workflow: &deployed.workflow, plan: &deployed.plan }
    }

    fn may_move_to(&self, to: &Deployed) -> Result<(), String> {
        let moved = movable(&self.state, Self::side(&self.deployed), Self::side(to));
        moved.map(drop).map_err(|obstacles| {
            let texts: Vec<_> = obstacles.iter().map(ToString::to_string).collect();
            texts.join("; ")
        })
    }

    fn move_to(&mut self, to: Arc<Deployed>, order: Order) -> Result<(), IllegalEvent> {
        let event = Event::Migrated { version: to.plan.version, order };
        self.state.apply_move(&self.deployed.plan, &to.plan, &event)?;
        self.turn.events.push(event);
        self.moved_to = Some(to.plan.version);
        self.deployed = to;
        Ok(())
    }
}
