//! Several replicas are one: one leads in a term, a leader knows all that was confirmed, logs and states are equal.
//! Invariants checked: election safety, log matching, fresh reads, equal states at the end. Leader completeness and the
//! safety of the state machine are those of `kept` and `replay`: what one replica applied is expected of every other.
//! Called by the keepers of the nodes and by the clients. Mutants: those of the network and of votes.

use std::collections::BTreeMap;

use model::number::LogIndex;
use storage::Frame;

use super::Property;
use crate::book::Notes;
use crate::trace::fold;

/// What was seen of all replicas.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Who led, by the term.
    leaders: BTreeMap<u64, u64>,
    /// The hash of each entry that was seen in a log, with the term of the one before, by its index and term.
    entries: BTreeMap<(u64, u64), (u64, Option<u64>)>,
}

impl Seen {
    /// A node leads in a term.
    pub fn led(&mut self, term: u64, node: u64, notes: &mut Notes) {
        let first = *self.leaders.entry(term).or_insert(node);
        notes.verdicts.demand(Property::Replicas, first == node, || {
            format!("node {node} leads in term {term}, and node {first} did")
        });
    }

    /// How many terms had a leader.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.leaders.len()
    }

    /// The log that a node starts with: an index and a term name one entry, and one history before it.
    pub fn log(&mut self, node: u64, frames: &[Frame], notes: &mut Notes) {
        let mut last: Option<(u64, u64)> = None;
        for frame in frames {
            // A segment may be gone from between.
            let before = last.filter(|(index, _)| index + 1 == frame.index.0).map(|(_, term)| term);
            let hash = fold(u64::from(frame.kind.0), &frame.payload);
            let key = (frame.index.0, frame.term.0);
            let known = self.entries.entry(key).or_insert((hash, before));
            // The first frame of a log that was cut does not know what was before it.
            known.1 = known.1.or(before);
            let is_same = known.0 == hash && before.is_none_or(|before| known.1 == Some(before));
            let is_risen = before.is_none_or(|before| before <= frame.term.0);
            notes.verdicts.demand(Property::Replicas, is_same && is_risen, || {
                format!("entry {} of term {} is another one at node {node}", frame.index.0, frame.term.0)
            });
            last = Some((frame.index.0, frame.term.0));
        }
    }
}

/// A leader reads: it is as far as whoever gave the newest answer.
pub fn fresh(told: Option<LogIndex>, applied: LogIndex, notes: &mut Notes) {
    notes.verdicts.demand(Property::Replicas, told.is_none_or(|told| told <= applied), || {
        format!("a leader reads at {applied}, and {told:?} was answered from before")
    });
}

/// The states of two replicas that have applied the same.
pub fn agree(slot: usize, is_equal: bool, notes: &mut Notes) {
    notes.verdicts.demand(Property::Replicas, is_equal, || format!("machine {slot} has another state than the leader"));
}

/// Something was not reached in time once all was healed.
pub fn never(what: &str, notes: &mut Notes) {
    notes.verdicts.broken(Property::Liveness, format!("all is healed, and {what}"));
}
