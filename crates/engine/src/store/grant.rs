//! Who is granted what: the rule of every backend, pure.
//!
//! Requests stand in line by priority and then by ticket. One that waits is granted when nothing
//! that is held stands in its way, and nothing that others asked for before it: so nobody is
//! overtaken, and a wide lock is not starved by narrow ones. Whoever already holds something
//! ([`LockRecord::within`]) does not wait for those who hold nothing and only stand in line:
//! they may be waiting for it. Everything is taken in one order ([`LockClaim::rank`]), so those who
//! hold never wait for each other in a circle.
//!
//! Slots of a limit go by priority, then to the key that has the fewest, then by ticket. A request
//! that waits for a slot keeps its place in the line for its locks.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::LockRecord;
use crate::model::{LockClaim, LockHolder, LockPath};

/// The tickets that can be granted now. `requests` has every one that touches what the waiting
/// ones among it ask for.
pub(super) fn grantable(requests: &[LockRecord]) -> Vec<i64> {
    let mut hall = Hall::default();
    for request in requests.iter().filter(|request| request.granted_at.is_some()) {
        hall.grant(request);
    }
    let mut line: Vec<_> = requests.iter().filter(|it| it.granted_at.is_none()).collect();
    line.sort_by_key(|request| (std::cmp::Reverse(request.priority), request.ticket));
    let mut granted = Vec::new();
    let mut ahead = Names::default();
    let mut for_slots = Vec::new();
    for request in line {
        let overtakes = request.within.is_empty() && ahead.conflicts_any(locks(request));
        let free = !overtakes && hall.locks_are_free(request);
        let wants_slots = request.claims.iter().any(|claim| claim.slot.is_some());
        if free && !wants_slots {
            hall.grant(request);
            granted.push(request.ticket);
            continue;
        }
        if free {
            for_slots.push(request);
        }
        for name in locks(request) {
            ahead.insert(name);
        }
    }
    while let Some(next) = hall.next_for_slots(&for_slots) {
        let request = for_slots.swap_remove(next);
        hall.grant(request);
        granted.push(request.ticket);
    }
    granted.sort_unstable();
    granted
}

fn locks(request: &LockRecord) -> impl Iterator<Item = &LockPath> {
    request.claims.iter().filter(|claim| claim.slot.is_none()).map(|claim| &claim.name)
}

/// Names of locks, asked for conflicts.
#[derive(Default)]
struct Names<'a> {
    exact: HashSet<&'a str>,
    above: HashSet<&'a str>,
}

impl<'a> Names<'a> {
    fn insert(&mut self, name: &'a LockPath) {
        self.above.extend(name.lineage());
        self.exact.insert(name.as_str());
    }

    fn conflicts_any<'b>(&self, mut names: impl Iterator<Item = &'b LockPath>) -> bool {
        names.any(|name| {
            self.above.contains(name.as_str())
                || name.lineage().any(|above| self.exact.contains(above))
        })
    }
}

/// What is held.
#[derive(Default)]
struct Hall<'a> {
    /// By name.
    exact: HashMap<&'a str, Vec<LockHolder>>,
    /// By the name and all names above it.
    above: HashMap<&'a str, Vec<LockHolder>>,
    slots: HashMap<&'a LockPath, Slots<'a>>,
}

#[derive(Default)]
struct Slots<'a> {
    held: u32,
    by_key: HashMap<&'a str, u32>,
    holders: BTreeSet<LockHolder>,
}

impl<'a> Hall<'a> {
    fn grant(&mut self, request: &'a LockRecord) {
        for claim in &request.claims {
            let Some(slot) = &claim.slot else {
                self.exact.entry(claim.name.as_str()).or_default().push(request.holder);
                for above in claim.name.lineage() {
                    self.above.entry(above).or_default().push(request.holder);
                }
                continue;
            };
            let slots = self.slots.entry(&claim.name).or_default();
            // Within the slot of another, it takes up none of its own.
            if !request.within.iter().any(|around| slots.holders.contains(around)) {
                slots.held += 1;
                *slots.by_key.entry(&slot.key).or_default() += 1;
            }
            slots.holders.insert(request.holder);
        }
    }

    fn locks_are_free(&self, request: &LockRecord) -> bool {
        let others = |holders: Option<&Vec<LockHolder>>| {
            let mut holders = holders.into_iter().flatten();
            holders.any(|it| *it != request.holder && !request.within.contains(it))
        };
        locks(request).all(|name| {
            !others(self.above.get(name.as_str()))
                && !name.lineage().any(|above| others(self.exact.get(above)))
        })
    }

    fn slot_is_free(&self, request: &LockRecord, claim: &LockClaim) -> bool {
        let (Some(slot), Some(slots)) = (&claim.slot, self.slots.get(&claim.name)) else {
            return true;
        };
        slots.held < slot.max || request.within.iter().any(|it| slots.holders.contains(it))
    }

    fn held_by_key(&self, claim: &LockClaim) -> u32 {
        let by_key = claim.slot.as_ref().zip(self.slots.get(&claim.name));
        by_key.and_then(|(slot, slots)| slots.by_key.get(slot.key.as_str())).copied().unwrap_or(0)
    }

    /// The first of those whose locks were free that gets its slots now.
    fn next_for_slots(&self, waiting: &[&LockRecord]) -> Option<usize> {
        let free = waiting.iter().enumerate().filter(|(_, request)| {
            request.claims.iter().all(|claim| self.slot_is_free(request, claim))
                && self.locks_are_free(request)
        });
        let place = |request: &LockRecord| {
            let held = request.claims.iter().map(|claim| self.held_by_key(claim)).max();
            (std::cmp::Reverse(request.priority), held, request.ticket)
        };
        free.min_by_key(|(_, request)| place(request)).map(|(at, _)| at)
    }
}

#[cfg(test)]
#[path = "grant_tests.rs"]
mod tests;
