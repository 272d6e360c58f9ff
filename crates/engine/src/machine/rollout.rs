//! Roll-outs: their items go in waves, with a soak and a gate behind each.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    decide::{Pass, failed_for_good},
    event::{Event, Opening, ScopeRef, StepRef, TaskRef},
    items::MapState,
    open::count,
    state::{IllegalEvent, Inner, Phase, RunState, TimerKind, Todo},
};
use crate::{
    graph::{KindPlan, Plan, RolloutPlan},
    model::{RunStatus, StepError, Timestamp},
};

/// How the items of a roll-out were cut into waves when it opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waves {
    /// The items.
    pub items: Arc<Vec<Value>>,
    /// Of each wave one more than its last item.
    pub ends: Vec<u32>,
    /// How many items may be under way or failed at once; none: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<u32>,
    /// How many items may fail before it halts.
    pub max_failures: u32,
}

impl Waves {
    /// The canary items are the first wave; the others follow in waves of the same size.
    fn cut(plan: &RolloutPlan, items: Arc<Vec<Value>>) -> Self {
        let all = count(items.len());
        let size = plan.wave.map_or(all, |wave| wave.of(all)).max(1);
        let mut ends = Vec::new();
        let mut end = plan.canary.unwrap_or(0).min(all);
        if end > 0 {
            ends.push(end);
        }
        while end < all {
            end = end.saturating_add(size).min(all);
            ends.push(end);
        }
        let places = plan.max_unavailable.map(|most| most.of(all).max(1));
        let max_failures = plan.items.max_failures.map_or(0, |most| most.of(all));
        Self { items, ends, places, max_failures }
    }

    fn is_whole(&self) -> bool {
        self.ends.is_sorted_by(|a, b| a < b)
            && self.ends.first() != Some(&0)
            && self.ends.last().copied().unwrap_or(0) == count(self.items.len())
    }
}

/// Where a roll-out is in its present wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its items run.
    Items,
    /// Its items have ended; it is watched until this time.
    Soaking(Timestamp),
    /// The gate runs in this scope.
    Gate(ScopeRef),
    /// The gate let it pass.
    Gated,
    /// The last wave has passed.
    Done,
    /// It was halted, and what it had done is taken back.
    Undoing,
}

/// Why a roll-out goes no further.
#[derive(Clone, Debug, PartialEq)]
pub enum Halt {
    /// More items failed than may.
    Failures,
    /// The failed items keep all places that `max_unavailable` leaves.
    Places,
    /// The gate failed, with this error.
    Gate(Option<Arc<StepError>>),
}

/// What a roll-out keeps beside its items.
#[derive(Clone, Debug)]
pub struct RolloutState {
    /// Of each wave one more than its last item.
    pub ends: Vec<u32>,
    /// How many items may be under way or failed at once.
    pub places: Option<u32>,
    /// The present wave, from 0.
    pub wave: u32,
    /// Where it is in that.
    pub stage: Stage,
    /// The scopes of the gates that opened, in the waves' order.
    pub gates: Vec<ScopeRef>,
    /// Why it goes no further.
    pub halt: Option<Halt>,
}

impl RolloutState {
    /// One more than the last item of the present wave.
    pub fn wave_end(&self) -> u32 {
        self.ends.get(self.wave as usize).copied().unwrap_or(0)
    }

    /// The first item of a wave.
    pub fn wave_start(&self, wave: u32) -> u32 {
        wave.checked_sub(1).and_then(|before| self.ends.get(before as usize)).copied().unwrap_or(0)
    }

    pub(super) const fn open_gate(&self) -> Option<ScopeRef> {
        match self.stage {
            Stage::Gate(scope) => Some(scope),
            Stage::Items | Stage::Soaking(_) | Stage::Gated | Stage::Done | Stage::Undoing => None,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match (&self.halt, self.stage) {
            (Some(_), _) => Phase::Failed,
            (None, Stage::Done) => Phase::Completed,
            (
                None,
                Stage::Items | Stage::Soaking(_) | Stage::Gate(_) | Stage::Gated | Stage::Undoing,
            ) => Phase::Cancelled,
        }
    }
}

impl MapState {
    /// After the end of an item: whether the roll-out is halted.
    pub(super) fn check_halt(&mut self) -> bool {
        let (failed, more, over) = (self.failed, self.is_cut(), self.is_over_budget());
        let Some(rollout) = &mut self.rollout else { return self.halted };
        if rollout.halt.is_none() {
            if over {
                rollout.halt = Some(Halt::Failures);
            } else if more && rollout.places.is_some_and(|places| failed >= places) {
                rollout.halt = Some(Halt::Places);
            }
        }
        self.halted |= rollout.halt.is_some();
        self.halted
    }

    /// What is told of a roll-out that was halted.
    pub(super) fn halt_error(&self) -> Option<StepError> {
        let rollout = self.rollout.as_ref()?;
        let (wave, waves) = (rollout.wave + 1, rollout.ends.len());
        let why = match rollout.halt.as_ref()? {
            Halt::Failures => self.failures(),
            Halt::Places => format!(
                "{} failed items keep all places of `max_unavailable: {}`",
                self.failed,
                rollout.places.unwrap_or_default()
            ),
            Halt::Gate(Some(error)) => format!("the gate failed: {}", error.message),
            Halt::Gate(None) => "the gate did not complete".to_owned(),
        };
        let message = format!("halted in wave {wave} of {waves}: {why}");
        let error = StepError::permanent("engine.rollout_halted", message);
        Some(error.hint("items that had not started were left as they are"))
    }
}

type Applied = Result<(), IllegalEvent>;

impl RunState {
    pub(super) fn open_rollout(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
        waves: &Waves,
        at: Timestamp,
    ) -> Applied {
        if !waves.is_whole() {
            return Err(self.illegal(event, TaskRef::main(step)));
        }
        let mut state = MapState::new(&waves.items, Some(waves.max_failures));
        state.rollout = Some(Box::new(RolloutState {
            ends: waves.ends.clone(),
            places: waves.places,
            wave: 0,
            stage: if waves.ends.is_empty() { Stage::Done } else { Stage::Items },
            gates: Vec::new(),
            halt: None,
        }));
        self.begin_items(plan, step, state, at);
        Ok(())
    }

    /// The roll-out of a step that can go on in this wave: none of its items runs.
    fn rollout_mut(
        &mut self,
        event: &Event,
        step: StepRef,
        wave: u32,
    ) -> Result<&mut RolloutState, IllegalEvent> {
        let illegal = self.illegal(event, TaskRef::main(step));
        let state = self.step_mut(step);
        let Inner::Map(map) = &mut state.inner else { return Err(illegal) };
        let idle = map.open == 0 && !map.halted && state.main.phase == Phase::Running;
        let started = count(map.scopes.len());
        map.rollout
            .as_deref_mut()
            .filter(|rollout| idle && rollout.wave == wave && rollout.wave_end() == started)
            .ok_or(illegal)
    }

    pub(super) fn wave_soaking(
        &mut self,
        event: &Event,
        step: StepRef,
        wave: u32,
        until: Timestamp,
    ) -> Applied {
        let rollout = self.rollout_mut(event, step, wave)?;
        if rollout.stage != Stage::Items {
            return Err(self.illegal(event, TaskRef::main(step)));
        }
        rollout.stage = Stage::Soaking(until);
        self.timers.insert((until, TaskRef::main(step), TimerKind::Soak));
        Ok(())
    }

    pub(super) fn gate_opened(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
        wave: u32,
    ) -> Applied {
        let stage = self.rollout_mut(event, step, wave)?.stage;
        let gate = match &self.plan_of(plan, step).kind {
            KindPlan::Rollout(rollout) => rollout.gate,
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
            | KindPlan::Group(_) => None,
        };
        let (Stage::Items | Stage::Soaking(_), Some(gate)) = (stage, gate) else {
            return Err(self.illegal(event, TaskRef::main(step)));
        };
        self.stop_soaking(step);
        let scope = self.open_scope(plan, gate, Some(step), None);
        self.scope_mut(scope).wave = Some(wave);
        let rollout = self.rollout_mut(event, step, wave)?;
        rollout.stage = Stage::Gate(scope);
        rollout.gates.push(scope);
        Ok(())
    }

    /// The scope of a gate has closed. Whether the roll-out has ended.
    pub(super) fn gate_closed(&mut self, plan: &Plan, owner: StepRef, scope: ScopeRef) -> bool {
        let passed = self.scope_result(scope) == RunStatus::Completed;
        let told = self.scope(scope).stopped;
        let error = self.scope(scope).error.clone();
        let Inner::Map(map) = &mut self.step_mut(owner).inner else { return false };
        let Some(rollout) = &mut map.rollout else { return false };
        rollout.stage = Stage::Gated;
        if !passed && (error.is_some() || !told) {
            rollout.halt = Some(Halt::Gate(error));
        }
        // Stopped from outside it goes no further either.
        map.halted |= !passed;
        map.halted && self.halted_idle(plan, owner)
    }

    pub(super) fn wave_passed(
        &mut self,
        plan: &Plan,
        event: &Event,
        step: StepRef,
        wave: u32,
    ) -> Applied {
        let rollout = self.rollout_mut(event, step, wave)?;
        if matches!(rollout.stage, Stage::Gate(_) | Stage::Done | Stage::Undoing) {
            return Err(self.illegal(event, TaskRef::main(step)));
        }
        self.stop_soaking(step);
        let rollout = self.rollout_mut(event, step, wave)?;
        if wave as usize + 1 < rollout.ends.len() {
            rollout.wave += 1;
            rollout.stage = Stage::Items;
            self.todo.push_back(Todo::Items(step));
        } else {
            rollout.stage = Stage::Done;
            self.close_container(plan, step);
        }
        Ok(())
    }

    /// Takes the timer of a soak away.
    pub(super) fn stop_soaking(&mut self, step: StepRef) {
        let Inner::Map(map) = &self.step(step).inner else { return };
        if let Some(Stage::Soaking(until)) = map.rollout.as_ref().map(|rollout| rollout.stage) {
            self.timers.remove(&(until, TaskRef::main(step), TimerKind::Soak));
        }
    }
}

impl Pass<'_, '_> {
    pub(super) fn open_waves(&mut self, task: TaskRef, plan: &RolloutPlan) -> Applied {
        let event = match self.over(task, &plan.items) {
            Ok(items) => {
                let waves = Box::new(Waves::cut(plan, items));
                Event::Opened { step: task.step, opening: Opening::Rollout(waves) }
            }
            Err(error) => failed_for_good(task, error),
        };
        self.emit(event)
    }

    /// What a roll-out does next.
    pub(super) fn roll(&mut self, step: StepRef, plan: &RolloutPlan) -> Applied {
        let Inner::Map(map) = &self.state.step(step).inner else { return Ok(()) };
        let Some(rollout) = &map.rollout else { return Ok(()) };
        let (wave, end) = (rollout.wave, rollout.wave_end());
        match rollout.stage {
            Stage::Items if count(map.scopes.len()) < end => {
                let taken = map.open.saturating_add(map.failed);
                let room = rollout.places.map_or(u32::MAX, |places| places.saturating_sub(taken));
                let upto = count(map.scopes.len()).saturating_add(room).min(end);
                self.start_items(step, upto)
            }
            Stage::Items if map.open > 0 => Ok(()),
            Stage::Items => match plan.soak {
                Some(soak) => {
                    let until = self.env.now.after(soak);
                    self.emit(Event::WaveSoaking { step, wave, until })
                }
                None => self.behind_wave(step, plan, wave),
            },
            Stage::Gated => self.emit(Event::WavePassed { step, wave }),
            Stage::Soaking(_) | Stage::Gate(_) | Stage::Done | Stage::Undoing => Ok(()),
        }
    }

    /// The time of a soak is over.
    pub(super) fn soaked(&mut self, step: StepRef) -> Applied {
        let Inner::Map(map) = &self.state.step(step).inner else { return Ok(()) };
        let soaking = |wave| matches!(wave, Stage::Soaking(_));
        let wave = map.rollout.as_ref().filter(|it| soaking(it.stage)).map(|it| it.wave);
        match (wave, &self.state.plan_of(self.plan, step).kind) {
            (Some(wave), KindPlan::Rollout(plan)) if !map.halted => {
                self.behind_wave(step, plan, wave)
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    fn behind_wave(&mut self, step: StepRef, plan: &RolloutPlan, wave: u32) -> Applied {
        self.emit(match plan.gate {
            Some(_) => Event::GateOpened { step, wave },
            None => Event::WavePassed { step, wave },
        })
    }
}
