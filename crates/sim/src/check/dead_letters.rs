//! A message that a source gives up is with its dead letters in the same step, with its history.
//! Invariant checked: it is found there, and in the source no more.
//! Called when a message leaves, and when newcomers get their places. Mutants: a move that is not one step.

use broker::queue::PeekedPlace;
use model::message::DeadLetterReason;

use super::Property;
use crate::book::Notes;
use crate::book::line::{Gone, Kept, Letter};

/// A message left its source.
pub fn left(gone: &Gone, limit: u32, notes: &mut Notes) {
    let is_due = gone.reason != DeadLetterReason::DeliveryLimit || limit <= gone.kept.attempts;
    notes.verdicts.demand(Property::DeadLetters, is_due, || {
        format!("message {} left after {} of {limit} deliveries", gone.kept.number, gone.kept.attempts)
    });
}

/// A message that was moved is nowhere.
pub fn lost(queue: &str, kept: &Kept, notes: &mut Notes) {
    let why = kept.letter.as_ref().map(|(reason, origin)| format!("{reason:?} of {origin}"));
    notes.verdicts.broken(
        Property::DeadLetters,
        format!("message {} was moved to {queue} and is not there ({})", kept.number, why.unwrap_or_default()),
    );
}

/// The history that a dead letter carries.
pub fn history(kept: &Kept, seen: &PeekedPlace, notes: &mut Notes) {
    let told = letter(seen);
    notes.verdicts.demand(Property::DeadLetters, told == kept.letter, || {
        format!("message {} is a dead letter by {:?}, the queue says {told:?}", kept.number, kept.letter)
    });
}

/// The history that a queue tells.
#[must_use]
pub fn letter(seen: &PeekedPlace) -> Option<Letter> {
    seen.dead_letter.as_ref().map(|letter| (letter.reason, letter.origin.clone()))
}
