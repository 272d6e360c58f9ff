//! What the kills met.

use std::{collections::BTreeMap, fmt};

use anyhow::{Result, ensure};

/// Counts over scenarios.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Processes that SIGKILL ended.
    pub(crate) kills: usize,
    /// Those among them that resumed a run.
    pub(crate) kills_while_resuming: usize,
    /// Kills before there was a run.
    pub(crate) before_the_run: usize,
    /// Processes that had ended before their moment came.
    pub(crate) after_the_end: usize,
    /// Processes that found a port of their lab taken.
    pub(crate) kept_out: usize,
    /// Kills while no attempt was under way.
    pub(crate) between_steps: usize,
    /// Attempts that a kill found under way, by executor.
    pub(crate) met: BTreeMap<String, usize>,
    /// Attempts whose interruption the journals show.
    pub(crate) interrupted: usize,
    /// Those among them that must not be repeated blindly.
    pub(crate) interrupted_verify: usize,
    /// Observations.
    pub(crate) observed: usize,
    /// Tasks that were recorded as completed when their process was killed.
    pub(crate) completed_before: usize,
    /// Changes in the lab after a kill.
    pub(crate) changes_after: usize,
    /// Changes in the lab by steps that were recorded as completed before the kill.
    pub(crate) repeated: usize,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.kills_while_resuming += other.kills_while_resuming;
        self.before_the_run += other.before_the_run;
        self.after_the_end += other.after_the_end;
        self.kept_out += other.kept_out;
        self.between_steps += other.between_steps;
        for (executor, count) in other.met {
            *self.met.entry(executor).or_default() += count;
        }
        self.interrupted += other.interrupted;
        self.interrupted_verify += other.interrupted_verify;
        self.observed += other.observed;
        self.completed_before += other.completed_before;
        self.changes_after += other.changes_after;
        self.repeated += other.repeated;
    }

    /// A sweep that met nothing would prove nothing.
    pub(crate) fn says_something(&self, instants: u64) -> Result<()> {
        let kills = u64::try_from(self.kills)?;
        ensure!(kills * 10 >= instants * 9, "most moments came too late: {self}");
        if instants >= 50 {
            ensure!(self.interrupted_verify > 0 && self.observed > 0, "nothing to observe: {self}");
            ensure!(self.completed_before > 0, "nothing was recorded yet: {self}");
            ensure!(self.kills_while_resuming > 0, "no resume was killed: {self}");
        }
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills ({} while resuming, {} before there was a run, {} between steps; {} came \
             too late, {} found a port taken); ",
            self.kills,
            self.kills_while_resuming,
            self.before_the_run,
            self.between_steps,
            self.after_the_end,
            self.kept_out
        )?;
        write!(f, "attempts met: ")?;
        for (executor, count) in &self.met {
            write!(f, "{executor} {count}, ")?;
        }
        write!(
            f,
            "interrupted {} ({} of them `verify`), observed {}, completed before a kill {}, \
             changes in the lab after one {}, repeated {}",
            self.interrupted,
            self.interrupted_verify,
            self.observed,
            self.completed_before,
            self.changes_after,
            self.repeated
        )
    }
}
