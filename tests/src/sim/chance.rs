//! Chance that a seed decides.

use std::hash::{DefaultHasher, Hash, Hasher};

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Random numbers of a seed, for one purpose.
pub(super) struct Chance(StdRng);

impl Chance {
    /// The numbers of this seed for whatever the purpose names: the same, whenever they are asked
    /// for.
    pub(super) fn of(seed: u64, purpose: impl Hash) -> Self {
        // `DefaultHasher::new` has fixed keys.
        let mut hasher = DefaultHasher::new();
        (seed, purpose).hash(&mut hasher);
        Self(StdRng::seed_from_u64(hasher.finish()))
    }

    /// A number from 0 to below this.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0.random_range(0..limit.max(1))
    }

    /// Whether something of this many percent happens.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Random bytes.
    pub(super) fn bytes(&mut self) -> [u8; 32] {
        self.0.random()
    }

    /// Up to this many milliseconds; short times are likelier.
    pub(super) fn time(&mut self, most: std::time::Duration) -> std::time::Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        let bound = self.below(most) + 1;
        std::time::Duration::from_millis(self.below(bound) + 1)
    }
}
