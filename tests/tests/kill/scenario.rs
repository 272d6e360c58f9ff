//! One run: killed, resumed, killed again, and looked at.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use rackwright_engine::{Effect, RunStatus};
use rackwright_tests::{
    binary,
    book::Standing,
    journal::{Journals, Task, effects},
    look::Look,
    pace::LIMIT,
    place::{Backend, Place},
    process::{Process, Rackwright},
};
use tokio::{task::JoinSet, time};

use crate::{
    figures::Figures,
    instant::{Course, Instant, Moment},
};

/// What comes out when nobody kills anything.
#[derive(Debug)]
pub(crate) struct Undisturbed {
    pub(crate) course: Course,
    standing: BTreeMap<String, Standing>,
    effects: BTreeMap<String, Effect>,
}

impl Undisturbed {
    /// As many runs at once as will be killed at once: so their course takes as long.
    pub(crate) async fn measure(backend: &Backend, jobs: usize) -> Result<Self> {
        // Built here, so that building it is no part of the course.
        binary::rackwright()?;
        let mut runs = JoinSet::new();
        for _ in 0..jobs {
            let backend = backend.clone();
            runs.spawn(async move { undisturbed(&backend).await });
        }
        let mut runs = runs.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
        let (course, standing) = runs.pop().context("no run was measured")?;
        ensure!(runs.iter().all(|(_, it)| *it == standing), "undisturbed runs end differently");
        ensure!(standing.len() == 8, "the lab has {} machines", standing.len());
        Ok(Self { course, standing, effects: effects()? })
    }
}

async fn undisturbed(backend: &Backend) -> Result<(Course, BTreeMap<String, Standing>)> {
    let place = Place::new(backend).await?;
    let begun = time::Instant::now();
    place.rack(&[])?.run(LIMIT).await?.expect(0)?;
    let course = Course { time: begun.elapsed(), requests: place.book().records()?.len() };
    let standing = place.book().standing()?;
    place.leave().await?;
    Ok((course, standing))
}

/// Plays it, and keeps its directory where that fails.
pub(crate) async fn play(
    backend: &Backend,
    instant: &Instant,
    undisturbed: &Undisturbed,
) -> Result<Figures> {
    let place = Place::new(backend).await?;
    let mut scenario =
        Scenario { place: &place, undisturbed, figures: Figures::default(), looks: Vec::new() };
    match scenario.play(instant).await {
        Ok(()) => {
            let figures = scenario.figures;
            place.leave().await?;
            Ok(figures)
        }
        Err(error) => {
            let store = place.url().to_owned();
            Err(error.context(format!("{}, {store}", place.keep().display())))
        }
    }
}

struct Scenario<'a> {
    place: &'a Place,
    undisturbed: &'a Undisturbed,
    figures: Figures,
    looks: Vec<Look>,
}

impl Scenario<'_> {
    async fn play(&mut self, instant: &Instant) -> Result<()> {
        self.kill(self.place.rack(&[])?, instant.first).await?;
        let look = self.look().await?;
        if look.journals.0.is_empty() {
            self.figures.before_the_run += 1;
            let changes = self.place.book().changes(0)?;
            ensure!(changes.is_empty(), "changes before there was a run: {changes:?}");
            self.place.rack(&[])?.run(LIMIT).await?.expect(0)?;
        } else {
            self.looks.push(look);
            for moment in &instant.resumed {
                if self.kill(self.place.rackwright(&["resume"])?, *moment).await? {
                    self.figures.kills_while_resuming += 1;
                }
                let look = self.look().await?;
                self.looks.push(look);
            }
            self.place.resume(&[]).await?.expect(0)?;
        }
        self.judge().await
    }

    /// Kills a process at its moment; whether it was still there.
    async fn kill(&mut self, command: Rackwright, moment: Moment) -> Result<bool> {
        let written = self.place.book().records()?.len();
        let mut process = command.start()?;
        match moment {
            Moment::After(time) => time::sleep(time).await,
            Moment::Behind(requests, time) => {
                self.wait(&mut process, written + requests).await?;
                time::sleep(time).await;
            }
        }
        let ended = process.kill().await?;
        match ended.code {
            None => self.figures.kills += 1,
            Some(0) => self.figures.after_the_end += 1,
            Some(_) if ended.is_kept_out() => self.figures.kept_out += 1,
            Some(code) => bail!("exit status {code}; printed:\n{}", ended.all()),
        }
        Ok(ended.code.is_none())
    }

    /// Waits for the lab to have written so many requests down, or the process to end.
    async fn wait(&self, process: &mut Process, requests: usize) -> Result<()> {
        let book = self.place.book();
        let enough = |_: &Process| Ok(book.records()?.len() >= requests);
        process.until_or_end("so many requests", LIMIT, enough).await?;
        Ok(())
    }

    async fn look(&mut self) -> Result<Look> {
        let look = Look::take(self.place).await?;
        let under_way = |task: &&Task| matches!(task.status, "running" | "observing");
        let met: Vec<_> = look.tasks.iter().filter(under_way).collect();
        let unfinished = look.journals.0.values().any(|run| !run.record.status.is_ended());
        self.figures.between_steps += usize::from(unfinished && met.is_empty());
        for task in met {
            *self.figures.met.entry(task.executor.clone()).or_default() += 1;
        }
        self.figures.completed_before += look.completed.len();
        Ok(look)
    }

    /// Holds everything against the laws, and tells all that breaks one.
    async fn judge(&mut self) -> Result<()> {
        let client = self.place.client().await?;
        let journals = Journals::read(&client).await?;
        ensure!(journals.all(RunStatus::Completed), "not every run has completed");
        ensure!(journals.0.len() == 9, "{} runs instead of a rack and 8 servers", journals.0.len());
        for look in &self.looks {
            journals.continues(&look.journals)?;
        }
        let found = journals.findings(&self.undisturbed.effects);
        self.figures.interrupted += found.interrupted;
        self.figures.interrupted_verify += found.interrupted_verify;
        self.figures.observed += found.observed;
        let mut breaches = found.breaches;
        breaches.extend(self.repeated()?);
        breaches.extend(self.done_twice()?);
        breaches.extend(self.differences()?);
        ensure!(breaches.is_empty(), "{}", breaches.join("\n"));
        Ok(())
    }

    /// What the lab was asked to change after the completion of that was recorded.
    fn repeated(&mut self) -> Result<Vec<String>> {
        let mut repeated = Vec::new();
        for look in &self.looks {
            self.figures.changes_after += look.changes(self.place)?.len();
            repeated.extend(look.repeated(self.place)?);
        }
        self.figures.repeated += repeated.len();
        let tell = |change| format!("repeated after its completion was recorded: {change:?}");
        Ok(repeated.into_iter().map(tell).collect())
    }

    /// What must not be repeated blindly, and took effect more than once.
    fn done_twice(&self) -> Result<Vec<String>> {
        let mut once = BTreeMap::<_, Vec<_>>::new();
        for change in self.place.book().changes(0)?.into_iter().filter(|change| change.done) {
            let verify = self.undisturbed.effects.get(change.executor) == Some(&Effect::Verify);
            // The file may be written again as long as it has not been imported.
            if verify && !change.what.starts_with("PUT ") {
                once.entry((change.machine, change.executor)).or_default().push(change.what);
            }
        }
        let twice = once.into_iter().filter(|(_, changes)| changes.len() > 1);
        Ok(twice.map(|(about, changes)| format!("done twice: {about:?}: {changes:?}")).collect())
    }

    /// The machines that came to something else than without kills.
    fn differences(&self) -> Result<Vec<String>> {
        let standing = self.place.book().standing()?;
        let wanted = &self.undisturbed.standing;
        ensure!(standing.keys().eq(wanted.keys()), "these are other machines");
        let different = standing.into_iter().filter(|(name, it)| wanted.get(name) != Some(it));
        let tell = |(name, it)| format!("{name} came to {it:?}, not to {:?}", wanted.get(&name));
        Ok(different.map(tell).collect())
    }
}
