//! The state of the model: two nodes, two runs, each run with a device of its own.

/// Whole lease, in ticks.
pub(crate) const TTL: u8 = 3;
/// What its holder uses of it: two thirds (`Lease::granted`).
pub(crate) const USED: u8 = 2;

/// A node: one process, and its row in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// The process is there. A process that is there may be stopped (SIGSTOP) at any moment and
    /// for any time: that is simply a time in which others act and it does not.
    pub(crate) alive: bool,
    /// Ticks for which it may act by its own monotonic clock (`Lease::allows`).
    pub(crate) right: u8,
    /// Ticks for which its row holds by the database's clock.
    pub(crate) lease: u8,
}

/// Who owns a run by the store's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody yet.
    #[default]
    Nobody,
    /// A node, in its present life.
    Node(usize),
    /// A former life of some node, whose lease has run out.
    Gone,
}

/// What a run's journal says of its one step, which must not be repeated blindly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Journal {
    /// It has not started.
    #[default]
    New,
    /// `Started`, nothing held.
    Started,
    /// `Held`: a token, and whether the device still honours it.
    Held { honoured: bool },
    /// `Completed`, or `Observed` as done.
    Done,
}

/// The token that an attempt has in its hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// The one that the journal names.
    Recorded,
    /// One that the journal does not name, and that the device honours.
    Unknown,
    /// One that was revoked.
    Dead,
}

/// How far a node's work on a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Claimed and read; `Claimed` is to be appended.
    Adopted,
    /// To be revoked: what the journal says that the former attempt held.
    Revoking,
    /// To be observed.
    Observing,
    /// The observation saw the write.
    SawDone,
    /// The observation saw none.
    SawNothing,
    /// An attempt may log in.
    Starting,
    /// It has a session, and has not saved it.
    LoggedIn(Token),
    /// It saved its session.
    Holding(Token),
    /// It has checked the fence and is about to send its request.
    Checked(Token),
    /// The device did it.
    Wrote,
}

/// A run in a node's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// Its epoch is the run's present one.
    pub(crate) epoch: bool,
    /// Its next seq is the journal's.
    pub(crate) seq: bool,
    pub(crate) at: At,
}

/// A run in the store, its device, and what the nodes make of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) owner: Owner,
    pub(crate) journal: Journal,
    /// The write took effect.
    pub(crate) written: bool,
    pub(crate) works: [Option<Work>; 2],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) nodes: [Node; 2],
    pub(crate) runs: [Run; 2],
}

impl World {
    /// The same number for worlds that are the same but for the names of nodes and runs.
    pub(crate) fn pack(&self) -> u64 {
        let swapped = self.swapped_nodes();
        self.pack_runs().min(swapped.pack_runs())
    }

    fn swapped_nodes(&self) -> Self {
        let mut other = *self;
        other.nodes.reverse();
        for run in &mut other.runs {
            run.works.reverse();
            if let Owner::Node(node) = run.owner {
                run.owner = Owner::Node(1 - node);
            }
        }
        other
    }

    fn pack_runs(&self) -> u64 {
        let [a, b] = self.runs.map(Run::pack);
        let mut bits = a.min(b) << 21 | a.max(b);
        for node in self.nodes {
            bits = bits << 5 | node.pack();
        }
        bits
    }

    pub(crate) fn unpack(mut bits: u64) -> Self {
        let mut world = Self::default();
        for node in world.nodes.iter_mut().rev() {
            *node = Node::unpack(bits & 31);
            bits >>= 5;
        }
        for run in world.runs.iter_mut().rev() {
            *run = Run::unpack(bits & ((1 << 21) - 1));
            bits >>= 21;
        }
        world
    }
}

impl Node {
    fn pack(self) -> u64 {
        u64::from(self.alive) << 4 | u64::from(self.right) << 2 | u64::from(self.lease)
    }

    fn unpack(bits: u64) -> Self {
        let small = |bits: u64| u8::try_from(bits & 3).unwrap_or(0);
        Self { alive: bits >> 4 & 1 == 1, right: small(bits >> 2), lease: small(bits) }
    }
}

const OWNERS: [Owner; 4] = [Owner::Nobody, Owner::Node(0), Owner::Node(1), Owner::Gone];
const JOURNALS: [Journal; 5] = [
    Journal::New,
    Journal::Started,
    Journal::Held { honoured: true },
    Journal::Held { honoured: false },
    Journal::Done,
];
const PLACES: [At; 15] = [
    At::Adopted,
    At::Revoking,
    At::Observing,
    At::SawDone,
    At::SawNothing,
    At::Starting,
    At::LoggedIn(Token::Unknown),
    At::LoggedIn(Token::Dead),
    At::Holding(Token::Recorded),
    At::Holding(Token::Unknown),
    At::Holding(Token::Dead),
    At::Checked(Token::Recorded),
    At::Checked(Token::Unknown),
    At::Checked(Token::Dead),
    At::Wrote,
];

fn place<T: PartialEq>(all: &[T], it: &T) -> u64 {
    let found = all.iter().position(|one| one == it).expect("every value is listed");
    u64::try_from(found).expect("the lists are short")
}

fn at<T: Copy>(all: &[T], bits: u64) -> T {
    all[usize::try_from(bits).expect("what was packed")]
}

impl Run {
    fn pack(self) -> u64 {
        let mut bits = place(&OWNERS, &self.owner);
        bits = bits << 3 | place(&JOURNALS, &self.journal);
        bits = bits << 1 | u64::from(self.written);
        for work in self.works {
            bits = bits << 6 | work.map_or(0, Work::pack);
        }
        bits
    }

    fn unpack(mut bits: u64) -> Self {
        let mut works = [None; 2];
        for work in works.iter_mut().rev() {
            *work = Work::unpack(bits & 63);
            bits >>= 6;
        }
        Self {
            works,
            written: bits & 1 == 1,
            journal: at(&JOURNALS, bits >> 1 & 7),
            owner: at(&OWNERS, bits >> 4),
        }
    }
}

impl Work {
    fn pack(self) -> u64 {
        (place(&PLACES, &self.at) + 1) << 2 | u64::from(self.epoch) << 1 | u64::from(self.seq)
    }

    fn unpack(bits: u64) -> Option<Self> {
        let place = (bits >> 2).checked_sub(1)?;
        Some(Self { epoch: bits >> 1 & 1 == 1, seq: bits & 1 == 1, at: at(&PLACES, place) })
    }
}
