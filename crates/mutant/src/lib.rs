//! Deliberate faults, one at a time: a campaign that stays green with one of them switched on proves nothing.
//! Invariant: without the feature `mutants` every question is answered `false` at compile time, and no variable of
//! the environment is read.
//! Asked at the one place where the right code stands; switched by the simulator, by tests, and for the real program
//! by `RECADO_MUTANT`. Reasons: `docs/adr/0009-mutants-at-run-time.md`. Tests: below, and the campaigns.

mod catalogue;
#[cfg(feature = "mutants")]
mod switch;

pub use catalogue::{ALL, Mutant};
#[cfg(feature = "mutants")]
pub use switch::{
    Switched, VARIABLE, active, hash_order, is_on, local_time, set_for_process, set_local_time, switch_on,
};

/// Whether this fault is switched on: never, in a build without the feature.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn is_on(_mutant: Mutant) -> bool {
    false
}

/// A clock that is not in the batch, in milliseconds since 1970. Never asked in a build without the feature.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn local_time() -> u64 {
    0
}

/// A number below `bound` that differs from run to run, as the order of a hash map does. Never asked in a build
/// without the feature.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn hash_order(_bound: u64) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_mutant_has_a_name_of_its_own_and_is_found_by_it() {
        let names: BTreeSet<_> = ALL.iter().map(|mutant| mutant.name()).collect();
        assert_eq!(names.len(), ALL.len());
        for mutant in ALL {
            assert_eq!(Mutant::named(mutant.name()), Some(*mutant));
            assert!(mutant.description().len() > 20, "{}", mutant.name());
        }
        assert_eq!(Mutant::named("no such fault"), None);
    }

    #[cfg(not(feature = "mutants"))]
    #[test]
    fn nothing_is_on_without_the_feature() {
        const { assert!(!is_on(Mutant::AckBeforeSync)) };
        assert!(ALL.iter().all(|mutant| !is_on(*mutant)));
    }
}
