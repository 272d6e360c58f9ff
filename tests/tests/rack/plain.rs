//! Nothing goes wrong.

use anyhow::{Result, ensure};
use rackwright_tests::{
    look::Look,
    pace::LIMIT,
    place::{Backend, Place},
};
use serde_json::json;

use crate::{
    MACHINES, STEPS,
    shown::{last, number, steps_of},
};

#[tokio::test]
async fn a_rack_is_provisioned_and_every_step_is_told() -> Result<()> {
    let place = Place::new(&Backend::Sqlite).await?;
    let told = place.rack(&[])?.run(LIMIT).await?.expect(0)?.stdout;
    for (number, (step, uses)) in (0..MACHINES).flat_map(|number| STEPS.map(|step| (number, step)))
    {
        let subject = format!("machines[{number}]/provision-server/{step}  ");
        let lines: Vec<_> = told.lines().filter_map(|line| line.split_once(&subject)).collect();
        let says = |what: &str| lines.iter().any(|(_, text)| text.starts_with(what));
        ensure!(says("attempt 1 started") && says("completed in"), "{subject}: {told}");
        ensure!(says("- "), "no sub-task of {subject}: {told}");
        let in_tree = told.lines().filter(|line| line.contains(&format!("✔ {step}  {uses} ")));
        ensure!(in_tree.count() == MACHINES, "{step} is not {MACHINES} times in the tree: {told}");
    }
    for (name, machine) in place.book().standing()? {
        ensure!(machine.status == 4 && machine.commissions == 1, "{name}: {machine:?}");
        ensure!(machine.tags.contains("provisioned"), "{name}: {machine:?}");
        ensure!(machine.lan.0.starts_with("10.20.0."), "{name}: {machine:?}");
    }
    shows_attempts_and_times(&place).await?;
    there_is_nothing_to_resume(&place).await?;
    place.leave().await
}

async fn shows_attempts_and_times(place: &Place) -> Result<()> {
    let run = last(place).await?;
    ensure!(run["record"]["status"] == "completed", "{run}");
    for machine in 0..MACHINES {
        let steps = steps_of(&run, machine)?;
        let names: Vec<_> = steps.iter().map(|step| step["name"].clone()).collect();
        ensure!(names == STEPS.map(|(name, _)| json!(name)), "{names:?}");
        let mut before = 0;
        for step in steps {
            ensure!(step["attempts"].as_array().is_some_and(|it| it.len() == 1), "{step}");
            let attempt = &step["attempts"][0];
            let [start, end] = [number(&attempt["started_at"])?, number(&attempt["ended_at"])?];
            ensure!(before <= start && start <= end, "one after the other: {step}");
            ensure!(attempt["end"]["kind"] == "completed", "{step}");
            ensure!(attempt["subtasks"].as_array().is_some_and(|it| !it.is_empty()), "{step}");
            before = end;
        }
    }
    let text = place.rackwright(&["runs", "show", "last"])?.run(LIMIT).await?.expect(0)?.stdout;
    for word in ["status    completed", "ended ", "✔ commission  maas.commission", "✔ [7] srv008"]
    {
        ensure!(text.contains(word), "`{word}` is missing: {text}");
    }
    Ok(())
}

async fn there_is_nothing_to_resume(place: &Place) -> Result<()> {
    let before = Look::take(place).await?;
    for _ in 0..2 {
        let told = place.rackwright(&["resume"])?.run(LIMIT).await?.expect(0)?;
        ensure!(told.stderr.contains("nothing is unfinished"), "{}", told.all());
    }
    let after = Look::take(place).await?;
    ensure!(after.requests == before.requests, "the lab was asked again");
    after.journals.continues(&before.journals)?;
    before.journals.continues(&after.journals)
}
