//! Hashes of the machine's state at places of the log that are the same on all replicas: where it rolls into a new segment.
//! Invariant: two replicas that applied the same log have the same hash at the same place; one that has another is broken.
//! Noted where batches are applied, compared by `comparing`. Tests: below, `tests/mending.rs`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::limits::STATES_KEPT;
use crate::machine::Section;

/// SHA-256 of all sections of a state.
pub(crate) type StateHash = [u8; 32];

/// A state: the newest entry in it, and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateAt {
    pub(crate) index: u64,
    pub(crate) hash: StateHash,
}

/// The newest states of this replica.
#[derive(Debug, Default)]
pub(crate) struct States {
    kept: Mutex<VecDeque<StateAt>>,
    /// Another one was noted.
    pub(crate) noted: Notify,
}

pub(crate) fn hash_of(sections: &[Section]) -> StateHash {
    let mut hash = Sha256::new();
    for (name, bytes) in sections {
        for part in [name.as_bytes(), bytes] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

impl States {
    fn kept(&self) -> MutexGuard<'_, VecDeque<StateAt>> {
        self.kept.lock().expect("no holder panics")
    }

    pub(crate) fn note(&self, state: StateAt) {
        let mut kept = self.kept();
        if kept.len() == STATES_KEPT {
            kept.pop_front();
        }
        kept.push_back(state);
        drop(kept);
        self.noted.notify_one();
    }

    pub(crate) fn all(&self) -> Vec<StateAt> {
        self.kept().iter().copied().collect()
    }

    /// The first of the places that both know at which the states differ.
    pub(crate) fn difference(&self, others: &[StateAt]) -> Option<u64> {
        let kept = self.kept();
        let differs = |other: &&StateAt| kept.iter().any(|own| own.index == other.index && own.hash != other.hash);
        others.iter().filter(differs).map(|other| other.index).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: u64, byte: u8) -> StateAt {
        StateAt { index, hash: [byte; 32] }
    }

    #[test]
    fn only_places_that_both_know_are_compared() {
        let states = States::default();
        for index in 0..u64::try_from(STATES_KEPT).unwrap() + 3 {
            states.note(at(index, 1));
        }
        assert_eq!(states.all().len(), STATES_KEPT);
        assert_eq!(states.difference(&[at(0, 9), at(7, 1), at(1_000, 9)]), None);
        assert_eq!(states.difference(&[at(9, 9), at(8, 9), at(7, 1)]), Some(8));
    }

    #[test]
    fn sections_are_kept_apart() {
        let section = |name: &str, bytes: &'static [u8]| (name.to_owned(), bytes::Bytes::from_static(bytes));
        assert_ne!(hash_of(&[section("a", b"bc")]), hash_of(&[section("ab", b"c")]));
        assert_eq!(hash_of(&[section("a", b"bc")]), hash_of(&[section("a", b"bc")]));
    }
}
