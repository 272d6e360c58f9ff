//! Batches turned into columns, for `unnest`.

use sqlx::{Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

use crate::store::{
    Append, RunStatus, StoreError,
    sql::{labels_text, signed},
};

type Statement = Query<'static, Postgres, PgArguments>;

/// The journal rows of a batch.
#[derive(Default)]
pub(super) struct Rows {
    runs: Vec<Uuid>,
    seqs: Vec<i64>,
    epochs: Vec<i64>,
    ats: Vec<i64>,
}

impl Rows {
    pub(super) fn of(batch: &[(usize, &Append)]) -> Result<Self, StoreError> {
        let mut rows = Self {
            runs: Vec::with_capacity(batch.len()),
            seqs: Vec::with_capacity(batch.len()),
            epochs: Vec::with_capacity(batch.len()),
            ats: Vec::with_capacity(batch.len()),
        };
        for (_, append) in batch {
            rows.runs.push(append.run.0);
            rows.seqs.push(signed(append.seq)?);
            rows.epochs.push(signed(append.epoch)?);
            rows.ats.push(append.at.micros());
        }
        Ok(rows)
    }

    /// Binds run, seq, epoch, at and events.
    pub(super) fn bind(&self, statement: Statement, batch: &[(usize, &Append)]) -> Statement {
        statement
            .bind(&self.runs)
            .bind(&self.seqs)
            .bind(&self.epochs)
            .bind(&self.ats)
            .bind(events(batch))
    }

    /// Binds what `settle.sql` asks about.
    pub(super) fn bind_settle(
        &self,
        statement: Statement,
        batch: &[(usize, &Append)],
    ) -> Statement {
        let created = || batch.iter().map(|(_, append)| append.create.as_deref());
        let workflows: Vec<_> = created().map(|new| Some(new?.workflow.as_str())).collect();
        let keys: Vec<_> = created().map(|new| new?.idempotency_key.as_deref()).collect();
        statement
            .bind(&self.runs)
            .bind(&self.seqs)
            .bind(&self.epochs)
            .bind(events(batch))
            .bind(workflows)
            .bind(keys)
    }
}

fn events<'a>(batch: &[(usize, &'a Append)]) -> Vec<&'a [u8]> {
    batch.iter().map(|(_, append)| &append.events[..]).collect()
}

/// The runs that a batch makes, sorted by key.
#[derive(Default)]
pub(super) struct Created<'a> {
    ids: Vec<Uuid>,
    workflows: Vec<&'a str>,
    versions: Vec<&'a [u8]>,
    keys: Vec<Option<&'a str>>,
    parents: Vec<Option<Uuid>>,
    roots: Vec<Uuid>,
    labels: Vec<String>,
    statuses: Vec<&'static str>,
    owners: Vec<Option<Uuid>>,
    epochs: Vec<i64>,
    wakes: Vec<Option<i64>>,
    ats: Vec<i64>,
    requires: Vec<Option<String>>,
}

impl<'a> Created<'a> {
    pub(super) fn of(batch: &[(usize, &'a Append)]) -> Result<Self, StoreError> {
        let mut created: Vec<_> =
            batch.iter().filter_map(|(_, append)| Some((*append, append.created()?))).collect();
        created.sort_by(|(_, (a, _)), (_, (b, _))| {
            (&a.workflow, &a.idempotency_key).cmp(&(&b.workflow, &b.idempotency_key))
        });
        let mut columns = Self::default();
        for (append, (new, update)) in created {
            let labels = labels_text(&new.labels)?;
            let requires = new.requires();
            columns.requires.push(requires.map(labels_text).transpose()?);
            columns.ids.push(append.run.0);
            columns.workflows.push(&new.workflow);
            columns.versions.push(&new.version.0);
            columns.keys.push(new.idempotency_key.as_deref());
            columns.parents.push(new.parent.map(|run| run.0));
            columns.roots.push(new.root.0);
            columns.labels.push(labels);
            columns.statuses.push(update.status.as_str());
            columns.owners.push(new.owner.filter(|_| !update.release).map(|node| node.0));
            columns.epochs.push(signed(append.epoch)?);
            columns.wakes.push(update.wake_at.map(crate::model::Timestamp::micros));
            columns.ats.push(append.at.micros());
        }
        Ok(columns)
    }

    /// What the runs ask of their nodes: bound behind everything else.
    pub(super) fn take_requires(&mut self) -> Vec<Option<String>> {
        std::mem::take(&mut self.requires)
    }

    pub(super) fn bind(self, statement: Statement) -> Statement {
        statement
            .bind(self.ids)
            .bind(self.workflows)
            .bind(self.versions)
            .bind(self.keys)
            .bind(self.parents)
            .bind(self.roots)
            .bind(self.labels)
            .bind(self.statuses)
            .bind(self.owners)
            .bind(self.epochs)
            .bind(self.wakes)
            .bind(self.ats)
    }
}

/// What a batch changes beside the journal.
#[derive(Default)]
pub(super) struct Rides<'a> {
    changed: Vec<Uuid>,
    statuses: Vec<&'static str>,
    wakes: Vec<Option<i64>>,
    releases: Vec<bool>,
    ats: Vec<i64>,
    ended: Vec<bool>,
    readers: Vec<Uuid>,
    read: Vec<i64>,
    senders: Vec<Uuid>,
    receivers: Vec<Uuid>,
    keys: Vec<&'a str>,
    bodies: Vec<&'a [u8]>,
}

impl<'a> Rides<'a> {
    pub(super) fn of(batch: &[(usize, &'a Append)]) -> Self {
        let mut rides = Self::default();
        for (_, append) in batch {
            rides.add(append);
        }
        rides
    }

    fn add(&mut self, append: &'a Append) {
        // A new run's row is made with its update in it.
        if let (Some(update), None) = (append.update, &append.create) {
            let update = update.settled(append.at);
            self.changed.push(append.run.0);
            self.statuses.push(RunStatus::as_str(update.status));
            self.wakes.push(update.wake_at.map(crate::model::Timestamp::micros));
            self.releases.push(update.release);
            self.ats.push(append.at.micros());
            self.ended.push(update.status.is_ended());
        }
        for id in &append.consumed {
            self.readers.push(append.run.0);
            self.read.push(id.0);
        }
        for message in &append.send {
            self.senders.push(append.run.0);
            self.receivers.push(message.to.0);
            self.keys.push(&message.dedup);
            self.bodies.push(&message.body);
        }
    }

    pub(super) fn bind(self, statement: Statement) -> Statement {
        statement
            .bind(self.changed)
            .bind(self.statuses)
            .bind(self.wakes)
            .bind(self.releases)
            .bind(self.ats)
            .bind(self.ended)
            .bind(self.readers)
            .bind(self.read)
            .bind(self.senders)
            .bind(self.receivers)
            .bind(self.keys)
            .bind(self.bodies)
    }
}

/// Binds the versions of the changes that [`Rides`] binds, in their order.
pub(super) fn bind_versions(statement: Statement, batch: &[(usize, &Append)]) -> Statement {
    let changes = batch.iter().filter(|(_, append)| append.create.is_none());
    let versions = changes.filter_map(|(_, append)| append.update).map(|update| update.version);
    statement.bind(versions.map(|version| version.map(|it| it.0.to_vec())).collect::<Vec<_>>())
}

/// Binds the large values of a batch: run, hash and bytes of each.
pub(super) fn bind_blobs(statement: Statement, batch: &[(usize, &Append)]) -> Statement {
    let blobs = || batch.iter().flat_map(|(_, it)| it.blobs.iter().map(|blob| (it.run.0, blob)));
    let runs: Vec<_> = blobs().map(|(run, _)| run).collect();
    let hashes: Vec<_> = blobs().map(|(_, blob)| &blob.hash.0[..]).collect();
    let bytes: Vec<_> = blobs().map(|(_, blob)| &blob.bytes[..]).collect();
    statement.bind(runs).bind(hashes).bind(bytes)
}
