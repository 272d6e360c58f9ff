//! Locks in PostgreSQL: an append that changes some is a transaction of several statements, alone
//! with the locks by an advisory lock. Appends that change none don't know of it.

use sqlx::{Executor, PgConnection, Row, query};
use uuid::Uuid;

use super::{Statement, connect::within, rows};
use crate::{
    model::{LockClaim, RunId},
    store::{
        Append, LockRecord, StoreError,
        grant::grantable,
        lock::{LockBatch, Neighbours, read_claims, stored_name, stored_step, to_json},
        sql::failed,
    },
};

const DOING: &str = "changing locks";

/// Waits until nobody else changes locks, until the end of the transaction.
pub(super) async fn hold(connection: &mut PgConnection) -> Result<(), StoreError> {
    within(DOING, connection.execute(query(include_str!("sql/lock_hold.sql")))).await.map(drop)
}

/// Carries out the lock changes of those appends of a batch that went in. Returns the runs that
/// were granted something.
pub(super) async fn change(
    connection: &mut PgConnection,
    appends: impl Iterator<Item = &Append>,
) -> Result<Vec<RunId>, StoreError> {
    let batch = LockBatch::of(appends);
    let mut changed = release(connection, &batch).await?;
    if !batch.wanted.is_empty() {
        within(DOING, connection.execute(want(&batch)?)).await?;
        changed.extend(batch.wanted.iter().flat_map(|(_, it)| it.claims.iter().cloned()));
    }
    let touched = touching(connection, &changed).await?;
    let waiting: Vec<_> = touched.iter().filter(|it| it.granted_at.is_none()).collect();
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let all = touching(connection, waiting.iter().flat_map(|it| &it.claims)).await?;
    let granted = grantable(&all);
    let granted: Vec<_> = waiting.iter().filter(|it| granted.contains(&it.ticket)).collect();
    if !granted.is_empty() {
        let tickets: Vec<_> = granted.iter().map(|it| it.ticket).collect();
        let grant = query(include_str!("sql/lock_grant.sql"));
        let grant = grant.bind(tickets).bind(batch.at.micros());
        within(DOING, connection.execute(grant)).await?;
    }
    Ok(granted.iter().map(|it| it.holder.run).collect())
}

async fn release(
    connection: &mut PgConnection,
    batch: &LockBatch<'_>,
) -> Result<Vec<LockClaim>, StoreError> {
    let runs: Vec<_> = batch.released.iter().map(|(run, _)| run.0).collect();
    let steps: Vec<_> = batch.released.iter().map(|(_, step)| stored_step(*step)).collect();
    let whole: Vec<_> = batch.released_runs.iter().map(|run| run.0).collect();
    let release = query(include_str!("sql/lock_release.sql")).bind(runs).bind(steps).bind(whole);
    let mut changed = Vec::new();
    for row in within(DOING, connection.fetch_all(release)).await? {
        changed.extend(read_claims(row.try_get(0).map_err(failed(DOING))?)?);
    }
    Ok(changed)
}

/// The parameters of `lock_want.sql`.
fn want(batch: &LockBatch<'_>) -> Result<Statement<'static>, StoreError> {
    let wanted = || batch.wanted.iter().map(|(_, request)| request);
    let runs: Vec<_> = batch.wanted.iter().map(|(run, _)| run.0).collect();
    let steps: Vec<_> = wanted().map(|it| stored_step(it.step)).collect();
    let labels: Vec<_> = wanted().map(|it| it.label.clone()).collect();
    let claims = wanted().map(|it| to_json(&it.claims)).collect::<Result<Vec<_>, _>>()?;
    let within = wanted().map(|it| to_json(&it.within)).collect::<Result<Vec<_>, _>>()?;
    let priorities: Vec<_> = wanted().map(|it| i64::from(it.priority)).collect();
    let messages: Vec<_> = wanted().map(|it| it.message.to_vec()).collect();
    let mut names: (Vec<Uuid>, Vec<i64>, Vec<String>) = Default::default();
    for (run, request) in &batch.wanted {
        for claim in &request.claims {
            names.0.push(run.0);
            names.1.push(stored_step(request.step));
            names.2.push(stored_name(claim));
        }
    }
    Ok(query(include_str!("sql/lock_want.sql"))
        .bind(runs)
        .bind(steps)
        .bind(labels)
        .bind(claims)
        .bind(within)
        .bind(priorities)
        .bind(messages)
        .bind(batch.at.micros())
        .bind(names.0)
        .bind(names.1)
        .bind(names.2))
}

async fn touching(
    connection: &mut PgConnection,
    claims: impl IntoIterator<Item = &LockClaim>,
) -> Result<Vec<LockRecord>, StoreError> {
    let rows = within(DOING, connection.fetch_all(neighbours(claims))).await?;
    rows.iter().map(rows::lock_record).collect()
}

/// The question of `lock_neighbours.sql`.
pub(super) fn neighbours<'a>(
    claims: impl IntoIterator<Item = &'a LockClaim>,
) -> Statement<'static> {
    let Neighbours { exact, from, below } = Neighbours::of(claims);
    query(include_str!("sql/lock_neighbours.sql")).bind(exact).bind(from).bind(below)
}
