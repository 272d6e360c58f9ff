//! What goes wrong, and when: a plan that a test writes or draws, and that can be shrunk.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::VirtualClock;

/// One thing that goes wrong at one operation of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The store can't be reached.
    Fail,
    /// The store does it, and the answer is lost.
    LoseAnswer,
    /// The call reaches the store later.
    Delay(Duration),
    /// The answer arrives later.
    Late(Duration),
    /// The node can't reach the store for so long. Longer than its lease: it is a zombie, whose
    /// executors go on.
    CutOff(Duration),
    /// The node dies before the operation.
    CrashBefore,
    /// The node dies after the operation.
    CrashAfter,
    /// The messages of the operation are sent once more, so much later.
    Repeat(Duration),
    /// The node sees no mail for so long.
    HideMail(Duration),
    /// The database's clock jumps ahead. A node whose lease could run out before it has stopped
    /// acting is beyond what any lease can promise: keep this below a third of the lease, and a
    /// lease apart.
    Jump(Duration),
}

impl Fault {
    /// Its name in figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::LoseAnswer => "lose answer",
            Self::Delay(_) => "delay",
            Self::Late(_) => "late answer",
            Self::CutOff(_) => "cut off",
            Self::CrashBefore => "crash before",
            Self::CrashAfter => "crash after",
            Self::Repeat(_) => "repeated message",
            Self::HideMail(_) => "hidden mail",
            Self::Jump(_) => "clock jump",
        }
    }
}

/// Faults by the number of the operation that they meet, from 1. Operations of all nodes are
/// counted together, in the order in which they happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan(pub BTreeMap<u64, Fault>);

impl FaultPlan {
    /// The plan without its `n`th fault.
    #[must_use]
    pub fn without(&self, n: usize) -> Self {
        let kept = self.0.iter().enumerate().filter(|(place, _)| *place != n);
        Self(kept.map(|(_, (at, fault))| (*at, *fault)).collect())
    }
}

impl<const N: usize> From<[(u64, Fault); N]> for FaultPlan {
    fn from(faults: [(u64, Fault); N]) -> Self {
        Self(faults.into())
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (at, fault) in &self.0 {
            write!(f, "{}{at}: {fault:?}", if first { "" } else { ", " })?;
            first = false;
        }
        if first { write!(f, "no faults") } else { Ok(()) }
    }
}

/// What happened: how often each fault, and each operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Faults that took place, by their names.
    pub faults: BTreeMap<&'static str, u64>,
    /// Operations, by their names.
    pub operations: BTreeMap<&'static str, u64>,
}

/// Hands the faults of a plan to the operations of all nodes of a cluster. Clones share the count.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<State>>);

struct State {
    plan: FaultPlan,
    clock: Option<VirtualClock>,
    count: u64,
    tally: Tally,
    lines: Option<Vec<String>>,
}

impl Faults {
    /// The faults of a plan; `clock` is what [`Fault::Jump`] moves.
    pub fn new(plan: FaultPlan, clock: Option<VirtualClock>) -> Self {
        let tally = Tally::default();
        Self(Arc::new(Mutex::new(State { plan, clock, count: 0, tally, lines: None })))
    }

    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::new(FaultPlan::default(), None)
    }

    /// Writes down every operation from now on, for [`Faults::log`].
    pub fn keep_log(&self) {
        self.state().lines = Some(Vec::new());
    }

    /// The operations since [`Faults::keep_log`], one a line.
    pub fn log(&self) -> Vec<String> {
        self.state().lines.clone().unwrap_or_default()
    }

    /// What happened so far.
    pub fn tally(&self) -> Tally {
        self.state().tally.clone()
    }

    /// Nothing goes wrong from now on.
    pub fn cease(&self) {
        self.state().plan = FaultPlan::default();
    }

    /// Counts an operation of a node, and says what goes wrong with it.
    pub(super) fn next(&self, slot: usize, operation: &'static str) -> Option<Fault> {
        let mut state = self.state();
        state.count += 1;
        let count = state.count;
        let fault = state.plan.0.get(&count).copied();
        *state.tally.operations.entry(operation).or_default() += 1;
        if let Some(lines) = &mut state.lines {
            let fault = fault.map(|fault| format!(": {fault:?}")).unwrap_or_default();
            lines.push(format!("{count} node {slot} {operation}{fault}"));
        }
        fault
    }

    /// Notes that a fault took place.
    pub(super) fn note(&self, fault: Fault) {
        *self.state().tally.faults.entry(fault.name()).or_default() += 1;
    }

    pub(super) fn jump(&self, by: Duration) {
        if let Some(clock) = &self.state().clock {
            clock.jump(by);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
