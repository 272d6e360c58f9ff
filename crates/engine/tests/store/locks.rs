//! Locks change with appends, and are granted by one rule on every store.

use std::sync::Arc;

use bytes::Bytes;
use rackwright_engine::{
    model::{LockClaim, LockHolder, RunId, Slot},
    store::{
        Append, AppendOutcome, ClaimScope, LockChange, LockQuery, LockRequest, NodeRecord,
        RunStatus,
    },
};

use crate::bench::{Bench, create_owned, each_backend, new_run, node, plain, update};

each_backend!(
    a_free_lock_is_granted_and_told_with_the_append,
    names_above_and_below_exclude_each_other,
    nobody_is_overtaken,
    a_batch_that_is_committed_again_changes_nothing,
    a_zombie_neither_takes_nor_gives_up,
    the_end_of_a_run_gives_up_everything,
    who_is_within_a_holder_is_let_through,
    slots_are_counted_and_shared_out,
    what_is_asked_and_given_up_in_one_turn_is_not_asked,
    locks_are_listed,
    two_writers_never_grant_one_lock_twice,
    a_long_line_is_served_in_its_order,
);

fn lock(name: &str) -> LockClaim {
    LockClaim::lock(name.parse().unwrap())
}

fn slot(name: &str, max: u32, key: &str) -> LockClaim {
    let slot = Slot { max, key: key.to_owned() };
    LockClaim { name: name.parse().unwrap(), slot: Some(slot) }
}

fn request(step: Option<u32>, claims: &[LockClaim]) -> LockRequest {
    LockRequest {
        step,
        label: step.map_or_else(String::new, |step| format!("s{step}")),
        claims: claims.to_vec(),
        within: Vec::new(),
        priority: 0,
        message: Bytes::from(format!("granted {step:?}")),
    }
}

fn want(claims: &[LockClaim]) -> LockChange {
    LockChange::Want(Box::new(request(None, claims)))
}

const RELEASE: LockChange = LockChange::Release { step: None };

fn turn(run: RunId, seq: u64, locks: Vec<LockChange>) -> Append {
    Append { locks, ..plain(run, seq, 1) }
}

/// Fleet that begin and ask, one after the other; returns who holds.
struct Fleet<'a> {
    bench: &'a Bench,
    node: NodeRecord,
    runs: Vec<RunId>,
    seqs: Vec<u64>,
}

impl<'a> Fleet<'a> {
    async fn new(bench: &'a Bench, count: usize) -> Self {
        let node = bench.join(1).await;
        let runs: Vec<_> = (0..count).map(|_| new_run()).collect();
        for part in runs.chunks(200) {
            bench.put(&part.iter().map(|run| create_owned(*run, &node)).collect::<Vec<_>>()).await;
        }
        Self { bench, node, seqs: vec![0; runs.len()], runs }
    }

    async fn change(&mut self, run: usize, locks: Vec<LockChange>) {
        self.seqs[run] += 1;
        self.bench.put(&[turn(self.runs[run], self.seqs[run], locks)]).await;
    }

    /// The numbers of the runs that hold something, by ticket.
    async fn holding(&self) -> Vec<usize> {
        let all = self.bench.store.locks(&LockQuery::All { limit: 100_000 }).await.unwrap();
        let held = all.iter().filter(|it| it.granted_at.is_some());
        held.map(|it| self.runs.iter().position(|run| *run == it.holder.run).unwrap()).collect()
    }

    async fn told(&self, run: usize) -> usize {
        self.bench.mail(self.runs[run]).await.len()
    }
}

async fn a_free_lock_is_granted_and_told_with_the_append(bench: Arc<Bench>) {
    let runs = Fleet::new(&bench, 2).await;
    let mut writer = bench.store.writer().await.unwrap();
    let ask = |run: usize| turn(runs.runs[run], 1, vec![want(&[lock("server/a"), lock("b")])]);
    writer.commit(&[ask(0)]).await.unwrap();
    assert_eq!(writer.take_granted(), [runs.runs[0]]);
    writer.commit(&[ask(1)]).await.unwrap();
    assert_eq!(writer.take_granted(), []);
    let mail = bench.store.inbox(&runs.runs).await.unwrap();
    assert_eq!(mail.len(), 1, "one is told, the other waits");
    assert_eq!((mail[0].run, &mail[0].body[..]), (runs.runs[0], &b"granted None"[..]));
    // What is given up is granted on in the same transaction.
    let change = turn(runs.runs[0], 2, vec![RELEASE]);
    writer.commit(std::slice::from_ref(&change)).await.unwrap();
    assert_eq!(writer.take_granted(), [runs.runs[1]]);
    assert_eq!(runs.told(1).await, 1);
    let held = bench.store.locks(&LockQuery::Run(runs.runs[1])).await.unwrap();
    assert_eq!((held.len(), held[0].granted_at), (1, Some(change.at)));
}

async fn names_above_and_below_exclude_each_other(bench: Arc<Bench>) {
    let mut runs = Fleet::new(&bench, 7).await;
    let names = ["site/rack4", "site/rack4/a", "site", "site/rack40", "site/rack4-1", "x", "x/1/2"];
    for (run, name) in names.iter().enumerate() {
        runs.change(run, vec![want(&[lock(name)])]).await;
    }
    // `site` waits, and what comes after it and is below it waits for it.
    assert_eq!(runs.holding().await, [0, 5]);
    runs.change(0, vec![RELEASE]).await;
    assert_eq!(runs.holding().await, [1, 5]);
    runs.change(1, vec![RELEASE]).await;
    assert_eq!(runs.holding().await, [2, 5]);
    runs.change(2, vec![RELEASE]).await;
    assert_eq!(runs.holding().await, [3, 4, 5]);
    runs.change(5, vec![RELEASE]).await;
    assert_eq!(runs.holding().await, [3, 4, 6]);
}

async fn nobody_is_overtaken(bench: Arc<Bench>) {
    let mut runs = Fleet::new(&bench, 4).await;
    runs.change(0, vec![want(&[lock("a")])]).await;
    runs.change(1, vec![want(&[lock("a"), lock("b")])]).await;
    runs.change(2, vec![want(&[lock("b")])]).await;
    runs.change(3, vec![want(&[lock("c")])]).await;
    assert_eq!(runs.holding().await, [0, 3], "b is free, but somebody waits for it already");
    // Who gives up waiting lets the next one through.
    runs.change(1, vec![RELEASE]).await;
    assert_eq!(runs.holding().await, [0, 2, 3]);
    assert_eq!((runs.told(1).await, runs.told(2).await), (0, 1));
}

async fn a_batch_that_is_committed_again_changes_nothing(bench: Arc<Bench>) {
    let mut runs = Fleet::new(&bench, 2).await;
    let batch = [0, 1].map(|run| turn(runs.runs[run], 1, vec![want(&[lock("a")])]));
    for _ in 0..3 {
        assert_eq!(bench.commit(&batch).await, [AppendOutcome::Committed; 2]);
    }
    runs.seqs = vec![1, 1];
    assert_eq!(runs.holding().await, [0]);
    runs.change(0, vec![RELEASE]).await;
    assert_eq!(bench.commit(&batch).await, [AppendOutcome::Committed; 2]);
    let all = bench.store.locks(&LockQuery::All { limit: 10 }).await.unwrap();
    assert_eq!(all.len(), 1, "what was given up is not asked for again");
    assert_eq!(all[0].holder, LockHolder { run: runs.runs[1], step: None });
}

async fn a_zombie_neither_takes_nor_gives_up(bench: Arc<Bench>) {
    let mut runs = Fleet::new(&bench, 2).await;
    runs.change(0, vec![want(&[lock("a")])]).await;
    let other = bench.join(2).await;
    bench.store.expire(node(1).id).await.unwrap();
    let claims = bench.store.claim(other.id, ClaimScope::All, 10).await.unwrap();
    assert_eq!(claims.len(), 2);
    let zombie =
        [turn(runs.runs[0], 2, vec![RELEASE]), turn(runs.runs[1], 1, vec![want(&[lock("b")])])];
    // A batch of a zombie's and others' rows: only the others' go in.
    let fresh = new_run();
    let begin = Append { locks: vec![want(&[lock("c")])], ..create_owned(fresh, &other) };
    let [one, two] = zombie;
    let outcomes = bench.commit(&[one, begin, two]).await;
    let [conflict, committed] = [AppendOutcome::Conflict, AppendOutcome::Committed];
    assert_eq!(outcomes, [conflict, committed, conflict]);
    let all = bench.store.locks(&LockQuery::All { limit: 10 }).await.unwrap();
    let held: Vec<_> = all.iter().map(|it| (it.holder.run, it.claims.clone())).collect();
    assert_eq!(held, [(runs.runs[0], vec![lock("a")]), (fresh, vec![lock("c")])]);
}

async fn the_end_of_a_run_gives_up_everything(bench: Arc<Bench>) {
    let mut runs = Fleet::new(&bench, 2).await;
    let step = |step, name| LockChange::Want(Box::new(request(Some(step), &[lock(name)])));
    runs.change(0, vec![want(&[lock("a")]), step(1, "b"), step(2, "c")]).await;
    runs.change(1, vec![want(&[lock("a"), lock("b"), lock("c")])]).await;
    assert_eq!(runs.holding().await, [0, 0, 0]);
    let end = Append {
        update: Some(update(RunStatus::Completed, None, true)),
        ..turn(runs.runs[0], 2, vec![LockChange::ReleaseAll])
    };
    bench.put(&[end]).await;
    assert_eq!(runs.holding().await, [1]);
    assert_eq!(runs.told(0).await, 0, "an ended run has no mail");
}

async fn who_is_within_a_holder_is_let_through(bench: Arc<Bench>) {
    let mut runs = Fleet::new(&bench, 4).await;
    runs.change(0, vec![want(&[lock("a")])]).await;
    runs.change(1, vec![want(&[lock("a")])]).await;
    // A child and its sibling, both below what run 0 holds, and with somebody in the line.
    let inside = |name| {
        let within = vec![LockHolder { run: runs.runs[0], step: None }];
        LockChange::Want(Box::new(LockRequest { within, ..request(None, &[lock(name)]) }))
    };
    let (child, sibling) = (inside("a/1"), inside("a/1"));
    runs.change(2, vec![child]).await;
    runs.change(3, vec![sibling]).await;
    assert_eq!(runs.holding().await, [0, 2], "siblings exclude each other");
    runs.change(2, vec![RELEASE]).await;
    assert_eq!(runs.holding().await, [0, 3]);
    runs.change(3, vec![RELEASE]).await;
    runs.change(0, vec![RELEASE]).await;
    assert_eq!(runs.holding().await, [1]);
}

async fn slots_are_counted_and_shared_out(bench: Arc<Bench>) {
    let mut runs = Fleet::new(&bench, 8).await;
    for run in 0..5 {
        runs.change(run, vec![want(&[slot("vcenter/a", 2, "crowd")])]).await;
    }
    runs.change(5, vec![want(&[slot("vcenter/a", 2, "alone")])]).await;
    // Neither another limit nor a lock of that name has to do with it.
    runs.change(6, vec![want(&[slot("vcenter/b", 2, "crowd"), lock("vcenter/a")])]).await;
    assert_eq!(runs.holding().await, [0, 1, 6]);
    runs.change(0, vec![RELEASE]).await;
    assert_eq!(runs.holding().await, [1, 5, 6], "the key that has the fewest comes first");
    let urgent = LockRequest { priority: 9, ..request(None, &[slot("vcenter/a", 2, "crowd")]) };
    runs.change(7, vec![LockChange::Want(Box::new(urgent))]).await;
    runs.change(5, vec![RELEASE]).await;
    assert_eq!(runs.holding().await, [1, 6, 7], "priority comes before that");
    runs.change(1, vec![RELEASE]).await;
    assert_eq!(runs.holding().await, [2, 6, 7]);
}

async fn what_is_asked_and_given_up_in_one_turn_is_not_asked(bench: Arc<Bench>) {
    let mut runs = Fleet::new(&bench, 1).await;
    runs.change(0, vec![want(&[lock("a")]), RELEASE]).await;
    assert_eq!(runs.holding().await, [] as [usize; 0]);
    runs.change(0, vec![want(&[lock("a")])]).await;
    // Another request of the same holder takes the place of its first one.
    runs.change(0, vec![RELEASE, want(&[lock("b")])]).await;
    let all = bench.store.locks(&LockQuery::All { limit: 10 }).await.unwrap();
    assert_eq!(all.iter().map(|it| it.claims.clone()).collect::<Vec<_>>(), [vec![lock("b")]]);
    assert_eq!(runs.told(0).await, 2);
}

async fn locks_are_listed(bench: Arc<Bench>) {
    let mut runs = Fleet::new(&bench, 3).await;
    let within = vec![LockHolder { run: runs.runs[0], step: None }];
    let step = LockRequest {
        within: within.clone(),
        priority: 3,
        ..request(Some(7), &[lock("a/1"), slot("s", 4, "k")])
    };
    runs.change(0, vec![want(&[lock("a")])]).await;
    runs.change(0, vec![LockChange::Want(Box::new(step))]).await;
    runs.change(1, vec![want(&[lock("a/1/x")])]).await;
    runs.change(2, vec![want(&[lock("a/2")])]).await;
    let own = bench.store.locks(&LockQuery::Run(runs.runs[0])).await.unwrap();
    assert_eq!(own.len(), 2);
    assert_eq!((own[1].label.as_str(), own[1].priority), ("s7", 3));
    assert_eq!(own[1].claims, [lock("a/1"), slot("s", 4, "k")]);
    assert_eq!((&own[1].within, own[1].holder.step), (&within, Some(7)));
    let about = LockQuery::Touching(vec![lock("a/1/x")]);
    let touching = bench.store.locks(&about).await.unwrap();
    let who: Vec<_> = touching.iter().map(|it| it.holder.run).collect();
    assert_eq!(who, [runs.runs[0], runs.runs[0], runs.runs[1]]);
    let about = LockQuery::Touching(vec![slot("s", 1, "")]);
    assert_eq!(bench.store.locks(&about).await.unwrap().len(), 1);
    assert_eq!(bench.store.locks(&LockQuery::All { limit: 2 }).await.unwrap().len(), 2);
}

async fn two_writers_never_grant_one_lock_twice(bench: Arc<Bench>) {
    const ROUNDS: u64 = 40;
    let runs = Fleet::new(&bench, 6).await;
    let work = |me: usize| {
        let (bench, runs) = (Arc::clone(&bench), runs.runs.clone());
        tokio::spawn(async move {
            let mut writer = bench.store.writer().await.unwrap();
            for seq in 1..=ROUNDS {
                let change = |run: &RunId| {
                    let name = format!("a/{}", seq % 3);
                    let names = if seq % 4 == 1 { vec![lock("a")] } else { vec![lock(&name)] };
                    turn(*run, seq, if seq % 2 == 1 { vec![want(&names)] } else { vec![RELEASE] })
                };
                let batch: Vec<_> = runs.iter().skip(me).step_by(2).map(change).collect();
                writer.commit(&batch).await.unwrap();
                let all = bench.store.locks(&LockQuery::All { limit: 100 }).await.unwrap();
                let held: Vec<_> = all.iter().filter(|it| it.granted_at.is_some()).collect();
                for (at, one) in held.iter().enumerate() {
                    let clash = |other: &&&_| {
                        let other: &rackwright_engine::store::LockRecord = other;
                        one.claims[0].name.conflicts(&other.claims[0].name)
                    };
                    assert!(!held[..at].iter().any(|it| clash(&it)), "{held:#?}");
                }
                let first = all.first().is_none_or(|it| it.granted_at.is_some());
                assert!(first, "the first in the line waits: {all:#?}");
            }
        })
    };
    let (one, two) = tokio::join!(work(0), work(1));
    one.unwrap();
    two.unwrap();
    assert_eq!(bench.store.locks(&LockQuery::All { limit: 10 }).await.unwrap(), []);
}

async fn a_long_line_is_served_in_its_order(bench: Arc<Bench>) {
    let count = 300;
    let runs = Fleet::new(&bench, count).await;
    let asks = |run: &RunId| turn(*run, 1, vec![want(&[lock("server/a")])]);
    for part in runs.runs.chunks(50) {
        bench.put(&part.iter().map(asks).collect::<Vec<_>>()).await;
    }
    let mut writer = bench.store.writer().await.unwrap();
    for (at, run) in runs.runs.iter().enumerate() {
        writer.commit(&[turn(*run, 2, vec![RELEASE])]).await.unwrap();
        assert_eq!(writer.take_granted(), runs.runs.get(at + 1).copied().as_slice());
    }
    let _ = &runs.node;
}
