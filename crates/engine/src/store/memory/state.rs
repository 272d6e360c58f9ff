//! What the memory store holds, and the plainest writing of the store's rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use crate::{
    model::{NodeId, RunId, Timestamp, Version},
    store::{
        Append, AppendOutcome, Archived, BlobHash, Claim, ClaimScope, Definition, InboxId,
        InboxRow, JournalRow, LockQuery, LockRecord, NodeRecord, NodeStatus, Outgoing, Renewal,
        RunFilter, RunRecord, RunStatus, RunUpdate, fleet::PROBATION, lock::LockBatch,
        task::TaskBatch,
    },
};

use super::calendar::Calendars;
use super::locks::Locks;
use super::tasks::Tasks;

#[derive(Debug, Default)]
pub(super) struct State {
    runs: BTreeMap<RunId, Run>,
    keys: HashMap<(String, String), RunId>,
    inbox: BTreeMap<(RunId, InboxId), InboxRow>,
    last_message: i64,
    nodes: BTreeMap<NodeId, Lease>,
    definitions: HashMap<Version, Definition>,
    locks: Locks,
    granted: Vec<RunId>,
    /// Large values.
    pub(super) blobs: BTreeMap<(RunId, BlobHash), Bytes>,
    /// Windows and schedules.
    pub(super) calendars: Calendars,
    /// Calls for pools.
    pub(super) tasks: Tasks,
}

#[derive(Debug)]
struct Run {
    record: RunRecord,
    journal: Vec<JournalRow>,
}

#[derive(Debug)]
struct Lease {
    node: NodeRecord,
    until: Timestamp,
    renewed_at: Timestamp,
    draining: Option<String>,
    /// The last run that it took of which an owner had died before, and until when it takes no
    /// other.
    suspect: Option<(RunId, Timestamp)>,
    /// Set by whoever sees first that the lease has run out; never unset.
    expired: bool,
}

impl Lease {
    fn holds(&self, now: Timestamp) -> bool {
        !self.expired && self.until > now
    }
}

impl State {
    pub(super) fn append(&mut self, append: &Append, now: Timestamp) -> AppendOutcome {
        let row = JournalRow {
            seq: append.seq,
            epoch: append.epoch,
            at: append.at,
            events: append.events.clone(),
        };
        if let Some(run) = self.runs.get_mut(&append.run) {
            let next = run.journal.len() as u64;
            if append.seq != next || append.epoch != run.record.epoch {
                return Self::settle(run, &row);
            }
            run.journal.push(row);
            if let Some(update) = append.update {
                run.update(update.settled(append.at), append.at);
            }
        } else {
            let Some(record) = new_record(append) else { return AppendOutcome::Conflict };
            if let Some(key) = &record.idempotency_key {
                let key = (record.workflow.clone(), key.clone());
                if let Some(&taken) = self.keys.get(&key) {
                    return AppendOutcome::Duplicate(taken);
                }
                self.keys.insert(key, record.id);
            }
            self.runs.insert(append.run, Run { record, journal: vec![row] });
        }
        self.ride_along(append, now);
        AppendOutcome::Committed
    }

    /// What an append that did not go in is: one that is there already, or one that came too late.
    fn settle(run: &Run, row: &JournalRow) -> AppendOutcome {
        let there = usize::try_from(row.seq).ok().and_then(|seq| run.journal.get(seq));
        match there {
            Some(there) if there.epoch == row.epoch && there.events == row.events => {
                AppendOutcome::Committed
            }
            Some(_) | None => AppendOutcome::Conflict,
        }
    }

    fn ride_along(&mut self, append: &Append, now: Timestamp) {
        self.keep(append);
        for id in &append.consumed {
            self.inbox.remove(&(append.run, *id));
        }
        if self.runs.get(&append.run).is_some_and(|run| run.record.status.is_ended()) {
            self.inbox.retain(|(run, _), _| *run != append.run);
        }
        self.send(&append.send);
        if !append.locks.is_empty() {
            let told = self.locks.change(&LockBatch::of([append]));
            self.granted.extend(told.iter().map(|message| message.to));
            self.send(&told);
        }
        if !append.tasks.is_empty() {
            let told = self.tasks.change(&TaskBatch::of([append]), now);
            self.granted.extend(told.iter().map(|message| message.to));
            self.send(&told);
        }
    }

    /// The runs that were granted locks since this was asked last.
    pub(super) fn take_granted(&mut self) -> Vec<RunId> {
        std::mem::take(&mut self.granted)
    }

    pub(super) fn locks(&self, query: &LockQuery) -> Vec<LockRecord> {
        self.locks.list(query)
    }

    pub(super) fn put_definition(&mut self, definition: Definition) {
        self.definitions.entry(definition.version).or_insert(definition);
    }

    pub(super) fn definition(&self, version: Version) -> Option<Definition> {
        self.definitions.get(&version).cloned()
    }

    pub(super) fn definitions(&self, name: Option<&str>) -> Vec<Definition> {
        let mut found: Vec<_> = self
            .definitions
            .values()
            .filter(|definition| name.is_none_or(|name| definition.name == name))
            .cloned()
            .collect();
        found.sort_by(|a, b| (&a.name, b.at, a.version).cmp(&(&b.name, a.at, b.version)));
        found
    }

    pub(super) fn run(&self, run: RunId) -> Option<RunRecord> {
        self.runs.get(&run).map(|run| run.record.clone())
    }

    pub(super) fn of_archive(archived: Archived) -> Self {
        let mut state = Self::default();
        for definition in archived.definitions {
            state.put_definition(definition);
        }
        for (record, journal) in archived.runs {
            state.runs.insert(record.id, Run { record, journal });
        }
        let blobs = archived.blobs.into_iter();
        state.blobs = blobs.map(|(run, blob)| ((run, blob.hash), blob.bytes)).collect();
        state
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &RunRecord> {
        self.runs.values().map(|run| &run.record)
    }

    /// Drops a run.
    pub(super) fn forget(&mut self, run: RunId) {
        self.runs.remove(&run);
        self.keys.retain(|_, taken| *taken != run);
        self.inbox.retain(|(to, _), _| *to != run);
    }

    pub(super) fn find_run(&self, workflow: &str, key: &str) -> Option<RunRecord> {
        self.run(*self.keys.get(&(workflow.to_owned(), key.to_owned()))?)
    }

    pub(super) fn runs(&self, filter: &RunFilter) -> Vec<RunRecord> {
        let wanted = |record: &&RunRecord| {
            (filter.status.is_empty() || filter.status.contains(&record.status))
                && filter.workflow.as_ref().is_none_or(|workflow| *workflow == record.workflow)
                && filter.root.is_none_or(|root| root == record.root)
                && filter.parent.is_none_or(|parent| Some(parent) == record.parent)
                && filter.labels.iter().all(|(name, value)| record.labels.get(name) == Some(value))
                && filter.before.is_none_or(|before| record.id < before)
        };
        let newest_first = self.runs.values().rev().map(|run| &run.record);
        newest_first.filter(wanted).take(filter.limit as usize).cloned().collect()
    }

    pub(super) fn journal(&self, run: RunId, from_seq: u64, limit: u32) -> Vec<JournalRow> {
        let rows = self.runs.get(&run).map_or(&[][..], |run| &run.journal);
        rows.iter().filter(|row| row.seq >= from_seq).take(limit as usize).cloned().collect()
    }

    pub(super) fn journals(&self, runs: &[RunId]) -> Vec<(RunId, JournalRow)> {
        let wanted: BTreeSet<_> = runs.iter().copied().collect();
        let known = wanted.into_iter().filter_map(|id| Some((id, self.runs.get(&id)?)));
        known.flat_map(|(id, run)| run.journal.iter().map(move |row| (id, row.clone()))).collect()
    }

    pub(super) fn claim(
        &mut self,
        node: NodeId,
        scope: ClaimScope,
        limit: u32,
        now: Timestamp,
    ) -> Vec<Claim> {
        for lease in self.nodes.values_mut() {
            lease.expired |= lease.until <= now;
        }
        let Some(claimer) = self.nodes.get(&node).filter(|lease| lease.holds(now)) else {
            return Vec::new();
        };
        let most = claimer.node.quarantine_after;
        self.quarantine(scope, most, now);
        let claimer = &self.nodes[&node];
        if claimer.draining.is_some() {
            return Vec::new();
        }
        let claimer = &claimer.node;
        let suspect = self.suspect(claimer, scope, now);
        let free: Vec<RunId> = self
            .runs
            .values()
            .map(|run| &run.record)
            .filter(|record| scope.root().is_none_or(|root| root == record.root))
            .filter(|record| self.is_free(record, now))
            .filter(|record| record.owner.is_none() || record.takeovers == 0)
            .filter(|record| claimer.fits(&record.requires))
            .map(|record| record.id)
            .chain(suspect)
            .take(limit as usize)
            .collect();
        if let Some(lease) = self.nodes.get_mut(&node)
            && let Some(run) = suspect.filter(|run| free.contains(run))
        {
            lease.suspect = Some((run, now.after(PROBATION)));
        }
        free.into_iter().filter_map(|run| self.take(run, node)).collect()
    }

    fn take(&mut self, run: RunId, node: NodeId) -> Option<Claim> {
        let taken = self.runs.get_mut(&run)?;
        let owner = taken.record.owner;
        let other_to_blame = owner.and_then(|owner| self.nodes.get(&owner)).is_some_and(|lease| {
            lease.suspect.is_some_and(|(id, until)| id != run && until > lease.renewed_at)
        });
        Some(taken.take(node, owner.is_some() && !other_to_blame))
    }

    /// Sets aside what owners died over too often.
    fn quarantine(&mut self, scope: ClaimScope, most: Option<u32>, now: Timestamp) {
        let Some(most) = most else { return };
        let spent: Vec<_> = self
            .orphans(scope, now)
            .filter(|record| record.takeovers >= most)
            .map(|record| record.id)
            .collect();
        for run in spent {
            let Some(run) = self.runs.get_mut(&run) else { continue };
            // A late append of the last owner must not go in.
            run.record.epoch += 1;
            run.record.owner = None;
            run.record.wake_at = None;
            run.record.status = RunStatus::Attention;
            run.record.quarantined_at = Some(now);
            run.record.updated_at = now;
        }
    }

    /// A run over which an owner died before, if the node has not just taken another such run.
    fn suspect(&self, node: &NodeRecord, scope: ClaimScope, now: Timestamp) -> Option<RunId> {
        let last = self.nodes.get(&node.id).and_then(|lease| lease.suspect);
        let last = last.filter(|(_, until)| *until > now).and_then(|(run, _)| self.runs.get(&run));
        let alone =
            last.is_some_and(|run| run.record.owner == Some(node.id) && run.record.takeovers > 0);
        let suspects = self.orphans(scope, now).filter(|record| record.takeovers > 0);
        let mut suspects = suspects.filter(|record| node.fits(&record.requires));
        suspects.next().filter(|_| !alone).map(|record| record.id)
    }

    /// What may be taken from dead owners.
    fn orphans(&self, scope: ClaimScope, now: Timestamp) -> impl Iterator<Item = &RunRecord> {
        let records = self.runs.values().map(|run| &run.record);
        let mine =
            records.filter(move |record| scope.root().is_none_or(|root| root == record.root));
        mine.filter(move |record| record.owner.is_some() && self.is_free(record, now))
    }

    /// Lets a run go on; false if it is not in quarantine.
    pub(super) fn release_quarantine(&mut self, run: RunId, now: Timestamp) -> bool {
        let Some(run) = self.runs.get_mut(&run) else { return false };
        let record = &mut run.record;
        if record.quarantined_at.take().is_none() {
            return false;
        }
        record.takeovers = 0;
        record.status = RunStatus::Waiting;
        record.wake_at = Some(now);
        record.updated_at = now;
        true
    }

    fn is_free(&self, record: &RunRecord, now: Timestamp) -> bool {
        if record.quarantined_at.is_some() {
            return false;
        }
        let nobody = match record.owner {
            None => record.wake_at.is_some_and(|at| at <= now),
            Some(owner) => !self.nodes.get(&owner).is_some_and(|lease| lease.holds(now)),
        };
        let has_mail = || self.mail(record.id).next().is_some();
        match record.status {
            RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled => false,
            RunStatus::Paused | RunStatus::Attention => {
                (nobody || record.owner.is_none()) && has_mail()
            }
            RunStatus::Pending | RunStatus::Running | RunStatus::Waiting => {
                nobody || (record.owner.is_none() && has_mail())
            }
        }
    }

    fn mail(&self, run: RunId) -> impl Iterator<Item = &InboxRow> {
        self.inbox.range((run, InboxId(0))..=(run, InboxId(i64::MAX))).map(|(_, row)| row)
    }

    pub(super) fn send(&mut self, messages: &[Outgoing]) {
        for message in messages {
            let ended = self.runs.get(&message.to).is_some_and(|run| run.record.status.is_ended());
            if ended || self.mail(message.to).any(|row| row.dedup == message.dedup) {
                continue;
            }
            self.last_message += 1;
            let id = InboxId(self.last_message);
            let row = InboxRow {
                id,
                run: message.to,
                dedup: message.dedup.clone(),
                body: message.body.clone(),
            };
            self.inbox.insert((message.to, id), row);
        }
    }

    pub(super) fn inbox(&self, runs: &[RunId]) -> Vec<InboxRow> {
        let wanted: BTreeSet<_> = runs.iter().copied().collect();
        wanted.into_iter().flat_map(|run| self.mail(run)).cloned().collect()
    }

    pub(super) fn owned_with_inbox(&self, node: NodeId, limit: u32) -> Vec<RunId> {
        let with_mail: BTreeSet<RunId> = self.inbox.keys().map(|(run, _)| *run).collect();
        let owned = |run: &RunId| self.runs.get(run).is_some_and(|r| r.record.owner == Some(node));
        with_mail.into_iter().filter(owned).take(limit as usize).collect()
    }

    pub(super) fn next_wake(&self, node: NodeId, scope: ClaimScope) -> Option<Timestamp> {
        let free = self.runs.values().map(|run| &run.record).filter(|run| run.owner.is_none());
        let mine = free.filter(|record| scope.root().is_none_or(|root| root == record.root));
        let node = self.nodes.get(&node).map(|lease| &lease.node);
        let fits = |record: &&RunRecord| match node {
            Some(node) => node.fits(&record.requires),
            None => record.requires.is_empty(),
        };
        mine.filter(fits).filter_map(|record| record.wake_at).min()
    }

    /// Enters the node; false if it is known and its lease has run out.
    pub(super) fn join(&mut self, node: &NodeRecord, until: Timestamp, now: Timestamp) -> bool {
        let owners: BTreeSet<NodeId> = self.runs.values().filter_map(|r| r.record.owner).collect();
        self.nodes.retain(|id, lease| lease.holds(now) || owners.contains(id) || *id == node.id);
        let fresh = || Lease {
            node: node.clone(),
            until,
            renewed_at: now,
            draining: None,
            suspect: None,
            expired: false,
        };
        let lease = self.nodes.entry(node.id).or_insert_with(fresh);
        let holds = lease.holds(now);
        lease.until = if holds { until } else { lease.until };
        holds
    }

    pub(super) fn renew(&mut self, node: NodeId, until: Timestamp, now: Timestamp) -> Renewal {
        match self.nodes.get_mut(&node) {
            Some(lease) if lease.holds(now) => {
                lease.until = until;
                lease.renewed_at = now;
                Renewal::Renewed { now, draining: lease.draining.clone() }
            }
            Some(_) | None => Renewal::Lost,
        }
    }

    pub(super) fn leave(&mut self, node: NodeId, now: Timestamp) {
        for run in self.runs.values_mut().filter(|run| run.record.owner == Some(node)) {
            let status = run.record.status;
            let released = RunUpdate { status, wake_at: Some(now), release: true, version: None };
            run.update(released.settled(now), run.record.updated_at);
        }
        self.nodes.remove(&node);
    }

    pub(super) fn nodes(&self, now: Timestamp) -> Vec<NodeStatus> {
        let owned =
            |node| self.runs.values().filter(|run| run.record.owner == Some(node)).count() as u64;
        let status = |lease: &Lease| NodeStatus {
            node: lease.node.clone(),
            lease_until: lease.until,
            alive: lease.holds(now),
            renewed_at: lease.renewed_at,
            runs: owned(lease.node.id),
            draining: lease.draining.clone(),
        };
        self.nodes.values().map(status).collect()
    }

    /// Notes who wants a node empty; false if it is not known.
    pub(super) fn set_draining(&mut self, node: NodeId, by: Option<&str>) -> bool {
        let lease = self.nodes.get_mut(&node);
        lease.map(|lease| lease.draining = by.map(str::to_owned)).is_some()
    }

    pub(super) fn expire(&mut self, node: NodeId, now: Timestamp) {
        if let Some(lease) = self.nodes.get_mut(&node) {
            lease.expired = true;
            lease.until = lease.until.min(now);
        }
    }
}

impl Run {
    fn update(&mut self, update: RunUpdate, at: Timestamp) {
        self.record.status = update.status;
        self.record.wake_at = update.wake_at;
        self.record.updated_at = at;
        self.record.takeovers = 0;
        self.record.version = update.version.unwrap_or(self.record.version);
        if update.release {
            self.record.owner = None;
        }
    }

    fn take(&mut self, node: NodeId, counts: bool) -> Claim {
        let record = &mut self.record;
        let taken_from = record.owner.replace(node);
        record.takeovers += u32::from(counts);
        record.epoch += 1;
        Claim {
            run: record.id,
            epoch: record.epoch,
            status: record.status,
            version: record.version,
            root: record.root,
            parent: record.parent,
            taken_from,
            takeovers: record.takeovers,
        }
    }
}

fn new_record(append: &Append) -> Option<RunRecord> {
    let (new, update) = append.created()?;
    Some(RunRecord {
        id: append.run,
        workflow: new.workflow.clone(),
        version: new.version,
        idempotency_key: new.idempotency_key.clone(),
        parent: new.parent,
        root: new.root,
        labels: new.labels.clone(),
        requires: new.requires.clone(),
        status: update.status,
        owner: if update.release { None } else { new.owner },
        epoch: append.epoch,
        wake_at: update.wake_at,
        takeovers: 0,
        quarantined_at: None,
        created_at: append.at,
        updated_at: append.at,
    })
}
