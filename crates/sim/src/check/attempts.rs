//! Deliveries are counted and never uncounted; a poison message leaves after exactly its limit.
//! Invariant checked: no delivery beyond the limit; the machine's count is that of the reference.
//! Called with each lease, and when the whole state is compared. Mutants: deliveries not counted.

use broker::queue::PeekedPlace;

use super::Property;
use crate::book::Notes;
use crate::book::line::Kept;

/// A message was handed out. The limit is the highest that its source ever had: a lower one counts when a
/// delivery ends.
pub fn within_limit(kept: &Kept, limit: u32, notes: &mut Notes) {
    notes.verdicts.demand(Property::Attempts, kept.attempts <= limit, || {
        format!("message {} was handed out {} times, its limit is {limit}", kept.number, kept.attempts)
    });
}

/// What the machine counts.
pub fn counted(kept: &Kept, seen: &PeekedPlace, notes: &mut Notes) {
    notes.verdicts.demand(Property::Attempts, kept.attempts == seen.attempts.get(), || {
        format!("message {} was delivered {} times, the queue says {}", kept.number, kept.attempts, seen.attempts)
    });
}
