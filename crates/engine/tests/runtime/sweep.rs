//! Obligations are met exactly once each, wherever a run is disturbed: a sweep over every commit
//! of a run with nested scopes, for every order that a person can give and every death of its node,
//! alone and together.

use std::{sync::Arc, time::Duration};

use rackwright_engine::{
    Engine, EngineError, Heard, RunId, RunRequest, RunStatus, Workflow,
    store::{MemoryStore, Store},
    testing::VirtualTime,
};

use crate::{
    cut::{Cut, CutStore},
    obligations::{check, end, nested, undisturbed},
    rack::{Rack, engine},
};

/// What a person does at one of the commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Cancel,
    /// Paused until it rests, then resumed.
    Pause,
    /// Stopped in an emergency until it waits for a word, then released.
    Stop,
}

/// When the run's node dies, and another takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kill {
    Never,
    /// Before the commit, which is lost; what the person said is not.
    Before,
    /// After the commit, before it has seen what the person said.
    After,
    /// So many commits after it has seen that: while it rests, while it meets its obligations.
    Later(i64),
}

/// What happens to a run at one of its commits.
#[derive(Clone, Copy, Debug)]
struct Disturbance {
    said: Said,
    kill: Kill,
}

impl Said {
    /// What the run comes to rest as until it is told to go on.
    const fn rest(self) -> Option<RunStatus> {
        match self {
            Self::Pause => Some(RunStatus::Paused),
            Self::Stop => Some(RunStatus::Attention),
            Self::Nothing | Self::Cancel => None,
        }
    }

    /// Whether the run ends as cancelled, if it learns of it in time.
    const fn cancels(self) -> bool {
        match self {
            Self::Cancel | Self::Stop => true,
            Self::Nothing | Self::Pause => false,
        }
    }

    /// Tells the run. It may have nothing left to do by now.
    async fn tell(self, engine: &Engine, run: RunId) {
        let told = match self {
            Self::Cancel => engine.cancel(run, "sweep", Some("to see what is owed")).await,
            Self::Pause => engine.pause(run, "sweep", Some("to look at it")).await,
            Self::Stop => engine.emergency_stop(run, "sweep", Some("smoke")).await,
            Self::Nothing => return,
        };
        match told {
            Ok(_) | Err(EngineError::Refused(_)) => {}
            Err(error) => panic!("{self:?}: {error}"),
        }
    }

    /// Waits until the run rests, and lets it go on. It may have ended before. `first`: nobody has
    /// told it to go on before.
    async fn go_on(self, engine: &Engine, run: RunId, rack: &Rack, (first, what): (bool, &str)) {
        let Some(rest) = self.rest() else { return };
        let look = async {
            loop {
                let status = engine.record(run).await.unwrap().status;
                if status == rest || status.is_ended() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let status = tokio::time::timeout(Duration::from_mins(10), look).await;
        let status = status.unwrap_or_else(|_| panic!("{what}: the run does not come to rest"));
        if status.is_ended() {
            return;
        }
        let changes = rack.changes();
        if first {
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(rack.changes(), changes, "{what}: something goes on while the run rests");
        }
        let told = if self == Self::Pause {
            engine.resume(run, "sweep", None).await
        } else {
            engine.release(run, "sweep", None).await
        };
        match told {
            Ok(sent) => {
                let heard = engine.heard(&sent, Duration::from_mins(10)).await.unwrap();
                assert!(!first || heard == Heard::Followed, "{what}: {heard:?}");
            }
            Err(error) => assert!(!first, "{what}: {error}"),
        }
    }
}

/// One run, disturbed at one commit; `None` if it made fewer commits.
async fn disturbed(
    store: Arc<dyn Store>,
    flow: &Workflow,
    how: Disturbance,
    commits: i64,
) -> Option<RunStatus> {
    let what = format!("{how:?} at commit {commits}");
    let (rack, cut) = (Rack::default(), Cut::new(commits, how.kill != Kill::Before));
    if let Kill::Later(more) = how.kill {
        cut.again_after(more);
    }
    let first = engine(Arc::new(CutStore(Arc::clone(&store), cut.clone())), &rack).await;
    first.deploy(flow.clone()).await.unwrap();
    let run = first.start(RunRequest::new("nested")).await.unwrap();
    let id = run.id();
    let cut_off = tokio::select! {
        () = cut.reached.notified() => true,
        _ = run.wait() => false,
    };
    if !cut_off {
        return None;
    }
    how.said.tell(&first, id).await;
    let ended = match how.kill {
        Kill::Before | Kill::After => None,
        Kill::Never | Kill::Later(_) => {
            cut.go.notify_one();
            let goes_on = async {
                how.said.go_on(&first, id, &rack, (true, &what)).await;
                end(&first, id, &what).await
            };
            tokio::select! {
                () = cut.reached.notified() => None,
                ended = goes_on => Some(ended),
            }
        }
    };
    let (last, (status, view)) = if let Some(ended) = ended {
        (first, ended)
    } else {
        drop(first);
        for node in store.nodes().await.unwrap() {
            store.expire(node.node.id).await.unwrap();
        }
        let second = engine(Arc::clone(&store), &rack).await;
        second.recover().await.unwrap();
        let untold = !matches!(how.kill, Kill::Later(_));
        how.said.go_on(&second, id, &rack, (untold, &what)).await;
        let ended = end(&second, id, &what).await;
        (second, ended)
    };
    check(&view, &rack, &what);
    last.shutdown().await.unwrap();
    Some(status)
}

/// Each disturbance at each commit, in virtual time: rests and repetitions cost nothing.
fn sweep(last: &str, expected: RunStatus, said: Said) {
    let flow = nested(last);
    let time = VirtualTime::new().unwrap();
    let store = || Arc::new(MemoryStore::with_clock(Arc::new(time.clock())));
    time.run(async { assert_eq!(undisturbed(&flow).await.0, expected) });
    for kill in [Kill::Never, Kill::Before, Kill::After, Kill::Later(0)] {
        let idle = said == Said::Nothing && matches!(kill, Kill::Never | Kill::Later(_));
        if idle {
            continue;
        }
        let (mut commits, mut cancelled) = (0, 0);
        loop {
            commits += 1;
            // Each time another of the commits that follow.
            let later = 1 + commits % 11;
            let kill = if matches!(kill, Kill::Later(_)) { Kill::Later(later) } else { kill };
            let how = Disturbance { said, kill };
            let Some(status) = time.run(disturbed(store(), &flow, how, commits)) else { break };
            if said.cancels() {
                cancelled += u32::from(status == RunStatus::Cancelled);
            } else {
                assert_eq!(status, expected, "{how:?} at commit {commits}");
            }
        }
        println!("{said:?}, killed {kill:?}: {} commits, {cancelled} cancelled", commits - 1);
        assert!(commits > 20, "the sweep has to have something to disturb");
        assert_eq!(said.cancels(), cancelled > 10, "{said:?} {kill:?}: {cancelled} cancelled");
    }
}

#[test]
fn a_run_that_completes_is_killed_at_every_commit() {
    sweep("o.act", RunStatus::Completed, Said::Nothing);
}

#[test]
fn a_run_that_completes_is_cancelled_at_every_commit() {
    sweep("o.act", RunStatus::Completed, Said::Cancel);
}

#[test]
fn a_run_that_completes_is_paused_at_every_commit() {
    sweep("o.act", RunStatus::Completed, Said::Pause);
}

#[test]
fn a_run_that_completes_is_stopped_at_every_commit() {
    sweep("o.act", RunStatus::Completed, Said::Stop);
}

#[test]
fn a_run_that_fails_is_killed_at_every_commit() {
    sweep("o.fail", RunStatus::Failed, Said::Nothing);
}

#[test]
fn a_run_that_fails_is_cancelled_at_every_commit() {
    sweep("o.fail", RunStatus::Failed, Said::Cancel);
}

#[test]
fn a_run_that_fails_is_paused_at_every_commit() {
    sweep("o.fail", RunStatus::Failed, Said::Pause);
}

#[test]
fn a_run_that_fails_is_stopped_at_every_commit() {
    sweep("o.fail", RunStatus::Failed, Said::Stop);
}
