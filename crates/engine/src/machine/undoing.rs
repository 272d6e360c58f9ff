//! What becomes of what a halted roll-out has done: the undos of its items and gates floated to the
//! scope around it. They are performed there before it fails, or dropped.

use super::{
    decide::Pass,
    event::{Event, Role, StepRef, TaskRef},
    owed::NextOwed,
    rollout::Stage,
    state::{IllegalEvent, Inner, RunState},
};
use crate::{
    graph::{KindPlan, Plan},
    model::OnHalt,
};

type Applied = Result<(), IllegalEvent>;

impl RunState {
    /// A roll-out goes no further and nothing of it runs. Whether it has ended: what it has done
    /// may have to be taken back first.
    pub(super) fn halted_idle(&mut self, plan: &Plan, step: StepRef) -> bool {
        let undo = match &self.plan_of(plan, step).kind {
            KindPlan::Rollout(rollout) => rollout.on_halt == OnHalt::Undo,
            KindPlan::Task(_)
            | KindPlan::Child(_)
            | KindPlan::Parallel(_)
            | KindPlan::Map(_)
            | KindPlan::Decision(_)
            | KindPlan::Set(_)
            | KindPlan::Repeat(_)
            | KindPlan::Wait(_)
            | KindPlan::Signal(_)
            | KindPlan::Approval(_)
            | KindPlan::Group(_) => false,
        };
        let Inner::Map(map) = &mut self.step_mut(step).inner else { return true };
        match map.rollout.as_deref_mut() {
            Some(rollout) if rollout.halt.is_some() && undo => {
                rollout.stage = Stage::Undoing;
                false
            }
            Some(rollout) if rollout.halt.is_some() => {
                self.drop_undos(step);
                true
            }
            // Stopped from outside: what is around it takes everything back.
            Some(_) | None => true,
        }
    }

    fn drop_undos(&mut self, step: StepRef) {
        let scope = self.step(step).scope;
        let mut owed = std::mem::take(&mut self.scope_mut(scope).owed);
        owed.retain(|it| it.task.role != Role::Undo || !self.is_inside(it.task.step, step));
        self.scope_mut(scope).owed = owed;
    }

    /// Whether a step stands in a scope that the other one opened, however deep.
    fn is_inside(&self, step: StepRef, container: StepRef) -> bool {
        let owner = |step: &StepRef| self.scope(self.step(*step).scope).owner;
        std::iter::successors(owner(&step), owner).any(|around| around == container)
    }

    /// The next undo of a roll-out that takes back what it has done.
    fn next_undo(&self, step: StepRef) -> NextOwed {
        let owed = self.scope(self.step(step).scope).owed.iter().rev();
        let own = |task: &TaskRef| task.role == Role::Undo && self.is_inside(task.step, step);
        match owed.map(|it| it.task).find(own) {
            None => NextOwed::Met,
            Some(task) if self.execution(task).is_none() => NextOwed::Start(task),
            Some(_) => NextOwed::UnderWay,
        }
    }

    fn is_undoing(&self, step: StepRef) -> bool {
        match &self.step(step).inner {
            Inner::Map(map) => map.rollout.as_ref().is_some_and(|it| it.stage == Stage::Undoing),
            Inner::None
            | Inner::Child(_)
            | Inner::Scopes { .. }
            | Inner::Repeat(_)
            | Inner::Wait(_)
            | Inner::Signal
            | Inner::Approval(_) => false,
        }
    }

    pub(super) fn rollout_undone(&mut self, plan: &Plan, event: &Event, step: StepRef) -> Applied {
        let done = self.is_undoing(step) && matches!(self.next_undo(step), NextOwed::Met);
        if !done || self.step(step).main.phase.is_final() {
            return Err(self.illegal(event, TaskRef::main(step)));
        }
        self.close_container(plan, step);
        Ok(())
    }
}

impl Pass<'_, '_> {
    /// Performs the next undo of a halted roll-out, or ends it.
    pub(super) fn take_back(&mut self, step: StepRef) -> Applied {
        if !self.state.is_undoing(step) {
            return Ok(());
        }
        match self.state.next_undo(step) {
            NextOwed::UnderWay => Ok(()),
            NextOwed::Start(task) => self.start_attempt(task, 1),
            NextOwed::Met => self.emit(Event::RolloutUndone { step }),
        }
    }
}
