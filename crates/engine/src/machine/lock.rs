//! Locks and limits: what a run or a step asks for before it starts, and when it gives that up.
//!
//! What is asked for is evaluated once and recorded; who gets it when is the store's business,
//! which tells the run. All changes follow from events, so the store's table is what the journals
//! say: an append carries the events and the changes that follow from them.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    decide::{Pass, failed_for_good},
    event::{Event, ScopeRef, StepRef, TaskRef},
    state::{IllegalEvent, Phase, RunState, TimerKind, Todo},
    view::View,
};
use crate::{
    graph::{LocksPlan, Plan},
    model::{ErrorClass, HumanDuration, LockClaim, LockHolder, StepError, Timestamp, out_of_order},
};

type Passed = Result<(), IllegalEvent>;

/// What somebody holds for as long as a run below is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolding {
    /// Who.
    pub holder: LockHolder,
    /// What.
    pub claims: Vec<LockClaim>,
}

/// A request of the run or of a step of it.
#[derive(Clone, Debug)]
pub struct Queued {
    /// What is asked for.
    pub claims: Vec<LockClaim>,
    /// Since when.
    pub since: Timestamp,
    /// Its number among the run's requests: a grant of an earlier one may still be on its way.
    pub request: u32,
    /// Whether it is held.
    pub granted: bool,
    /// When waiting for it ends.
    deadline: Option<Timestamp>,
}

/// What the store is to do, with the append that carries the events that this follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockChange {
    /// Asks.
    Want {
        /// The step; none: the run itself.
        step: Option<StepRef>,
        /// The request's number.
        request: u32,
        /// The step's path.
        label: String,
        /// What for.
        claims: Vec<LockClaim>,
        /// Who around it holds something.
        within: Vec<LockHolder>,
    },
    /// Gives up what is held or waited for.
    Release {
        /// The step; none: the run itself.
        step: Option<StepRef>,
    },
    /// Gives up everything.
    ReleaseAll,
}

/// All requests of a run that are alive.
#[derive(Clone, Debug, Default)]
pub struct LockBook {
    /// The run's own.
    pub run: Option<Queued>,
    /// Its steps'.
    pub steps: BTreeMap<StepRef, Queued>,
    requests: u32,
    changes: Vec<LockChange>,
}

impl LockBook {
    fn get_mut(&mut self, step: Option<StepRef>) -> Option<&mut Queued> {
        match step {
            Some(step) => self.steps.get_mut(&step),
            None => self.run.as_mut(),
        }
    }
}

/// The timer of a request; the run's own stands where no step's can.
const fn timer(at: Timestamp, step: Option<StepRef>) -> (Timestamp, TaskRef, TimerKind) {
    match step {
        Some(step) => (at, TaskRef::main(step), TimerKind::Queue),
        None => (at, TaskRef::main(StepRef(0)), TimerKind::RunQueue),
    }
}

impl RunState {
    /// What a step has asked for, if it has and has not given it up.
    pub fn queued(&self, step: StepRef) -> Option<&Queued> {
        self.locks.as_ref()?.steps.get(&step)
    }

    /// What the run itself has asked for.
    pub fn run_queued(&self) -> Option<&Queued> {
        self.locks.as_ref()?.run.as_ref()
    }

    /// Whether the run holds what it asked for.
    pub(super) fn has_run_locks(&self) -> bool {
        self.run_queued().is_some_and(|queued| queued.granted)
    }

    /// Whether a step waits for locks, its own or the run's: it is looked at when they are granted.
    pub(super) fn is_before_locks(&self, step: StepRef) -> bool {
        let waits = |queued: Option<&Queued>| queued.is_some_and(|it| !it.granted);
        self.locks.is_some() && (waits(self.run_queued()) || waits(self.queued(step)))
    }

    /// Everything that the run and its steps hold or wait for; the run's own first.
    pub fn locks_held(&self) -> Vec<(Option<StepRef>, &Queued)> {
        let Some(book) = &self.locks else { return Vec::new() };
        let steps = book.steps.iter().map(|(step, queued)| (Some(*step), queued));
        book.run.iter().map(|queued| (None, queued)).chain(steps).collect()
    }

    /// Takes the changes that the events since the last call brought. After a fold they are none of
    /// anybody's business: they went in with the events.
    pub fn take_lock_changes(&mut self) -> Vec<LockChange> {
        self.locks.as_mut().map(|book| std::mem::take(&mut book.changes)).unwrap_or_default()
    }

    /// Who holds something that is not given up before a request of this step, or of a child run of
    /// it, is done with.
    pub(super) fn held_around(&self, step: Option<StepRef>) -> Vec<LockHolding> {
        let mut around = self.created.held.clone();
        let (Some(step), Some(book)) = (step, &self.locks) else { return around };
        let run = self.created.run;
        let mut add = |step: Option<StepRef>, queued: &Queued| {
            if queued.granted {
                let holder = LockHolder { run, step: step.map(|step| step.0) };
                around.push(LockHolding { holder, claims: queued.claims.clone() });
            }
        };
        if let Some(queued) = &book.run {
            add(None, queued);
        }
        let mut scopes = Vec::new();
        let mut owners = vec![step];
        let mut scope = Some(self.step(step).scope);
        while let Some(inside) = scope {
            scopes.push(inside);
            let owner = self.scope(inside).owner;
            owners.extend(owner);
            scope = owner.map(|owner| self.step(owner).scope);
        }
        for (holder, queued) in &book.steps {
            let state = self.step(*holder);
            // A final step keeps its lock for its cleanup, until its scope ends.
            let kept = state.main.phase.is_final() && scopes.contains(&state.scope);
            if kept || owners.contains(holder) {
                add(Some(*holder), queued);
            }
        }
        around
    }

    pub(super) fn locks_event(&mut self, plan: &Plan, event: &Event, at: Timestamp) -> Passed {
        if let Event::LocksWanted { step, claims } = event {
            return self.locks_wanted(plan, event, (*step, claims), at);
        }
        if let Event::LocksGranted { step } = event {
            return self.locks_granted(plan, event, *step);
        }
        if let Event::LocksRefused { error } = event {
            return self.locks_refused(event, error);
        }
        Ok(())
    }

    fn locks_wanted(
        &mut self,
        plan: &Plan,
        event: &Event,
        (step, claims): (Option<StepRef>, &[LockClaim]),
        at: Timestamp,
    ) -> Passed {
        let (asked, locks) = match step {
            Some(step) => {
                self.expect_main(event, step, |it| matches!(it, Phase::Pending | Phase::Cleared))?;
                (self.queued(step).is_some(), self.plan_of(plan, step).locks.as_deref())
            }
            None => (self.run_queued().is_some(), plan.locks.as_ref()),
        };
        if asked {
            return Err(self.illegal_for_run(event, "waiting for locks already"));
        }
        let deadline = locks.and_then(|locks| locks.queue_timeout).map(|wait| at.after(wait));
        let within = self.held_around(step).into_iter().map(|it| it.holder);
        let request = self.locks.as_ref().map_or(0, |book| book.requests);
        let change = LockChange::Want {
            step,
            request,
            label: step.map(|step| self.path(plan, step)).unwrap_or_default(),
            claims: claims.to_vec(),
            within: within.collect(),
        };
        if let Some(deadline) = deadline {
            self.timers.insert(timer(deadline, step));
        }
        let queued =
            Queued { claims: claims.to_vec(), since: at, request, granted: false, deadline };
        let book = self.locks.get_or_insert_default();
        book.requests += 1;
        match step {
            Some(step) => {
                book.steps.insert(step, queued);
            }
            None => book.run = Some(queued),
        }
        book.changes.push(change);
        Ok(())
    }

    fn locks_granted(&mut self, plan: &Plan, event: &Event, step: Option<StepRef>) -> Passed {
        let queued = self.locks.as_mut().and_then(|book| book.get_mut(step));
        let Some(queued) = queued.filter(|queued| !queued.granted) else {
            return Err(self.illegal_for_run(event, "not waiting for locks"));
        };
        queued.granted = true;
        if let Some(deadline) = queued.deadline.take() {
            self.timers.remove(&timer(deadline, step));
        }
        if let Some(step) = step {
            self.todo.extend([Todo::Ready(step), Todo::Restart(TaskRef::main(step))]);
            return Ok(());
        }
        self.look_at_run_window_again();
        for place in 0..plan.scope(Plan::ROOT).len {
            let step = StepRef(place);
            let state = self.step(step);
            if state.unmet == 0 && state.main.phase == Phase::Pending {
                self.todo.push_back(Todo::Ready(step));
            }
        }
        Ok(())
    }

    /// The run can't have its locks: it fails before its first step.
    fn locks_refused(&mut self, event: &Event, error: &Arc<StepError>) -> Passed {
        if self.has_run_locks() || self.scope(Self::ROOT).halted {
            return Err(self.illegal_for_run(event, "not waiting for locks"));
        }
        self.errors.push(super::RunError {
            path: "locks".to_owned(),
            attempt: 0,
            error: (**error).clone(),
        });
        let root = self.scope_mut(Self::ROOT);
        root.failed = true;
        root.halted = true;
        root.error = Some(Arc::clone(error));
        self.give_up_locks(None);
        self.check_drained(Self::ROOT);
        Ok(())
    }

    pub(super) fn give_up_locks(&mut self, step: Option<StepRef>) {
        let Some(book) = &mut self.locks else { return };
        let queued = match step {
            Some(step) => book.steps.remove(&step),
            None => book.run.take(),
        };
        let Some(queued) = queued else { return };
        book.changes.push(LockChange::Release { step });
        if let Some(deadline) = queued.deadline {
            self.timers.remove(&timer(deadline, step));
        }
    }

    /// A step is final: it gives up what it holds, unless its cleanup still needs a lock of it.
    /// Slots alone are given up: cleanups are not counted.
    pub(super) fn give_up_settled(&mut self, plan: &Plan, step: StepRef, was_active: bool) {
        let Some(queued) = self.queued(step) else { return };
        let locked = queued.claims.iter().any(|claim| claim.slot.is_none());
        if !(locked && was_active && self.plan_of(plan, step).cleanup.is_some()) {
            self.give_up_locks(Some(step));
        }
    }

    /// Nothing more starts in a scope: its steps wait no more.
    pub(super) fn stop_waiting(&mut self, scope: ScopeRef) {
        let cleared = |state: &Self, step: StepRef| state.step(step).main.phase == Phase::Cleared;
        for step in self
            .give_up_where(|state, step, queued| !queued.granted && state.step(step).scope == scope)
        {
            if cleared(self, step) {
                self.todo.push_back(Todo::Restart(TaskRef::main(step)));
            }
        }
    }

    /// A scope has ended, with all its obligations.
    pub(super) fn give_up_scope(&mut self, scope: ScopeRef) {
        let _ = self.give_up_where(|state, step, _| state.step(step).scope == scope);
    }

    /// Returns whose they were.
    fn give_up_where(&mut self, which: impl Fn(&Self, StepRef, &Queued) -> bool) -> Vec<StepRef> {
        let Some(book) = &self.locks else { return Vec::new() };
        let found = book.steps.iter().filter(|(step, queued)| which(self, **step, queued));
        let found: Vec<_> = found.map(|(step, _)| *step).collect();
        for step in &found {
            self.give_up_locks(Some(*step));
        }
        found
    }

    /// The run has ended.
    pub(super) fn give_up_all_locks(&mut self) {
        if let Some(book) = &mut self.locks
            && (book.run.is_some() || !book.steps.is_empty() || !book.changes.is_empty())
        {
            book.run = None;
            book.steps.clear();
            book.changes.push(LockChange::ReleaseAll);
        }
    }
}

impl Pass<'_, '_> {
    /// Asks for what the run needs before its first step.
    pub(super) fn want_run_locks(&mut self) -> Passed {
        let Some(locks) = &self.plan.locks else { return Ok(()) };
        if self.state.run_queued().is_some() || self.state.scope(RunState::ROOT).halted {
            return Ok(());
        }
        let view = View { plan: self.plan, state: self.state, scope: RunState::ROOT };
        match claims(locks, &view).and_then(|claims| self.in_order(None, claims)) {
            Ok(claims) => self.emit(Event::LocksWanted { step: None, claims }),
            Err(error) => self.emit(Event::LocksRefused { error: Arc::new(error) }),
        }
    }

    /// Whether the step holds what it needs to start; asks for it otherwise.
    pub(super) fn holds_locks(&mut self, step: StepRef) -> Result<bool, IllegalEvent> {
        let Some(locks) = self.state.plan_of(self.plan, step).locks.as_deref() else {
            return Ok(true);
        };
        if let Some(queued) = self.state.queued(step) {
            return Ok(queued.granted);
        }
        let task = TaskRef::main(step);
        match claims(locks, &self.view(task)).and_then(|it| self.in_order(Some(step), it)) {
            Ok(claims) => self.emit(Event::LocksWanted { step: Some(step), claims })?,
            Err(error) => self.emit(failed_for_good(task, error))?,
        }
        Ok(false)
    }

    fn in_order(
        &self,
        step: Option<StepRef>,
        claims: Vec<LockClaim>,
    ) -> Result<Vec<LockClaim>, StepError> {
        let around = self.state.held_around(step);
        let held = around.iter().flat_map(|holding| &holding.claims);
        match out_of_order(held, &claims) {
            None => Ok(claims),
            Some((wanted, held)) => Err(wrong_order(wanted, held)),
        }
    }

    /// The time for waiting is over.
    pub(super) fn waited_too_long(&mut self, step: Option<StepRef>) -> Passed {
        let queued = match step {
            Some(step) => self.state.queued(step),
            None => self.state.run_queued(),
        };
        let Some(queued) = queued.filter(|queued| !queued.granted) else { return Ok(()) };
        let waited = HumanDuration(self.env.now.since(queued.since));
        let names: Vec<_> = queued.claims.iter().map(ToString::to_string).collect();
        let error = StepError::new(
            "engine.queue_timeout",
            ErrorClass::Timeout,
            format!("waited {waited} for {} and did not get it", names.join(", ")),
        )
        .hint("`rackwright locks list` shows who has it and who else waits");
        match step {
            Some(step) => self.emit(failed_for_good(TaskRef::main(step), error)),
            None => self.emit(Event::LocksRefused { error: Arc::new(error) }),
        }
    }
}

fn wrong_order(wanted: &LockClaim, held: &LockClaim) -> StepError {
    StepError::permanent(
        "engine.lock_order",
        format!("{wanted} can't be taken while {held} is held: who takes things in different orders waits for each other for ever"),
    )
    .hint(
        "the order is: `concurrency` of workflows, then locks by name, then limits by name; take \
         both together (on the step around, or on the workflow), or the earlier one first",
    )
}

/// What a plan asks for with the data at hand.
fn claims(plan: &LocksPlan, view: &View<'_>) -> Result<Vec<LockClaim>, StepError> {
    plan.eval(view)
}
