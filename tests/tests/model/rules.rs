//! What can happen, named after the code that does it.

use crate::{
    checker::Model,
    world::{At, Journal, Node, Owner, TTL, Token, USED, Work, World},
};

/// A defect that is planted to see whether the checker finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// None: the protocol as it is.
    Nothing,
    /// A taker does not wait for the whole lease to run out.
    HastyTaker,
    /// An append at a seq that is taken goes in all the same.
    AppendOverConflict,
    /// The store does not compare epochs on append; the seq alone is left.
    NoEpoch,
    /// The target has nothing to revoke: the gap that the documentation admits.
    NothingToRevoke,
    /// An executor uses its session before it has saved it.
    UseBeforeHold,
}

pub(crate) const TWICE_AT_ONE_SEQ: &str = "two appends at one seq";
pub(crate) const FENCED_OUT: &str = "passed the fence without owning the run";
pub(crate) const AFTER_REVOKE: &str = "a former owner's write took effect after the take-over";
pub(crate) const EXECUTED_AGAIN: &str = "a step that was recorded or done is executed again";

pub(crate) struct Protocol(pub(crate) Plant);

type Next = Vec<(&'static str, Result<u64, &'static str>)>;

impl Model for Protocol {
    fn initial(&self) -> u64 {
        let node = Node { alive: true, right: USED, lease: TTL };
        World { nodes: [node; 2], ..World::default() }.pack()
    }

    fn next(&self, state: u64, out: &mut Next) {
        let world = World::unpack(state);
        out.push(("tick", Ok(tick(world).pack())));
        for node in 0..2 {
            live(world, node, out);
            for run in 0..2 {
                self.claim(world, node, run, out);
                if let Some(work) = world.runs[run].works[node] {
                    let step = Step { plant: self.0, world, node, run, work };
                    let (name, next) = step.take();
                    out.extend(next.map(|next| (name, next.map(|world| world.pack()))));
                }
            }
        }
    }

    fn is_end(&self, state: u64) -> bool {
        World::unpack(state).runs.iter().all(|run| run.journal == Journal::Done)
    }

    fn show(&self, state: u64) -> String {
        let World { nodes, runs } = World::unpack(state);
        let nodes =
            nodes.map(|it| format!("[alive {} right {} lease {}]", it.alive, it.right, it.lease));
        let runs = runs.map(|it| {
            format!("[{:?} {:?} written {} {:?}]", it.owner, it.journal, it.written, it.works)
        });
        format!("{} {}", nodes.join(" "), runs.join(" "))
    }
}

/// Time passes, for all clocks alike. Clocks that drift apart by less than the third of a lease
/// that the holder leaves unused are covered by that third.
fn tick(mut world: World) -> World {
    for node in &mut world.nodes {
        node.right = node.right.saturating_sub(1);
        node.lease = node.lease.saturating_sub(1);
    }
    world
}

/// `keeper::join`: a new row, a new life. What the former life owned is anybody's.
fn join(mut world: World, node: usize) -> World {
    world.nodes[node] = Node { alive: true, right: USED, lease: TTL };
    for run in &mut world.runs {
        run.works[node] = None;
        if run.owner == Owner::Node(node) {
            run.owner = Owner::Gone;
        }
    }
    world
}

/// The life of a process.
fn live(world: World, node: usize, out: &mut Next) {
    if !world.nodes[node].alive {
        // `keeper::bury` declares the former process dead, then `join`.
        out.push(("restart", Ok(join(world, node).pack())));
        return;
    }
    let mut killed = world;
    killed.nodes[node] = Node { alive: false, right: 0, ..world.nodes[node] };
    killed.runs.iter_mut().for_each(|run| run.works[node] = None);
    out.push(("kill", Ok(killed.pack())));
    if world.nodes[node].lease > 0 {
        // `keeper::keep_lease`, `renew.sql`, `Lease::granted`.
        let mut renewed = world;
        renewed.nodes[node] = Node { alive: true, right: USED, lease: TTL };
        out.push(("renew", Ok(renewed.pack())));
    } else {
        // `Renewal::Lost`, `keeper::start_over`.
        out.push(("start over", Ok(join(world, node).pack())));
    }
}

impl Protocol {
    /// `claim.sql` with `recovery::adopt_claimed`, and `recovery::reload` after a conflict.
    fn claim(&self, mut world: World, node: usize, run: usize, out: &mut Next) {
        let me = world.nodes[node];
        let it = world.runs[run];
        if !me.alive || it.journal == Journal::Done {
            return;
        }
        let adopted = Some(Work { epoch: true, seq: true, at: At::Adopted });
        let free = match it.owner {
            Owner::Nobody | Owner::Gone => true,
            Owner::Node(owner) if owner == node => {
                if it.works[node].is_none() {
                    world.runs[run].works[node] = adopted;
                    out.push(("reload", Ok(world.pack())));
                }
                return;
            }
            Owner::Node(owner) if self.0 == Plant::HastyTaker => world.nodes[owner].lease < TTL,
            Owner::Node(owner) => world.nodes[owner].lease == 0,
        };
        if free && me.lease > 0 {
            let it = &mut world.runs[run];
            it.owner = Owner::Node(node);
            if let Some(other) = &mut it.works[1 - node] {
                other.epoch = false;
            }
            it.works[node] = adopted;
            out.push(("claim", Ok(world.pack())));
        }
    }
}

/// What a node does next for a run that it has in memory.
struct Step {
    plant: Plant,
    world: World,
    node: usize,
    run: usize,
    work: Work,
}

type Taken = (&'static str, Option<Result<World, &'static str>>);

impl Step {
    fn take(self) -> Taken {
        match self.work.at {
            At::Adopted => self.append_claimed(),
            At::Revoking => self.revoke(),
            At::Observing => {
                // `Executor::observe`.
                let written = self.world.runs[self.run].written;
                self.go_on("observe", if written { At::SawDone } else { At::SawNothing })
            }
            At::SawDone => self.append("append observed: done", Journal::Done, None),
            At::SawNothing => {
                self.append("append observed: not done", Journal::Started, Some(At::Starting))
            }
            // The executor makes a session. That changes nothing, so even without any fence.
            At::Starting => self.go_on("log in", At::LoggedIn(Token::Unknown)),
            At::LoggedIn(token) if self.plant == Plant::UseBeforeHold => self.check(token),
            At::LoggedIn(token) => {
                // `StepContext::hold`.
                let honoured = token != Token::Dead;
                let next = if honoured { Token::Recorded } else { Token::Dead };
                self.append("append held", Journal::Held { honoured }, Some(At::Holding(next)))
            }
            At::Holding(token) => self.check(token),
            At::Checked(token) => self.write(token),
            At::Wrote => self.append("append completed", Journal::Done, None),
        }
    }

    fn go_on(mut self, name: &'static str, at: At) -> Taken {
        self.put(Some(Work { at, ..self.work }));
        (name, Some(Ok(self.world)))
    }

    fn put(&mut self, work: Option<Work>) {
        self.world.runs[self.run].works[self.node] = work;
    }

    /// `Shard::adopt`: `Claimed`, and what follows from the journal that was read.
    fn append_claimed(self) -> Taken {
        let journal = self.world.runs[self.run].journal;
        let (journal, at) = match journal {
            Journal::New => (Journal::Started, At::Starting),
            Journal::Started => (journal, At::Observing),
            Journal::Held { .. } => (journal, At::Revoking),
            Journal::Done => (journal, At::SawDone),
        };
        self.append("append claimed", journal, Some(at))
    }

    /// `Executor::revoke`. A former owner may do it too; it only knows tokens that are older.
    fn revoke(mut self) -> Taken {
        if self.plant != Plant::NothingToRevoke {
            let run = &mut self.world.runs[self.run];
            run.journal = Journal::Held { honoured: false };
            for work in run.works.iter_mut().flatten() {
                if work.at == At::Holding(Token::Recorded) {
                    work.at = At::Holding(Token::Dead);
                } else if work.at == At::Checked(Token::Recorded) {
                    work.at = At::Checked(Token::Dead);
                }
            }
        }
        self.go_on("revoke", At::Observing)
    }

    /// `StepContext::fence`: the node's own clock, and nothing else.
    fn check(self, token: Token) -> Taken {
        if self.world.nodes[self.node].right == 0 {
            return ("fenced", None);
        }
        if self.world.runs[self.run].owner != Owner::Node(self.node) || !self.work.epoch {
            return ("check the fence", Some(Err(FENCED_OUT)));
        }
        self.go_on("check the fence", At::Checked(token))
    }

    /// The request reaches the device, however long after the check.
    fn write(mut self, token: Token) -> Taken {
        if token == Token::Dead {
            self.put(None);
            return ("refused by the device", Some(Ok(self.world)));
        }
        let run = &mut self.world.runs[self.run];
        // A former owner whose token the journal names will be revoked, and then looked at.
        if !self.work.epoch && token == Token::Unknown {
            return ("write", Some(Err(AFTER_REVOKE)));
        }
        if run.written || run.journal == Journal::Done {
            return ("write", Some(Err(EXECUTED_AGAIN)));
        }
        run.written = true;
        self.go_on("write", At::Wrote)
    }

    /// `Writer::commit`: at the run's present epoch and at the next seq, or not at all
    /// (`sql/append/plain.sql`); then `Shard::settle`, or `Shard::conflict`.
    fn append(mut self, name: &'static str, journal: Journal, next: Option<At>) -> Taken {
        let accepted = match self.plant {
            Plant::AppendOverConflict => true,
            Plant::NoEpoch => self.work.seq,
            Plant::Nothing | Plant::HastyTaker | Plant::NothingToRevoke | Plant::UseBeforeHold => {
                self.work.seq && self.work.epoch
            }
        };
        if !accepted {
            self.put(None);
            return ("conflict", Some(Ok(self.world)));
        }
        if !self.work.seq {
            return (name, Some(Err(TWICE_AT_ONE_SEQ)));
        }
        let (node, run) = (self.node, &mut self.world.runs[self.run]);
        let names_another = run.journal != journal;
        run.journal = journal;
        if let Some(other) = &mut run.works[1 - node] {
            other.seq = false;
            if names_another {
                other.at = forgotten(other.at);
            }
        }
        if journal == Journal::Done {
            // `RunUpdate::release`.
            run.owner = Owner::Nobody;
        }
        self.put(next.map(|at| Work { at, ..self.work }));
        (name, Some(Ok(self.world)))
    }
}

/// The journal names another token now, or none. What the other node knew by the journal's name is
/// a token that the journal does not name; what it was about to revoke is gone already.
fn forgotten(at: At) -> At {
    match at {
        At::Holding(Token::Recorded) => At::Holding(Token::Unknown),
        At::Checked(Token::Recorded) => At::Checked(Token::Unknown),
        At::Revoking | At::Observing => At::Observing,
        At::Adopted
        | At::SawDone
        | At::SawNothing
        | At::Starting
        | At::LoggedIn(_)
        | At::Holding(_)
        | At::Checked(_)
        | At::Wrote => at,
    }
}
