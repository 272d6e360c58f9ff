//! Two processes on one PostgreSQL, with a lab that outlives both.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rackwright_engine::{RunStatus, machine::Event, model::Timestamp};
use rackwright_tests::{
    book::Book,
    journal::{Journals, effects},
    look::Look,
    pace::{LIMIT, SPEED},
    place::{Backend, Place, RACK},
    process::{Process, Rackwright},
};
use serde_json::Value;

/// A lab in a process of its own, and the files that tell others of it.
struct Site<'a> {
    place: &'a Place,
    lab: Process,
    credentials: PathBuf,
    inventory: PathBuf,
}

impl<'a> Site<'a> {
    async fn start(place: &'a Place) -> Result<Self> {
        let dir = place.lab();
        let dir = dir.to_str().context("a path in UTF-8")?;
        let serve = ["lab", "8", "--json", "--lab-speed", SPEED, "--lab-dir", dir];
        let mut lab = place.rackwright(&serve)?.start()?;
        lab.until("the lab is served", LIMIT, |lab| Ok(lab.printed()?.ends_with('\n'))).await?;
        let told: Value = serde_json::from_str(&lab.printed()?)?;
        let inventory = place.path().join("rack.json");
        fs::write(&inventory, told["inventory"].to_string())?;
        let credentials = place.path().join("credentials.toml");
        let maas = told["maas"].as_str().context("the address of MAAS")?;
        write_credentials(&credentials, maas, &place.book())?;
        Ok(Self { place, lab, credentials, inventory })
    }

    fn rackwright(&self, arguments: &[&str]) -> Result<Rackwright> {
        let path = self.credentials.to_str().context("a path in UTF-8")?;
        self.place.rackwright(&[arguments, &["--credentials", path]].concat())
    }

    fn run(&self) -> Result<Rackwright> {
        let input = self.inventory.to_str().context("a path in UTF-8")?;
        self.rackwright(&["run", RACK, "--input-file", input])
    }
}

fn write_credentials(path: &Path, maas: &str, book: &Book) -> Result<()> {
    let secrets = book.rack()?.context("there is no lab.json")?.secrets;
    let (key, user, password) = (secrets.maas_api_key, secrets.ssh_username, secrets.ssh_password);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "[maas]\nurl = {maas:?}\napi_key = {key:?}\n")?;
    writeln!(file, "[ssh]\nusername = {user:?}\npassword = {password:?}")?;
    Ok(())
}

/// When runs were claimed by a node that is not the first one's.
fn takeovers(journals: &Journals) -> Vec<Timestamp> {
    let rows = journals.0.values().flat_map(|run| &run.rows);
    let events = rows.filter(|row| row.epoch > 1).flat_map(|row| {
        let events: Vec<Event> = serde_json::from_slice(&row.events).unwrap_or_default();
        events.into_iter().map(|event| (row.at, event)).collect::<Vec<_>>()
    });
    events.filter(|(_, event)| matches!(event, Event::Claimed { .. })).map(|it| it.0).collect()
}

/// A run of `first` has got this far.
async fn until(place: &Place, process: &mut Process, requests: usize) -> Result<()> {
    let book = place.book();
    let there = |_: &_| Ok(book.records()?.len() >= requests);
    process.until("so many requests", LIMIT, there).await
}

/// Well below a lease (15 s): nobody waited for one to run out.
const AT_ONCE: Duration = Duration::from_secs(8);

async fn finish(place: &Place, before: &Look, killed: Timestamp) -> Result<()> {
    let after = Look::take(place).await?;
    ensure!(after.journals.all(RunStatus::Completed), "not every run has completed");
    after.journals.continues(&before.journals)?;
    let found = after.journals.findings(&effects()?);
    ensure!(found.breaches.is_empty(), "{:?}", found.breaches);
    let repeated = before.repeated(place)?;
    ensure!(repeated.is_empty(), "repeated: {repeated:?}");
    let first = takeovers(&after.journals).into_iter().min().context("nobody took over")?;
    let waited = first.since(killed);
    ensure!(waited < AT_ONCE, "taken over after {waited:?}");
    let standing = place.book().standing()?;
    ensure!(standing.values().all(|it| it.commissions == 1), "{standing:?}");
    ensure!(standing.values().all(|it| it.tags.contains("provisioned")), "{standing:?}");
    Ok(())
}

/// One that is there already takes over when the other one dies, and not before.
#[tokio::test]
async fn a_second_process_waits_and_takes_over_when_the_first_is_killed() -> Result<()> {
    let Some(backend) = Backend::postgres() else { return Ok(()) };
    let place = Place::new(&backend).await?;
    let site = Site::start(&place).await?;
    let mut first = site.run()?.start()?;
    until(&place, &mut first, 20).await?;
    let mut second = site.rackwright(&["resume"])?.start()?;
    let told = |it: &Process| Ok(it.printed()?.contains("completed in"));
    second.until("the second one sees what the first one does", LIMIT, told).await?;
    until(&place, &mut first, 110).await?;
    let client = place.client().await?;
    let nobody = takeovers(&Journals::read(&client).await?);
    ensure!(nobody.is_empty(), "a living process lost its runs: {nobody:?}");
    first.kill().await?;
    let killed = client.store().now().await?;
    let before = Look::take(&place).await?;
    ensure!(!before.journals.all(RunStatus::Completed), "the first one was done already");
    second.wait(LIMIT).await?.expect(0)?;
    finish(&place, &before, killed).await?;
    site.lab.kill().await?;
    place.leave().await
}

/// One that comes later takes over when it comes.
#[tokio::test]
async fn a_process_that_comes_after_a_kill_takes_over_at_once() -> Result<()> {
    let Some(backend) = Backend::postgres() else { return Ok(()) };
    let place = Place::new(&backend).await?;
    let site = Site::start(&place).await?;
    let mut first = site.run()?.start()?;
    until(&place, &mut first, 80).await?;
    first.kill().await?;
    let killed = place.client().await?.store().now().await?;
    let before = Look::take(&place).await?;
    site.rackwright(&["resume"])?.run(LIMIT).await?.expect(0)?;
    finish(&place, &before, killed).await?;
    site.lab.kill().await?;
    place.leave().await
}

/// While one runs to its end, another one that resumes everything only watches.
#[tokio::test]
async fn a_second_process_leaves_a_living_ones_runs_alone() -> Result<()> {
    let Some(backend) = Backend::postgres() else { return Ok(()) };
    let place = Place::new(&backend).await?;
    let site = Site::start(&place).await?;
    let mut first = site.run()?.start()?;
    until(&place, &mut first, 20).await?;
    let second = site.rackwright(&["resume"])?.start()?;
    first.wait(LIMIT).await?.expect(0)?;
    second.wait(LIMIT).await?.expect(0)?;
    let after = Look::take(&place).await?;
    ensure!(after.journals.all(RunStatus::Completed), "not every run has completed");
    ensure!(takeovers(&after.journals).is_empty(), "runs changed hands");
    let standing = place.book().standing()?;
    ensure!(standing.values().all(|it| it.commissions == 1), "{standing:?}");
    site.lab.kill().await?;
    place.leave().await
}
