//! Machines that fail.

use anyhow::{Context, Result, ensure};
use rackwright_engine::RunStatus;
use rackwright_tests::{
    look::Look,
    pace::LIMIT,
    place::{Backend, Place},
};

use crate::{
    MACHINES,
    shown::{last, number, steps_of},
};

/// `delay: 2s` with `jitter: 0.1`, in microseconds.
const DELAY: std::ops::RangeInclusive<i64> = 1_800_000..=2_200_000;

#[tokio::test]
async fn what_fails_once_is_tried_again_after_a_delay() -> Result<()> {
    let place = Place::new(&Backend::Sqlite).await?;
    let fault = ["--lab-fault", "commission_fails_once"];
    let told = place.rack(&fault)?.run(LIMIT).await?.expect(0)?.stdout;
    let run = last(&place).await?;
    for machine in 0..MACHINES {
        let subject = format!("machines[{machine}]/provision-server/commission  ");
        let says =
            |what: &str| told.lines().any(|line| line.contains(&subject) && line.contains(what));
        ensure!(says("failed: maas.commission_failed") && says("next attempt in "), "{told}");
        ensure!(says("attempt 2 started"), "{told}");
        let attempts = &steps_of(&run, machine)?[0]["attempts"];
        ensure!(attempts.as_array().is_some_and(|it| it.len() == 2), "{attempts}");
        let end = &attempts[0]["end"];
        ensure!(end["error"]["code"] == "maas.commission_failed", "{attempts}");
        let due = number(&end["retry_at"])?;
        let delay = due - number(&attempts[0]["ended_at"])?;
        ensure!(DELAY.contains(&delay), "a delay of {delay} µs: {attempts}");
        ensure!(number(&attempts[1]["started_at"])? >= due, "too early: {attempts}");
        ensure!(attempts[1]["end"]["kind"] == "completed", "{attempts}");
    }
    ensure!(told.matches("↻ tried again after ").count() == MACHINES, "{told}");
    let standing = place.book().standing()?;
    ensure!(standing.values().all(|machine| machine.commissions == 2), "{standing:?}");
    place.leave().await
}

#[tokio::test]
async fn a_machine_that_always_fails_is_named_and_the_others_complete() -> Result<()> {
    let place = Place::new(&Backend::Sqlite).await?;
    let fault = ["--lab-fault", "commission_always_fails@srv003"];
    let told = place.rack(&fault)?.run(LIMIT).await?.expect(1)?.stdout;
    let (_, ending) = told.split_once("\n1 error:").context("the errors at the end")?;
    for word in [
        "machines[2]/provision-server/commission",
        "srv003",
        "3 attempts",
        "maas.commission_failed",
        "the commissioning failed",
        "maas-capture-macs",
        "while: ",
        "hint: ",
    ] {
        ensure!(ending.contains(word), "`{word}` is missing: {ending}");
    }
    let run = last(&place).await?;
    ensure!(run["record"]["status"] == "failed", "{run}");
    let failed = &steps_of(&run, 2)?[0];
    ensure!(failed["status"] == "failed" && failed["name"] == "commission", "{failed}");
    for (name, machine) in place.book().standing()? {
        let bad = name == "srv003";
        ensure!(machine.tags.contains("provisioned") != bad, "{name}: {machine:?}");
        ensure!(machine.commissions == if bad { 3 } else { 1 }, "{name}: {machine:?}");
    }
    let runs = Look::take(&place).await?.journals.0;
    let ended = |status| runs.values().filter(|run| run.record.status == status).count();
    ensure!((ended(RunStatus::Completed), ended(RunStatus::Failed)) == (7, 2), "{:?}", runs.keys());
    place.leave().await
}
