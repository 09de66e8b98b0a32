//! Nothing early: delays, lifetimes and leases end at the time that the reference computes.
//! Invariant checked: the machine's due times and expiries are those of the reference; time never goes back.
//! Called when the whole state is compared, and with each batch. Mutants: a clock inside of `apply`.

use broker::command::LeaseEnd;
use broker::queue::PeekedPlace;
use model::number::Timestamp;

use super::Property;
use crate::book::Notes;
use crate::book::line::{Kept, Life};

/// When a message becomes available or its lease ends, and when it expires.
pub fn ends(kept: &Kept, seen: &PeekedPlace, notes: &mut Notes) {
    let due = match kept.life {
        Life::Delayed(due) | Life::Leased { end: LeaseEnd::At(due), .. } => Some(due),
        Life::Waiting | Life::Leased { end: LeaseEnd::WithConnection, .. } => None,
    };
    notes.verdicts.demand(Property::Time, seen.due_at == due, || {
        format!("message {} is due at {due:?}, the queue says {:?}", kept.number, seen.due_at)
    });
    notes.verdicts.demand(Property::Time, seen.expires_at == kept.expires_at, || {
        format!("message {} expires at {:?}, the queue says {:?}", kept.number, kept.expires_at, seen.expires_at)
    });
}

/// The stamp of a batch.
pub fn stamped(before: Timestamp, now: Timestamp, notes: &mut Notes) {
    notes.verdicts.demand(Property::Time, before <= now, || format!("a batch of {now} follows one of {before}"));
}
