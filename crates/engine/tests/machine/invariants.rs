//! What must hold whatever happens.

use std::collections::{HashMap, HashSet};

use rackwright_engine::{
    graph::{KindPlan, Plan},
    machine::{Event, Inner, Phase, Role, RunState, StepRef, TaskRef},
    model::{CleanupPolicy, OnError, Timestamp},
};

#[derive(Default)]
pub(crate) struct Invariants {
    completed: HashSet<TaskRef>,
    starts: HashMap<TaskRef, u32>,
    started_cleanups: Vec<StepRef>,
}

impl Invariants {
    /// Replays a turn on the state before it and looks at each event.
    pub(crate) fn check_turn(
        &mut self,
        plan: &Plan,
        mut state: RunState,
        events: &[Event],
        now: Timestamp,
    ) {
        for event in events {
            match event {
                Event::Started { task, attempt } => self.check_start(plan, &state, *task, *attempt),
                Event::Completed { task, .. } => {
                    assert!(self.completed.insert(*task), "{task:?} completed twice");
                }
                Event::Opened { step, .. } | Event::ChildStarted { step, .. } => {
                    assert_needs_met(plan, &state, *step);
                    assert_may_start(&state, *step);
                }
                Event::ItemsStarted { step, upto } => assert_bounded(plan, &state, *step, *upto),
                Event::Created(_)
                | Event::Claimed { .. }
                | Event::Failed { .. }
                | Event::Interrupted { .. }
                | Event::ObserveStarted { .. }
                | Event::Observed { .. }
                | Event::ObserveFailed { .. }
                | Event::Resolved { .. }
                | Event::Saved { .. }
                | Event::Reported { .. }
                | Event::Skipped { .. }
                | Event::Closed { .. }
                | Event::ChildEnded { .. }
                | Event::TimedOut { .. }
                | Event::CancelRequested(_)
                | Event::Ended { .. } => {}
            }
            state.apply(plan, event, now).expect("a turn applies to the state that it came from");
        }
    }

    fn check_start(&mut self, plan: &Plan, state: &RunState, task: TaskRef, attempt: u32) {
        assert!(!self.completed.contains(&task), "{task:?} is recorded and starts again");
        let before = self.starts.insert(task, attempt).unwrap_or(0);
        assert!(attempt == before || attempt == before + 1, "attempt {attempt} after {before}");
        let phase = state.execution(task).map(|it| it.phase.clone());
        if task.role == Role::Cleanup {
            if attempt == 1 && phase.is_none() {
                self.started_cleanups.push(task.step);
                assert_cleanup_in_time(state, task.step);
            }
            return;
        }
        assert_needs_met(plan, state, task.step);
        if attempt > before && phase == Some(Phase::Pending) {
            assert_may_start(state, task.step);
        }
        if let KindPlan::Task(call) = &state.plan_of(plan, task.step).kind
            && call.uses == "x.verify"
            && attempt == before
        {
            // The same attempt again: only because an observation cleared it.
            assert_eq!(phase, Some(Phase::Cleared), "a Verify step repeats unobserved");
        }
    }

    pub(crate) fn check_end(&self, plan: &Plan, state: &RunState) {
        assert!(state.status.is_ended());
        assert_eq!((state.in_flight, state.attention, state.children), (0, 0, 0));
        assert_eq!(state.next_timer(), None);
        for (number, step) in (0..).zip(&state.steps) {
            let step_ref = StepRef(number);
            assert!(step.main.phase.is_final(), "step {number} is {:?}", step.main.phase);
            let Some(cleanup) = &state.plan_of(plan, step_ref).cleanup else { continue };
            let begun = state.scope(step.scope).cleanups.contains(&step_ref);
            let performed =
                state.execution(TaskRef::cleanup(step_ref)).is_some_and(|it| it.phase.is_final());
            let (succeeded, scope_failed) =
                (step.main.phase == Phase::Completed, state.scope(step.scope).failed);
            match cleanup.policy {
                CleanupPolicy::Always => assert_eq!(begun, performed, "owed: step {number}"),
                CleanupPolicy::Never => assert!(!performed),
                CleanupPolicy::OnSuccess => assert!(!performed || (succeeded && !scope_failed)),
                CleanupPolicy::OnFailure => {
                    assert!(
                        !performed
                            || !succeeded
                            || scope_failed
                            || state.cancel.is_some()
                            || state.scope(step.scope).cancelled
                    );
                    assert!(performed || !begun || succeeded, "owed after a failure: {number}");
                }
            }
        }
        self.check_order(state);
        check_races(plan, state);
    }

    /// Within a scope the obligations were met in reverse order of the starts.
    fn check_order(&self, state: &RunState) {
        for scope in &state.scopes {
            let met: Vec<_> =
                self.started_cleanups.iter().filter(|step| scope.cleanups.contains(step)).collect();
            let owed: Vec<_> =
                scope.cleanups.iter().rev().filter(|step| met.contains(step)).collect();
            assert_eq!(met, owed);
        }
    }
}

/// A `parallel` completed exactly if enough of its branches did.
fn check_races(plan: &Plan, state: &RunState) {
    for (number, step) in (0..).zip(&state.steps) {
        let (KindPlan::Parallel(parallel), Inner::Scopes { scopes, .. }) =
            (&state.plan_of(plan, StepRef(number)).kind, &step.inner)
        else {
            continue;
        };
        let completed = scopes.iter().map(|scope| state.scope(*scope)).filter(|scope| {
            assert!(scope.closed, "a parallel ends before its branches");
            !scope.failed && !scope.cancelled
        });
        let enough = parallel.enough.map_or(scopes.len(), |enough| enough as usize);
        let won = completed.count() >= enough;
        assert_eq!(step.main.phase == Phase::Completed, won, "step {number}");
    }
}

fn assert_needs_met(plan: &Plan, state: &RunState, step: StepRef) {
    let me = state.step(step);
    let scope = state.scope(me.scope);
    for place in 0..plan.scope(scope.plan).len {
        let before = plan.step(scope.plan, place);
        if before.needed_by.contains(&me.place) {
            let phase = &state.step(StepRef(scope.first.0 + place)).main.phase;
            let met = matches!(phase, Phase::Completed | Phase::Skipped(_))
                || (*phase == Phase::Failed && before.on_error == OnError::Continue);
            assert!(met, "starts although `{}` is {phase:?}", before.id);
        }
    }
}

fn assert_may_start(state: &RunState, step: StepRef) {
    let mut scope = state.step(step).scope;
    loop {
        let inside = state.scope(scope);
        assert!(!inside.stopped, "starts in a scope that was stopped");
        assert!(!inside.closed, "starts in a scope that has ended");
        let Some(owner) = inside.owner else { return };
        scope = state.step(owner).scope;
    }
}

/// A cleanup starts when nothing else runs in its scope.
fn assert_cleanup_in_time(state: &RunState, step: StepRef) {
    let scope = state.scope(state.step(step).scope);
    assert_eq!(scope.active, 0, "a cleanup starts while its scope works");
    assert!(state.step(step).main.phase.is_final(), "a cleanup starts before its step has ended");
}

fn assert_bounded(plan: &Plan, state: &RunState, step: StepRef, upto: u32) {
    let (KindPlan::Map(map), Inner::Map(items)) =
        (&state.plan_of(plan, step).kind, &state.step(step).inner)
    else {
        panic!("items of a step that is no map");
    };
    let more = upto - u32::try_from(items.scopes.len()).unwrap();
    assert!(items.open + more <= map.max_concurrency, "more items at once than allowed");
    assert!(!items.halted, "an item starts in a map that was halted");
}
