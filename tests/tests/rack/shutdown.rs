//! Ctrl-C in the middle.

use anyhow::{Context, Result, ensure};
use rackwright_engine::RunStatus;
use rackwright_tests::{
    journal::effects,
    look::Look,
    pace::LIMIT,
    place::{Backend, Place},
};

/// After so many requests some machines are done and others not yet begun.
const MIDDLE: usize = 100;

#[tokio::test]
async fn interrupted_on_sqlite() -> Result<()> {
    interrupted(&Backend::Sqlite).await
}

#[tokio::test]
async fn interrupted_on_postgres() -> Result<()> {
    match Backend::postgres() {
        Some(backend) => interrupted(&backend).await,
        None => Ok(()),
    }
}

async fn interrupted(backend: &Backend) -> Result<()> {
    let place = Place::new(backend).await?;
    let book = place.book();
    let mut process = place.rack(&[])?.start()?;
    let middle = |_: &_| Ok(book.records()?.len() >= MIDDLE);
    process.until("the middle of the run", LIMIT, middle).await?;
    process.interrupt()?;
    let ended = process.wait(LIMIT).await?.expect(130)?;
    let look = Look::take(&place).await?;
    let root = look.journals.0.values().find(|run| run.record.parent.is_none());
    let root = root.context("there is no run")?.record.id;
    let hint = format!("rackwright resume {root}");
    ensure!(ended.stderr.contains(&hint), "`{hint}` is missing: {}", ended.stderr);
    ensure!(!look.completed.is_empty(), "nothing was recorded");
    ensure!(!look.journals.all(RunStatus::Completed), "the run went on to its end");
    place.resume(&[&root.to_string()]).await?.expect(0)?;
    let after = Look::take(&place).await?;
    ensure!(after.journals.all(RunStatus::Completed), "not every run has completed");
    after.journals.continues(&look.journals)?;
    let found = after.journals.findings(&effects()?);
    ensure!(found.breaches.is_empty(), "{:?}", found.breaches);
    let repeated = look.repeated(&place)?;
    ensure!(repeated.is_empty(), "repeated: {repeated:?}");
    for (name, machine) in book.standing()? {
        ensure!(machine.commissions == 1, "{name}: {machine:?}");
        ensure!(machine.tags.contains("provisioned"), "{name}: {machine:?}");
    }
    place.leave().await
}
