//! Locks in SQLite. There is one writer: the transaction of a batch is alone with them.

use serde_json::json;
use sqlx::{Row, query};

use super::{
    batch::to_json,
    rows,
    writer::{Held, Statement},
};
use crate::{
    model::{LockClaim, RunId},
    store::{
        Append, LockRecord, LockRequest, StoreError,
        grant::grantable,
        lock::{LockBatch, Neighbours, read_claims, stored_name, stored_step},
        sql::failed,
    },
};

const DOING: &str = "changing locks";

impl Held<'_> {
    /// Carries out the lock changes of a batch. Returns the runs that were granted something.
    pub(super) async fn change_locks(
        &mut self,
        appends: impl Iterator<Item = &Append>,
    ) -> Result<Vec<RunId>, StoreError> {
        let batch = LockBatch::of(appends);
        let mut changed = Vec::new();
        for (run, step) in &batch.released {
            self.release(*run, Some(stored_step(*step)), &mut changed).await?;
        }
        for run in &batch.released_runs {
            self.release(*run, None, &mut changed).await?;
        }
        for (run, request) in &batch.wanted {
            self.want(*run, request, batch.at.micros()).await?;
            changed.extend(request.claims.iter().cloned());
        }
        let touched = self.neighbours(&changed).await?;
        let waiting: Vec<_> = touched.iter().filter(|it| it.granted_at.is_none()).collect();
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.neighbours(waiting.iter().flat_map(|it| &it.claims)).await?;
        let granted = grantable(&all);
        let granted: Vec<_> = waiting.iter().filter(|it| granted.contains(&it.ticket)).collect();
        if !granted.is_empty() {
            let tickets = to_json(&granted.iter().map(|it| it.ticket).collect::<Vec<_>>())?;
            let grant = query(include_str!("sql/lock_grant.sql"));
            self.execute(DOING, grant.bind(&tickets).bind(batch.at.micros())).await?;
            let tell = query(include_str!("sql/lock_tell.sql"));
            self.execute(DOING, tell.bind(&tickets)).await?;
        }
        Ok(granted.iter().map(|it| it.holder.run).collect())
    }

    async fn release(
        &mut self,
        run: RunId,
        step: Option<i64>,
        changed: &mut Vec<LockClaim>,
    ) -> Result<(), StoreError> {
        let release = query(include_str!("sql/lock_release.sql")).bind(run.0).bind(step);
        for row in self.all(DOING, release).await? {
            changed.extend(read_claims(row.try_get(0).map_err(failed(DOING))?)?);
        }
        Ok(())
    }

    async fn want(&mut self, run: RunId, request: &LockRequest, at: i64) -> Result<(), StoreError> {
        let want = query(include_str!("sql/lock_want.sql"))
            .bind(run.0)
            .bind(stored_step(request.step))
            .bind(&request.label)
            .bind(to_json(&request.claims)?)
            .bind(to_json(&request.within)?)
            .bind(i64::from(request.priority))
            .bind(&request.message[..])
            .bind(at);
        self.execute(DOING, want).await?;
        let names: Vec<_> = request.claims.iter().map(stored_name).collect();
        let names = query(include_str!("sql/lock_names.sql")).bind(to_json(&names)?);
        self.execute(DOING, names).await.map(drop)
    }

    async fn neighbours(
        &mut self,
        claims: impl IntoIterator<Item = &LockClaim>,
    ) -> Result<Vec<LockRecord>, StoreError> {
        let rows = self.all(DOING, neighbours(claims)?).await?;
        rows.iter().map(rows::lock_record).collect()
    }
}

/// The question of `lock_neighbours.sql`.
pub(super) fn neighbours<'a>(
    claims: impl IntoIterator<Item = &'a LockClaim>,
) -> Result<Statement<'static>, StoreError> {
    let Neighbours { exact, from, below } = Neighbours::of(claims);
    let ranges: Vec<_> =
        from.iter().zip(&below).map(|(from, below)| json!([from, below])).collect();
    let find = query(include_str!("sql/lock_neighbours.sql"));
    Ok(find.bind(to_json(&exact)?).bind(to_json(&ranges)?))
}
