//! Time in the lab: the wall clock, with simulated durations that pass faster.

use std::time::Duration;

use rackwright_engine::model::Timestamp;

/// The wall clock and how many simulated seconds pass in a real one.
///
/// Points in time are real ones, so time goes on while the process is dead. Durations are given
/// in simulated time ("commissioning takes three minutes") and shortened here.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    scale: f64,
}

impl Clock {
    /// A clock on which `scale` simulated seconds pass in a real one; 1 if `scale` is not a
    /// positive number.
    pub fn new(scale: f64) -> Self {
        Self { scale: if scale.is_finite() && scale > 0.0 { scale } else { 1.0 } }
    }

    /// Now, on the wall clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "the rack stands outside the engine: it has its own clock, as real hardware does"
    )]
    pub fn now(self) -> Timestamp {
        Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
    }

    /// How long a simulated duration takes in real time.
    pub fn real(self, simulated: Duration) -> Duration {
        Duration::try_from_secs_f64(simulated.as_secs_f64() / self.scale).unwrap_or(Duration::MAX)
    }

    /// Waits for a simulated duration.
    pub async fn sleep(self, simulated: Duration) {
        tokio::time::sleep(self.real(simulated)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_minute_is_short() {
        assert_eq!(Clock::new(60.0).real(Duration::from_mins(1)), Duration::from_secs(1));
        assert_eq!(Clock::new(f64::NAN).real(Duration::from_mins(1)), Duration::from_mins(1));
    }
}
