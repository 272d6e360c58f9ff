//! Locks in memory.

use bytes::Bytes;

use crate::{
    model::{LockClaim, LockHolder},
    store::{
        LockQuery, LockRecord, Outgoing,
        grant::grantable,
        lock::{LockBatch, message_key},
    },
};

#[derive(Debug, Default)]
pub(super) struct Locks {
    /// By ticket.
    live: Vec<(LockRecord, Bytes)>,
    last: i64,
}

impl Locks {
    /// Carries out the changes of an append. Returns what the granted are told.
    pub(super) fn change(&mut self, batch: &LockBatch<'_>) -> Vec<Outgoing> {
        let mut changed: Vec<LockClaim> = Vec::new();
        for (gone, _) in self.live.extract_if(.., |(request, _)| {
            let LockHolder { run, step } = request.holder;
            batch.released.contains(&(run, step)) || batch.released_runs.contains(&run)
        }) {
            changed.extend(gone.claims);
        }
        for (run, request) in &batch.wanted {
            self.last += 1;
            changed.extend(request.claims.iter().cloned());
            let record = LockRecord {
                ticket: self.last,
                holder: LockHolder { run: *run, step: request.step },
                label: request.label.clone(),
                claims: request.claims.clone(),
                within: request.within.clone(),
                priority: request.priority,
                wanted_at: batch.at,
                granted_at: None,
            };
            self.live.push((record, request.message.clone()));
        }
        let touched = self.touching(&changed);
        let waiting: Vec<_> = touched.iter().filter(|it| it.granted_at.is_none()).collect();
        let claims: Vec<_> = waiting.iter().flat_map(|it| it.claims.iter().cloned()).collect();
        let mut grants = grantable(&self.touching(&claims));
        grants.retain(|ticket| waiting.iter().any(|it| it.ticket == *ticket));
        let mut told = Vec::new();
        for (request, message) in &mut self.live {
            if grants.contains(&request.ticket) {
                request.granted_at = Some(batch.at);
                let dedup = message_key(request.ticket);
                told.push(Outgoing { to: request.holder.run, dedup, body: message.clone() });
            }
        }
        told
    }

    fn touching(&self, claims: &[LockClaim]) -> Vec<LockRecord> {
        let touches = |request: &&LockRecord| {
            let mut mine = request.claims.iter();
            mine.any(|mine| claims.iter().any(|claim| touch(mine, claim)))
        };
        self.live.iter().map(|(request, _)| request).filter(touches).cloned().collect()
    }

    pub(super) fn list(&self, query: &LockQuery) -> Vec<LockRecord> {
        let all = self.live.iter().map(|(request, _)| request);
        match query {
            LockQuery::All { limit } => all.take(*limit as usize).cloned().collect(),
            LockQuery::Run(run) => all.filter(|it| it.holder.run == *run).cloned().collect(),
            LockQuery::Touching(claims) => self.touching(claims),
        }
    }
}

fn touch(a: &LockClaim, b: &LockClaim) -> bool {
    match (&a.slot, &b.slot) {
        (None, None) => a.name.conflicts(&b.name),
        (Some(_), Some(_)) => a.name == b.name,
        (None, Some(_)) | (Some(_), None) => false,
    }
}
