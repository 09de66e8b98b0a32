//! A second message with an id inside its window is the first one, also after a restart.
//! Invariant checked: a duplicate is recognised exactly when its id is remembered, and names the first place.
//! Called with each accepted publish. Mutants: ids that a checkpoint forgets.

use broker::outcome::Placed;
use model::message::MessagePlace;

use super::Property;
use crate::book::Notes;

/// A message was accepted.
pub fn recognised(number: u64, known: Option<MessagePlace>, placed: &Placed, notes: &mut Notes) {
    notes.verdicts.demand(Property::Duplicates, placed.duplicate == known.is_some(), || {
        format!("message {number} is known at {known:?}, it was placed as {placed:?}")
    });
    if let (Some(known), true) = (known, placed.duplicate) {
        let is_first = known.partition == placed.partition && known.sequence.get() == placed.place;
        notes.verdicts.demand(Property::Duplicates, is_first, || {
            format!("message {number} is a duplicate of {known:?}, not of {placed:?}")
        });
    }
}
