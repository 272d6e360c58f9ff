//! The rule of grants against a plain writing of it, and against everybody who could be stuck.

use proptest::prelude::*;

use super::grantable;
use crate::{
    model::{LockClaim, LockHolder, LockPath, RunId, Slot, Timestamp, out_of_order},
    store::LockRecord,
};

const NAMES: [&str; 9] = ["a", "a/1", "a/1/x", "a/2", "b", "b/1", "b/1/x", "b-1", "c"];

fn holder(run: u128, step: Option<u32>) -> LockHolder {
    LockHolder { run: RunId(uuid::Uuid::from_u128(run)), step }
}

fn name(which: usize) -> LockPath {
    NAMES[which % NAMES.len()].parse().expect("a name")
}

fn request(ticket: i64, holder: LockHolder, claims: Vec<LockClaim>) -> LockRecord {
    LockRecord {
        ticket,
        holder,
        label: String::new(),
        claims,
        within: Vec::new(),
        priority: 0,
        wanted_at: Timestamp::from_micros(0),
        granted_at: None,
    }
}

fn grant(live: &mut [LockRecord]) {
    for ticket in grantable(live) {
        let found = live.iter_mut().find(|it| it.ticket == ticket).expect("one of them");
        assert!(found.granted_at.is_none(), "granted twice");
        found.granted_at = Some(Timestamp::from_micros(1));
    }
}

fn stand_in_the_way(a: &LockRecord, b: &LockRecord) -> bool {
    a.claims.iter().any(|a| b.claims.iter().any(|b| a.name.conflicts(&b.name)))
}

proptest! {
    /// Locks alone: a request is granted when nothing that was asked for before it, and is still
    /// there, stands in its way.
    #[test]
    fn locks_are_granted_in_the_order_of_tickets(
        turns in prop::collection::vec((0..8u128, prop::collection::vec(0..9usize, 0..4)), 1..60),
    ) {
        let mut live: Vec<LockRecord> = Vec::new();
        for (ticket, (run, names)) in (1..).zip(turns) {
            live.retain(|it| it.holder != holder(run, None));
            if !names.is_empty() {
                let claims = names.into_iter().map(|it| LockClaim::lock(name(it))).collect();
                live.push(request(ticket, holder(run, None), claims));
            }
            grant(&mut live);
            for (at, one) in live.iter().enumerate() {
                let blocked = live[..at].iter().any(|before| stand_in_the_way(before, one));
                prop_assert_eq!(one.granted_at.is_some(), !blocked, "{:#?}", live);
            }
        }
    }

    /// Families that hold and ask for more in the one order, in parallel and nested, with locks and
    /// slots: everybody is done in the end, and nobody ever holds what another one has.
    #[test]
    fn nobody_is_stuck_who_keeps_the_order(
        families in prop::collection::vec(
            prop::collection::vec((0..3usize, wish(), 0..3u8), 1..6), 1..7),
        choices in prop::collection::vec(any::<u16>(), 1..200),
    ) {
        let mut yard = Yard::new(families);
        let mut choices = choices.into_iter().cycle();
        while yard.step(choices.next().unwrap_or(0)) {}
        prop_assert!(yard.is_done(), "stuck: {:#?}", yard.live);
    }
}

fn wish() -> impl Strategy<Value = Vec<LockClaim>> {
    let slot = prop::option::weighted(0.3, (1..3u32, 0..2u8));
    prop::collection::vec((0..9usize, slot), 1..3).prop_map(|wishes| {
        let claim = |(which, slot): (usize, Option<(u32, u8)>)| LockClaim {
            name: name(which),
            // One maximum per name, as limits have.
            slot: slot.map(|(_, key)| Slot {
                max: if which % 2 == 0 { 1 } else { 2 },
                key: key.to_string(),
            }),
        };
        wishes.into_iter().map(claim).collect()
    })
}

/// A member of a family: it starts when its parent holds what it asked for, and its parent is done
/// only after it.
struct Member {
    holder: LockHolder,
    parent: Option<usize>,
    claims: Vec<LockClaim>,
    priority: u8,
    asked: bool,
    done: bool,
}

struct Yard {
    members: Vec<Member>,
    live: Vec<LockRecord>,
    tickets: i64,
}

impl Yard {
    fn new(families: Vec<Vec<(usize, Vec<LockClaim>, u8)>>) -> Self {
        let mut members: Vec<Member> = Vec::new();
        for (run, family) in (0..).zip(families) {
            let first = members.len();
            for (step, (up, claims, priority)) in (0..).zip(family) {
                let parent = (members.len() > first).then(|| members.len() - 1);
                let climbed =
                    (0..up).fold(parent, |at, _| at.and_then(|at| members[at].parent.or(Some(at))));
                let around = chain(&members, climbed);
                let held = around.iter().flat_map(|at| &members[*at].claims);
                if out_of_order(held, &claims).is_none() {
                    members.push(Member {
                        holder: holder(run, Some(step)),
                        parent: climbed,
                        claims,
                        priority,
                        asked: false,
                        done: false,
                    });
                }
            }
        }
        Self { members, live: Vec::new(), tickets: 0 }
    }

    fn holds(&self, member: usize) -> bool {
        let holder = self.members[member].holder;
        self.live.iter().any(|it| it.holder == holder && it.granted_at.is_some())
    }

    /// Somebody asks or is done; false if nobody can.
    fn step(&mut self, choice: u16) -> bool {
        let can: Vec<usize> = (0..self.members.len())
            .filter(|at| {
                let member = &self.members[*at];
                if member.asked {
                    let children = self.members.iter().filter(|it| it.parent == Some(*at));
                    !member.done && self.holds(*at) && children.into_iter().all(|it| it.done)
                } else {
                    member.parent.is_none_or(|parent| self.holds(parent))
                }
            })
            .collect();
        let Some(at) = can.get(usize::from(choice) % can.len().max(1)).copied() else {
            return false;
        };
        let member = &mut self.members[at];
        if member.asked {
            member.done = true;
            let holder = member.holder;
            self.live.retain(|it| it.holder != holder);
        } else {
            member.asked = true;
            self.tickets += 1;
            let mut asks = request(self.tickets, member.holder, member.claims.clone());
            asks.priority = member.priority;
            let around = chain(&self.members, self.members[at].parent);
            asks.within = around.iter().map(|at| self.members[*at].holder).collect();
            self.live.push(asks);
        }
        grant(&mut self.live);
        self.check();
        true
    }

    fn check(&self) {
        let held: Vec<_> = self.live.iter().filter(|it| it.granted_at.is_some()).collect();
        for (at, a) in held.iter().enumerate() {
            for b in &held[..at] {
                let family = a.within.contains(&b.holder) || b.within.contains(&a.holder);
                let locks = |it: &LockRecord| {
                    let claims = it.claims.iter().filter(|claim| claim.slot.is_none());
                    claims.map(|claim| claim.name.clone()).collect::<Vec<_>>()
                };
                let clash = locks(a).iter().any(|a| locks(b).iter().any(|b| a.conflicts(b)));
                assert!(family || !clash, "two hold one lock: {a:#?} {b:#?}");
            }
        }
        for which in 0..NAMES.len() {
            let slot = |it: &&&LockRecord| {
                it.claims.iter().any(|claim| claim.slot.is_some() && claim.name == name(which))
            };
            let takers: Vec<_> = held.iter().filter(slot).collect();
            let own = takers
                .iter()
                .filter(|it| !takers.iter().any(|other| it.within.contains(&other.holder)));
            assert!(own.count() <= 1 + which % 2, "more slots than there are");
        }
    }

    fn is_done(&self) -> bool {
        self.members.iter().all(|member| member.done)
    }
}

/// A member and those around it.
fn chain(members: &[Member], from: Option<usize>) -> Vec<usize> {
    std::iter::successors(from, |at| members[*at].parent).collect()
}

fn slot(name: &str, max: u32, key: &str) -> LockClaim {
    let name = name.parse().expect("a name");
    LockClaim { name, slot: Some(Slot { max, key: key.to_owned() }) }
}

#[test]
fn a_key_with_many_waiters_does_not_starve_another() {
    let crowd =
        |n: i64| request(n, holder(n.unsigned_abs().into(), None), vec![slot("l", 2, "crowd")]);
    let mut live: Vec<_> = (1..=1000).map(crowd).collect();
    live.push(request(1001, holder(1001, None), vec![slot("l", 2, "alone")]));
    assert_eq!(grantable(&live), [1, 1001], "one slot for each key");
    live[0].granted_at = Some(Timestamp::from_micros(1));
    live[1000].granted_at = Some(Timestamp::from_micros(1));
    assert!(grantable(&live).is_empty());
    live.remove(0);
    assert_eq!(grantable(&live), [2]);
}

#[test]
fn priority_comes_before_the_key_and_the_ticket() {
    let mut live = vec![
        request(1, holder(1, None), vec![slot("l", 1, "a")]),
        request(2, holder(2, None), vec![slot("l", 1, "b")]),
        request(3, holder(3, None), vec![slot("l", 1, "b")]),
    ];
    live[2].priority = 5;
    assert_eq!(grantable(&live), [3]);
    let lock = || vec![LockClaim::lock(name(0))];
    let mut live = vec![request(1, holder(1, None), lock()), request(2, holder(2, None), lock())];
    live[1].priority = 1;
    assert_eq!(grantable(&live), [2]);
}

#[test]
fn who_waits_for_a_slot_keeps_its_place_for_its_lock() {
    let both = vec![LockClaim::lock(name(0)), slot("l", 1, "")];
    let mut live = vec![
        request(1, holder(1, None), vec![slot("l", 1, "")]),
        request(2, holder(2, None), both),
        request(3, holder(3, None), vec![LockClaim::lock(name(1))]),
    ];
    live[0].granted_at = Some(Timestamp::from_micros(1));
    assert!(grantable(&live).is_empty());
    live.remove(0);
    assert_eq!(grantable(&live), [2]);
}
