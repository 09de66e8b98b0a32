//! Checkpoint and tail give what the whole log gives: the same answers and the same state, to the last byte.
//! Invariant checked: state hashes and answers of a replay are those of the first time.
//! Called by the observer. Mutants: a checkpoint that leaves something out, order of a hash in `apply`.

use model::number::LogIndex;

use super::Property;
use crate::book::Notes;

/// The state after a batch, once more.
pub fn state(index: LogIndex, first: u64, again: u64, notes: &mut Notes) {
    notes.verdicts.demand(Property::Replay, first == again, || {
        format!("the state after batch {index} had hash {first:x}, now {again:x}")
    });
}

/// The answers to a batch, once more.
pub fn answers(index: LogIndex, first: u64, again: u64, notes: &mut Notes) {
    notes.verdicts.demand(Property::Replay, first == again, || {
        format!("the answers to batch {index} are others than the first time")
    });
}
