//! The chance of a run: one generator for each purpose, so that a new draw for one does not shift the others.
//! Invariant: a seed, a purpose and a number give the same sequence on every machine and in every build.
//! Used wherever something is drawn. Tests: the determinism test.

use storage::disk::simulated::Random;

/// What chance is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The configuration of the seed.
    Configuration,
    /// When which fault comes.
    Nemesis,
    /// What one operation does; numbered by the operation.
    Workload,
    /// How long the disk takes; numbered by the life.
    Disk,
    /// What a power cut leaves; numbered by the life.
    Cut,
    /// The jitter of the consensus library.
    Jitter,
    /// What is asked of the store alone.
    Store,
    /// What becomes of messages between nodes, and of the nodes themselves.
    Network,
}

impl Purpose {
    const fn salt(self) -> u64 {
        match self {
            Self::Configuration => 0x1BD1_1BDA,
            Self::Nemesis => 0x2545_F491,
            Self::Workload => 0x3C6E_F372,
            Self::Disk => 0x4A7C_15F3,
            Self::Cut => 0x5851_F42D,
            Self::Jitter => 0x6364_136B,
            Self::Store => 0x2F90_404F,
            Self::Network => 0x71D6_7FFF,
        }
    }
}

/// A sequence of draws.
#[derive(Clone, Debug)]
pub struct Chance(Random);

impl Chance {
    /// The sequence for a purpose; `number` tells apart those of the same purpose.
    #[must_use]
    pub fn of(seed: u64, purpose: Purpose, number: u64) -> Self {
        let mut mixed = Random::seeded(seed ^ (purpose.salt() << 24));
        let mut numbered = Random::seeded(mixed.next_number() ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self(Random::seeded(numbered.next_number()))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_number()
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// A number from `low` up to and with `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    /// True once in `of` times.
    pub fn one_in(&mut self, of: u64) -> bool {
        self.0.one_in(of)
    }

    /// True in so many of a hundred times.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    /// One of these, which are not none.
    pub fn among<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let bound = u64::try_from(choices.len()).unwrap_or(u64::MAX);
        let at = usize::try_from(self.0.below(bound)).unwrap_or_default();
        &choices[at]
    }

    /// One of the numbers below `weights.len()`, each as often as its weight says. The sum is not zero.
    pub fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.0.below(weights.iter().sum());
        for (at, weight) in weights.iter().enumerate() {
            if left < *weight {
                return at;
            }
            left -= weight;
        }
        0
    }
}
