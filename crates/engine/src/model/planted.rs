//! Defects on request: a test that is to find defects shows with them that it does. Only with the
//! cargo feature `testing`, and only on the thread that asked.

use std::cell::Cell;

/// A defect that the engine has while it is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The lease allows a node to act although its time is over.
    Fence,
    /// A run that was taken over forgets the cleanups and undos that it owes.
    Cleanup,
    /// A failed step gets an attempt more than its policy says.
    Retry,
    /// A map that was taken over starts no further items.
    Map,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fence, Self::Cleanup, Self::Retry, Self::Map];
}

thread_local! {
    static PLANTED: Cell<Option<Defect>> = const { Cell::new(None) };
}

/// Plants a defect on this thread, or takes it away.
pub fn plant(defect: Option<Defect>) {
    PLANTED.set(defect);
}

/// Whether this thread's engine is to have the defect.
pub(crate) fn is_planted(defect: Defect) -> bool {
    PLANTED.get() == Some(defect)
}
