//! What was done to the nodes, and what came of it.

use std::fmt;

/// Counts of one scenario.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) runs: usize,
    pub(crate) kills: usize,
    /// SIGSTOP, for longer than a lease.
    pub(crate) stops: usize,
    /// Those among them exactly between the fence check and the request.
    pub(crate) at_gates: usize,
    pub(crate) restarts: usize,
    pub(crate) cuts: usize,
    pub(crate) delays: usize,
    /// Claims of runs that another node, or another life of one, had before.
    pub(crate) takeovers: usize,
    /// Attempts that did not come to an end.
    pub(crate) interrupted: usize,
    pub(crate) observed: usize,
    pub(crate) revoked: usize,
    /// Writes that took effect.
    pub(crate) writes: usize,
    /// Requests with a dead session.
    pub(crate) refused: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs on 3 nodes: {} kills, {} stops past the lease ({} of them between fence \
             check and request), {} restarts of PostgreSQL, {} cuts and {} delays of its link; \
             {} take-overs, {} attempts interrupted, {} observed, {} revoked; {} writes took \
             effect, {} with a dead session were refused",
            self.runs,
            self.kills,
            self.stops,
            self.at_gates,
            self.restarts,
            self.cuts,
            self.delays,
            self.takeovers,
            self.interrupted,
            self.observed,
            self.revoked,
            self.writes,
            self.refused
        )
    }
}
