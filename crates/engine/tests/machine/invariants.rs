//! What must hold whatever happens.

use std::collections::{HashMap, HashSet};

use rackwright_engine::{
    RunStatus,
    graph::{KindPlan, Plan},
    machine::{
        ApprovalEvent, Event, Inner, Phase, Queued, RepeatEvent, Role, RunState, ScopeRef,
        SignalEvent, SkipReason, Stage, StepRef, TaskRef, WindowEvent,
    },
    model::{CleanupPolicy, OnError, OnHalt, Timestamp},
};

#[derive(Default)]
pub(crate) struct Invariants {
    completed: HashSet<TaskRef>,
    starts: HashMap<TaskRef, u32>,
    /// The run had its locks.
    begun: bool,
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
            assert!(!(state.is_held() && starts(event)), "starts while paused: {event:?}");
            self.check(plan, &state, event, now);
            state.apply(plan, event, now).expect("a turn applies to the state that it came from");
        }
    }

    fn check(&mut self, plan: &Plan, state: &RunState, event: &Event, now: Timestamp) {
        match event {
            Event::Started { task, attempt } => {
                assert_free(state, *task);
                self.check_start(plan, state, *task, *attempt);
            }
            Event::ObserveStarted { task } => assert_free(state, *task),
            Event::Completed { task, .. } => {
                assert!(self.completed.insert(*task), "{task:?} completed twice");
            }
            Event::Opened { step, .. }
            | Event::ChildStarted { step, .. }
            | Event::Signal { step: Some(step), what: SignalEvent::Awaited }
            | Event::Approval { step, what: ApprovalEvent::Asked(_) }
            | Event::WaitStarted { step, .. } => {
                assert_needs_met(plan, state, *step);
                assert_may_start(plan, state, *step);
                assert_in_window(plan, state, *step);
            }
            Event::Repeat { step, what: RepeatEvent::Started { .. } } => {
                assert_next_iteration(plan, state, *step, now);
            }
            Event::Reused { step } => {
                assert_needs_met(plan, state, *step);
                assert!(self.completed.insert(TaskRef::main(*step)), "{step:?} ends twice");
            }
            Event::LocksGranted { step: None } => self.begun = true,
            // Whoever waits for a window anew gives up what it holds.
            Event::Window { step: None, what: WindowEvent::Awaited(_) } => self.begun = false,
            Event::ItemsStarted { step, upto } => assert_bounded(plan, state, *step, *upto),
            Event::WaveSoaking { step, .. }
            | Event::GateOpened { step, .. }
            | Event::WavePassed { step, .. } => assert_wave_ended(state, *step),
            Event::Created(_)
            | Event::Claimed { .. }
            | Event::Failed { .. }
            | Event::Interrupted { .. }
            | Event::Observed { .. }
            | Event::ObserveFailed { .. }
            | Event::Resolved { .. }
            | Event::Saved { .. }
            | Event::Held { .. }
            | Event::Released { .. }
            | Event::RevokeStarted { .. }
            | Event::Revoked { .. }
            | Event::RevokeFailed { .. }
            | Event::Reported { .. }
            | Event::Skipped { .. }
            | Event::ScopeFailed { .. }
            | Event::Repeat { .. }
            | Event::Signal { .. }
            | Event::Approval { .. }
            | Event::Closed { .. }
            | Event::ChildEnded { .. }
            | Event::TimedOut { .. }
            | Event::RolloutUndone { .. }
            | Event::Window { .. }
            | Event::LocksWanted { .. }
            | Event::LocksGranted { step: Some(_) }
            | Event::LocksRefused { .. }
            | Event::SkippedBy { .. }
            | Event::MarkedDone { .. }
            | Event::QuarantineReleased { .. }
            | Event::CancelRequested(_)
            | Event::RunTimedOut
            | Event::Finishing { .. }
            | Event::Paused(_)
            | Event::Resumed(_)
            | Event::EmergencyStopped(_)
            | Event::EmergencyReleased(_)
            | Event::ControlRefused { .. }
            | Event::Migrated { .. }
            | Event::Ended { .. } => {}
        }
    }

    fn check_start(&mut self, plan: &Plan, state: &RunState, task: TaskRef, attempt: u32) {
        assert!(!self.completed.contains(&task), "{task:?} is recorded and starts again");
        let before = self.starts.insert(task, attempt).unwrap_or(0);
        assert!(attempt == before || attempt == before + 1, "attempt {attempt} after {before}");
        let phase = state.execution(task).map(|it| it.phase.clone());
        if task.is_main() {
            assert_needs_met(plan, state, task.step);
            if attempt > before && phase == Some(Phase::Pending) {
                assert_may_start(plan, state, task.step);
                assert_in_window(plan, state, task.step);
            }
        } else if phase.is_none() {
            assert_obligation_in_time(plan, state, task);
        }
        if uses(plan, state, task) == Some("x.verify") && attempt == before {
            // The same attempt again: only because an observation cleared it.
            assert_eq!(phase, Some(Phase::Cleared), "a Verify task repeats unobserved");
        }
    }

    pub(crate) fn check_end(&self, plan: &Plan, state: &RunState) {
        assert!(state.status.is_ended());
        assert_eq!((state.in_flight, state.attention, state.children), (0, 0, 0));
        assert_eq!(state.next_timer(), None);
        for (number, step) in (0..).zip(&state.steps) {
            let step_ref = StepRef(number);
            assert!(step.main.phase.is_final(), "step {number} is {:?}", step.main.phase);
            assert!(step.main.holdings.is_empty(), "step {number} ended and holds something");
            check_cleanup(plan, state, step_ref);
            check_undo(plan, state, step_ref);
        }
        for scope in &state.scopes {
            assert!(scope.closed && scope.owed.is_empty(), "a scope ended and left a debt");
        }
        check_races(plan, state);
        check_finally(plan, state, self.begun);
        check_rollouts(state);
    }
}

/// Nothing is done to a target, nor looked at there, while an earlier attempt may act on it.
fn assert_free(state: &RunState, task: TaskRef) {
    let held = state.execution(task).map(|it| it.holdings.as_slice()).unwrap_or_default();
    assert!(held.is_empty(), "{task:?} goes on while an earlier attempt holds {held:?}");
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

/// What is done at the end was done, whatever became of the rest, and the status is what it says.
fn check_finally(plan: &Plan, state: &RunState, begun: bool) {
    let root = state.scope(RunState::ROOT);
    let before = match (root.failed, root.cancelled, &state.cancel) {
        (false, false, _) => RunStatus::Completed,
        (_, _, Some(_)) if !state.timed_out => RunStatus::Cancelled,
        (true, ..) => RunStatus::Failed,
        (false, true, _) => RunStatus::Cancelled,
    };
    assert!(!state.timed_out || before == RunStatus::Failed);
    let begun = begun || plan.locks.is_none();
    assert_eq!(state.ending.is_some(), plan.finally.is_some() && begun);
    let Some(ending) = state.ending else { return assert_eq!(state.status, before) };
    assert_eq!(ending.status, before);
    let scope = state.scope(ending.scope);
    let well = !scope.failed && !scope.cancelled;
    let after = if well || before != RunStatus::Completed { before } else { RunStatus::Failed };
    assert_eq!(state.status, after);
    assert!(!scope.stopped, "what is done at the end was stopped");
    let steps = scope.first.0..scope.first.0 + plan.scope(scope.plan).len;
    for step in steps.map(StepRef) {
        let phase = &state.step(step).main.phase;
        assert_ne!(*phase, Phase::Skipped(SkipReason::ScopeEnded), "left out at the end");
    }
}

/// The executor that a task calls.
fn uses<'p>(plan: &'p Plan, state: &RunState, task: TaskRef) -> Option<&'p str> {
    let step = state.plan_of(plan, task.step);
    let called = match (task.role, &step.kind) {
        (Role::Main, KindPlan::Task(call)) => Some(call),
        (Role::Main, _) => None,
        (Role::Cleanup, _) => step.cleanup.as_ref().map(|it| &it.task),
        (Role::Undo, _) => step.undo.as_ref(),
    };
    called.map(|call| call.uses.as_str())
}

/// Whether an obligation was met, or given up by a person. None is left half done.
fn performed(state: &RunState, task: TaskRef) -> bool {
    let phase = state.execution(task).map(|it| &it.phase);
    assert!(phase.is_none_or(Phase::is_final), "{task:?} is {phase:?} at the end");
    phase.is_some()
}

fn check_cleanup(plan: &Plan, state: &RunState, step: StepRef) {
    let Some(cleanup) = &state.plan_of(plan, step).cleanup else { return };
    let me = state.step(step);
    let performed = performed(state, TaskRef::cleanup(step));
    if state.recorded(plan, step).is_some_and(|recorded| recorded.cleaned) {
        return assert!(!performed, "cleanup of step {} that an older run dealt with", step.0);
    }
    // A step that could not start failed without having begun; a person may skip one between two
    // attempts.
    let unbegun = me.main.attempt == 0 && matches!(me.inner, Inner::None);
    let started = !(unbegun && matches!(me.main.phase, Phase::Failed | Phase::Skipped(_)));
    // A `set` starts and ends at once, and is over before it could leave anything.
    let begun = started && !matches!(state.plan_of(plan, step).kind, KindPlan::Set(_));
    let well = me.main.phase == Phase::Completed && !went_wrong(state, me.scope);
    let owed = match cleanup.policy {
        CleanupPolicy::Always => begun,
        CleanupPolicy::OnSuccess => begun && well,
        CleanupPolicy::OnFailure => begun && !well,
        CleanupPolicy::Never => false,
    };
    assert_eq!(performed, owed, "cleanup of step {}", step.0);
}

/// What a step completed is taken back exactly if something around it went wrong.
fn check_undo(plan: &Plan, state: &RunState, step: StepRef) {
    let performed = performed(state, TaskRef::undo(step));
    let me = state.step(step);
    if state.recorded(plan, step).is_some_and(|recorded| recorded.undone) {
        return assert!(!performed, "undo of step {} that an older run performed", step.0);
    }
    let owed = state.plan_of(plan, step).undo.is_some()
        && me.main.phase == Phase::Completed
        && is_taken_back(plan, state, me.scope);
    assert_eq!(performed, owed, "undo of step {}", step.0);
}

/// Whether what a scope did was taken back: it or one around it went wrong. A roll-out that was
/// halted on the way decides for what it holds.
fn is_taken_back(plan: &Plan, state: &RunState, inside: ScopeRef) -> bool {
    for scope in around(state, inside) {
        if went_wrong(state, scope) {
            return true;
        }
        let Some(owner) = state.scope(scope).owner else { continue };
        if is_halted(state, owner)
            && let KindPlan::Rollout(plan) = &state.plan_of(plan, owner).kind
        {
            return plan.on_halt == OnHalt::Undo;
        }
    }
    false
}

fn is_halted(state: &RunState, step: StepRef) -> bool {
    let Inner::Map(items) = &state.step(step).inner else { return false };
    items.rollout.as_ref().is_some_and(|rollout| rollout.halt.is_some())
}

fn went_wrong(state: &RunState, scope: ScopeRef) -> bool {
    let scope = state.scope(scope);
    assert!(scope.closed);
    scope.failed || scope.cancelled
}

/// A scope and those around it.
fn around(state: &RunState, scope: ScopeRef) -> impl Iterator<Item = ScopeRef> {
    std::iter::successors(Some(scope), |scope| {
        state.scope(*scope).owner.map(|owner| state.step(owner).scope)
    })
}

/// Whether an event lets something begin, at a target or in the run.
fn starts(event: &Event) -> bool {
    matches!(
        event,
        Event::Started { .. }
            | Event::ObserveStarted { .. }
            | Event::Opened { .. }
            | Event::ItemsStarted { .. }
            | Event::ChildStarted { .. }
    )
}

fn assert_needs_met(plan: &Plan, state: &RunState, step: StepRef) {
    let me = state.step(step);
    let scope = state.scope(me.scope);
    for place in 0..plan.scope(scope.plan).len {
        let before = plan.step(scope.plan, place);
        if before.needed_by.contains(&me.place) {
            let phase = &state.step(StepRef(scope.first.0 + place)).main.phase;
            let met = matches!(phase, Phase::Completed | Phase::Skipped(_))
                || state.ending.is_some_and(|it| it.scope == me.scope && phase.is_final())
                || (*phase == Phase::Failed && before.on_error == OnError::Continue);
            assert!(met, "starts although `{}` is {phase:?}", before.id);
        }
    }
}

/// A step starts in its window, and the first steps in that of the run, or a person said otherwise.
fn assert_in_window(plan: &Plan, state: &RunState, step: StepRef) {
    if state.in_finally(state.step(step).scope) {
        return;
    }
    let gates = state.before_windows();
    if state.plan_of(plan, step).window.is_some() {
        assert!(gates.is_let_in(Some(step)), "starts outside of its window");
    }
    if plan.window.is_some() && state.step(step).scope == RunState::ROOT {
        assert!(gates.is_let_in(None), "starts outside of the run's window");
    }
}

fn assert_may_start(plan: &Plan, state: &RunState, step: StepRef) {
    let held = |it: Option<&Queued>| it.is_some_and(|queued| queued.granted);
    assert!(plan.locks.is_none() || held(state.run_queued()), "starts without the run's locks");
    let own = state.plan_of(plan, step).locks.is_some();
    assert!(!own || held(state.queued(step)), "starts without its locks");
    let mut scope = state.step(step).scope;
    loop {
        let inside = state.scope(scope);
        assert!(!inside.stopped, "starts in a scope that was stopped");
        assert!(!inside.closed, "starts in a scope that has ended");
        let Some(owner) = inside.owner else { return };
        scope = state.step(owner).scope;
    }
}

/// An obligation starts when its step has ended, nothing else runs in the scope that performs it,
/// and all that arose after it has been dealt with.
fn assert_obligation_in_time(plan: &Plan, state: &RunState, task: TaskRef) {
    let phase = &state.step(task.step).main.phase;
    assert!(phase.is_final(), "an obligation starts before its step has ended");
    assert!(task.role == Role::Cleanup || *phase == Phase::Completed, "an undo of what failed");
    let holder = around(state, state.step(task.step).scope)
        .find(|scope| !state.scope(*scope).closed)
        .expect("some scope is open");
    let scope = state.scope(holder);
    // A halted roll-out takes back what it did while the scope around it still works.
    let owners = around(state, state.step(task.step).scope)
        .take_while(|scope| *scope != holder)
        .filter_map(|scope| state.scope(scope).owner);
    let halted = owners.last().filter(|owner| is_halted(state, *owner));
    if let Some(owner) = halted.filter(|owner| !state.step(*owner).main.phase.is_final()) {
        let own = |task: TaskRef| {
            let held = |scope| state.scope(scope).owner == Some(owner);
            task.role == Role::Undo && around(state, state.step(task.step).scope).any(held)
        };
        let first = scope.owed.iter().rev().find(|it| own(it.task)).map(|it| it.task);
        assert_eq!(first, Some(task), "a roll-out takes back in another order");
        return;
    }
    assert_eq!(scope.active, 0, "an obligation starts while its scope works");
    let place = scope.owed.iter().position(|it| it.task == task).expect("it is on the stack");
    for above in &scope.owed[place + 1..] {
        let policy = state.plan_of(plan, above.task.step).cleanup.as_ref().map(|it| it.policy);
        let passed_over = match above.task.role {
            Role::Cleanup => policy != Some(CleanupPolicy::Always),
            Role::Undo => task.role == Role::Cleanup && !scope.failed && !scope.cancelled,
            Role::Main => false,
        };
        assert!(passed_over, "{task:?} starts before {:?}, which is above it", above.task);
    }
    let orders: Vec<_> = scope.owed.iter().map(|it| it.order).collect();
    assert!(orders.is_sorted(), "a stack out of order");
}

/// An iteration starts when the one before it has ended well and the pause is over.
fn assert_next_iteration(plan: &Plan, state: &RunState, step: StepRef, now: Timestamp) {
    assert_may_start(plan, state, step);
    let me = state.step(step);
    let Inner::Repeat(repeat) = &me.inner else {
        panic!("an iteration of a step that repeats not")
    };
    assert_eq!(me.main.phase, Phase::Running);
    let past = state.scope(repeat.scope);
    assert!(past.closed && !past.failed && !past.cancelled, "goes on after {past:?}");
    assert!(repeat.pause.is_none_or(|due| due <= now), "goes on before its time");
}

fn assert_bounded(plan: &Plan, state: &RunState, step: StepRef, upto: u32) {
    let Inner::Map(items) = &state.step(step).inner else { panic!("items of another kind") };
    assert!(!items.halted, "an item starts in a map that was halted");
    let more = upto - u32::try_from(items.scopes.len()).unwrap();
    if let Some(rollout) = &items.rollout {
        assert_eq!(rollout.stage, Stage::Items, "an item starts behind its wave");
        assert!(upto <= rollout.wave_end(), "an item starts before its wave");
        let places = rollout.places.unwrap_or(u32::MAX);
        assert!(items.open + items.failed + more <= places, "more items unavailable than allowed");
        assert!(Some(items.failed) <= items.budget, "an item starts though too many failed");
        return;
    }
    let KindPlan::Map(map) = &state.plan_of(plan, step).kind else { panic!("no map") };
    assert!(items.open + more <= map.max_concurrency, "more items at once than allowed");
}

fn assert_wave_ended(state: &RunState, step: StepRef) {
    let Inner::Map(items) = &state.step(step).inner else { panic!("a wave of another kind") };
    let ended = items.scopes.iter().all(|scope| state.scope(*scope).closed);
    assert!(ended && !items.halted, "a wave goes on before its end");
}

/// Behind each wave that passed, its gate completed; with a budget, no more failed than may.
fn check_rollouts(state: &RunState) {
    for step in &state.steps {
        let Inner::Map(items) = &step.inner else { continue };
        if step.main.phase == Phase::Completed
            && let Some(budget) = items.budget
        {
            assert!(items.failed <= budget);
            // Past iterations of a repeat keep no items.
            let forgotten = items.items.is_empty();
            let all = forgotten || items.scopes.len() == items.items.len();
            assert!(all, "completed without all its items");
        }
        let Some(rollout) = &items.rollout else { continue };
        if step.main.phase == Phase::Completed {
            assert_eq!(rollout.stage, Stage::Done);
        }
        let passed =
            if rollout.stage == Stage::Done { rollout.ends.len() } else { rollout.wave as usize };
        for gate in rollout.gates.iter().take(passed) {
            let gate = state.scope(*gate);
            assert!(gate.closed && !gate.failed && !gate.cancelled, "a wave passed a failed gate");
        }
    }
}
