//! `run --detach`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rackwright_engine::RunStatus;
use rackwright_tests::{
    look::Look,
    pace::LIMIT,
    place::{Backend, Place},
};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// The process in the background: ended with the test, whatever comes.
struct Background(Pid);

impl Drop for Background {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[tokio::test]
async fn a_rack_is_left_to_the_background_and_watched() -> Result<()> {
    let place = Place::new(&Backend::Sqlite).await?;
    let begun = Instant::now();
    let told = place.rack(&["--detach", "--json"])?.run(LIMIT).await?.expect(0)?.stdout;
    let told: Value = serde_json::from_str(&told)?;
    let process = told["process"].as_i64().and_then(|id| i32::try_from(id).ok());
    let background = Background(process.and_then(Pid::from_raw).context("its process")?);
    let run = told["run"].as_str().context("its run")?;
    let look = Look::take(&place).await?;
    ensure!(!look.journals.all(RunStatus::Completed), "detaching waited for the run");
    let watched = place.rackwright(&["runs", "watch", run])?.run(LIMIT).await?.expect(0)?.stdout;
    for word in ["machines[0]/provision-server/commission  attempt 1 started", "✔ [7] srv008"] {
        ensure!(watched.contains(word), "`{word}` is missing: {watched}");
    }
    while test_kill_process(background.0).is_ok() {
        ensure!(begun.elapsed() < LIMIT, "the background goes on for ever");
        sleep(Duration::from_millis(10)).await;
    }
    let standing = place.book().standing()?;
    ensure!(standing.values().all(|it| it.tags.contains("provisioned")), "{standing:?}");
    ensure!(Look::take(&place).await?.journals.0.contains_key(&run.parse()?), "{run} is not kept");
    place.leave().await
}
