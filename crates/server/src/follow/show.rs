//! Shows runs until they have ended, wait for a person, or somebody presses Ctrl-C.

use std::time::Duration;

use rackwright_engine::{
    Client,
    api::RunEvent,
    model::{RunId, Timestamp},
};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    Clock, Follower, Standing,
    lines::Lines,
    live::{Live, final_trees},
};
use crate::{
    exit::{Exit, Outcome},
    logs::Logs,
    output::Output,
    signals::Signals,
    tree::{RunTree, report},
};

/// How following came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All runs have ended or wait for a person; this is the worst of it.
    Settled(Exit),
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

/// How often the tree is redrawn.
const FRAME: Duration = Duration::from_millis(100);
/// How long nothing may happen before a family that waits for a person is believed to.
const CALM: Duration = Duration::from_secs(1);
/// How long the last words of children are waited for after their root's.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Shows these runs. Events before `since` are history and not told again.
pub(crate) async fn follow(
    client: &Client,
    roots: &[RunId],
    since: Option<Timestamp>,
    output: &Output,
    logs: &Logs,
    signals: &mut Signals,
) -> Outcome<Ended> {
    let clock = Clock::read(client).await?;
    let mut follower = Follower::new(client.clone(), roots);
    let mut shown = Shown::new(output, logs, roots.len() > 1, since);
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last_event = Instant::now();
    let ended = loop {
        tokio::select! {
            biased;
            () = signals.next() => break Ended::Interrupted,
            told = follower.next() => {
                let Some(told) = told else { break settled(&follower) };
                last_event = Instant::now();
                if let Some((family, event)) = follower.take_in(told).await? {
                    shown.event(&follower, family, &event);
                }
            }
            _ = frames.tick() => {
                shown.frame(&follower, clock.now());
                let calm = last_event.elapsed() >= CALM;
                let over = |standing| match standing {
                    Standing::Going => false,
                    Standing::Waiting => calm,
                    Standing::Ended(_) => last_event.elapsed() >= LAST_WORDS,
                };
                if follower.families().iter().all(|family| over(family.standing())) {
                    break settled(&follower);
                }
            }
        }
    };
    shown.end(&follower, clock.now(), ended);
    Ok(ended)
}

/// The worst of how the families stand.
fn settled(follower: &Follower) -> Ended {
    let exits = follower.families().iter().map(|family| match family.standing() {
        Standing::Ended(status) => Exit::of(status),
        Standing::Waiting | Standing::Going => Exit::Attention,
    });
    let rank = |exit: &Exit| match exit {
        Exit::Failed => 3,
        Exit::Attention => 2,
        Exit::Cancelled => 1,
        Exit::Completed | Exit::Usage | Exit::Unavailable | Exit::Interrupted => 0,
    };
    Ended::Settled(exits.max_by_key(rank).unwrap_or(Exit::Completed))
}

/// What is shown, and how.
struct Shown<'o> {
    output: &'o Output,
    live: Option<Live>,
    lines: Lines,
    since: Option<Timestamp>,
}

impl<'o> Shown<'o> {
    fn new(output: &'o Output, logs: &Logs, named: bool, since: Option<Timestamp>) -> Self {
        let live = output.terminal().then(|| Live::new(output, logs));
        Self { output, live, lines: Lines::new(named), since }
    }

    fn event(&mut self, follower: &Follower, family: usize, event: &RunEvent) {
        let line = self.lines.line(&follower.families()[family], event);
        if self.since.is_some_and(|since| event.at < since) {
            return;
        }
        if self.output.json() {
            let family = &follower.families()[family];
            let path = event.path.as_deref().map(|path| family.path(event.run, path));
            self.output.object(&json!({
                "type": "event",
                "root": family.root(),
                "run": event.run,
                "seq": event.seq,
                "at": event.at.to_string(),
                "path": path,
                "event": event.event,
            }));
        } else if let (None, Some(line)) = (&self.live, line) {
            self.output.line(line);
        }
    }

    fn frame(&mut self, follower: &Follower, now: Timestamp) {
        if let Some(live) = &mut self.live {
            live.draw(&trees(follower), now);
        }
    }

    /// The last word: the trees as they are now, and what went wrong.
    fn end(&mut self, follower: &Follower, now: Timestamp, ended: Ended) {
        if let Some(live) = &mut self.live {
            live.clear();
        }
        if self.output.json() {
            for family in follower.families() {
                self.output.object(&report::outcome(family));
            }
            return;
        }
        self.output.line("");
        for line in final_trees(&trees(follower), self.output, now) {
            self.output.line(line);
        }
        for family in follower.families() {
            for line in report::ending(family, self.output.colour) {
                self.output.line(line);
            }
        }
        if ended == Ended::Interrupted {
            self.output.note("stopping …  (Ctrl-C again stops at once)");
        }
    }
}

fn trees(follower: &Follower) -> Vec<RunTree> {
    follower.families().iter().filter_map(super::Family::tree).collect()
}
