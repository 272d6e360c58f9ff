//! Where a node's randomness comes from: ids, jitter.

use std::sync::{Mutex, PoisonError};

use rand::{Rng, SeedableRng, rngs::StdRng};

/// The system's randomness, or numbers that a seed decides.
pub(crate) enum Random {
    System,
    /// Boxed: the state of the generator is large, and rarely there.
    Seeded(Box<Mutex<StdRng>>),
}

impl Random {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        seed.map_or(Self::System, |seed| {
            Self::Seeded(Box::new(Mutex::new(StdRng::seed_from_u64(seed))))
        })
    }

    /// 64 random bits.
    pub(crate) fn bits(&self) -> u64 {
        match self {
            Self::System => rand::random(),
            Self::Seeded(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).random(),
        }
    }

    /// 128 random bits.
    pub(crate) fn many_bits(&self) -> u128 {
        (u128::from(self.bits()) << 64) | u128::from(self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_seed_decides_every_number() {
        let draw = |random: Random| (random.bits(), random.many_bits(), random.bits());
        assert_eq!(draw(Random::new(Some(7))), draw(Random::new(Some(7))));
        assert_ne!(draw(Random::new(Some(7))), draw(Random::new(Some(8))));
        assert_ne!(draw(Random::new(None)), draw(Random::new(None)));
    }
}
