//! What counts as progress of a run: whoever asks wants to know whether its owners die over it.

use super::event::Event;

impl Event {
    /// Whether something of the run is over with this event. An attempt that begins, saves or is
    /// looked after anew shows nothing: it may be what ends its node.
    pub const fn is_progress(&self) -> bool {
        matches!(
            self,
            Self::Completed { .. }
                | Self::Failed { .. }
                | Self::Skipped { .. }
                | Self::SkippedBy { .. }
                | Self::MarkedDone { .. }
                | Self::WavePassed { .. }
                | Self::Closed { .. }
                | Self::ChildEnded { .. }
                | Self::Finishing { .. }
                | Self::Ended { .. }
        )
    }
}
