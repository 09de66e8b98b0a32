//! What was confirmed is never lost: every batch that was once applied is applied again after each restart.
//! Invariant checked: an index of the log has one batch for ever; a start finds all of them.
//! Called by the observer with each batch of a life. Mutants: an ack before the flush, a lost directory entry.

use model::number::LogIndex;

use super::Property;
use crate::book::Notes;

/// A life applies a batch at an index that an earlier life had applied too.
pub fn again(index: LogIndex, is_same: bool, notes: &mut Notes) {
    notes.verdicts.demand(Property::Kept, is_same, || format!("batch {index} was applied, and now another is there"));
}

/// A life applies something new although batches that were applied before have not come again.
pub fn skipped(index: LogIndex, expected: LogIndex, notes: &mut Notes) {
    notes.verdicts.broken(
        Property::Kept,
        format!("batch {expected} was applied before, and is gone: the log goes on with {index}"),
    );
}

/// A client was told yes.
pub fn confirmed(number: u64, is_applied: bool, notes: &mut Notes) {
    notes
        .verdicts
        .demand(Property::Kept, is_applied, || format!("message {number} was confirmed before its batch was applied"));
}

/// A message that is needed has no bytes any more.
pub fn bytes_gone(number: u64, notes: &mut Notes) {
    notes.verdicts.broken(Property::Kept, format!("message {number} is there, but its bytes are gone"));
}
