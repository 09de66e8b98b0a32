//! The places of a queue in the reference: which were given, and which of them to messages that nobody saw there.
//!
//! A message that was moved here gets its place from the machine, and may leave in the same batch, before anybody looks
//! (a purge, a redrive, a cancel). Its place shows later, as a gap before the next one that is seen.
//! Invariant: each gap is one message that came and left unseen; there are never more gaps than such messages.
//! Called by `queues` and by `observer`. Tests: below.

use std::collections::{BTreeMap, BTreeSet};

use model::message::MessagePlace;
use model::number::{Partition, Sequence};

use super::Notes;
use crate::check::order;

/// The places of one queue.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The next sequence of each partition, as far as it is known.
    next: BTreeMap<Partition, u64>,
    /// Places before it of the present batch that are not known to have been given to a message.
    gaps: BTreeSet<MessagePlace>,
    /// Messages that came and left unseen, whose gaps were not seen yet.
    unseen: usize,
}

impl Places {
    /// A message that was published or moved got this place.
    pub fn given(&mut self, place: MessagePlace, notes: &mut Notes) {
        let next = self.next.entry(place.partition).or_default();
        let sequence = place.sequence.get();
        if self.gaps.remove(&place) {
            return;
        }
        order::rises(place, *next, notes);
        self.gaps.extend((*next..sequence).map(|gap| MessagePlace { sequence: Sequence::new(gap), ..place }));
        *next = (*next).max(sequence + 1);
    }

    /// So many messages that were moved here left before their places were known.
    pub const fn left_unseen(&mut self, messages: usize) {
        self.unseen += messages;
    }

    /// A batch was applied, and each message that is here has its place: what is left over are messages that left.
    pub fn settle(&mut self, queue: &str, notes: &mut Notes) {
        order::gaps(queue, &self.gaps, self.unseen, notes);
        self.unseen = self.unseen.saturating_sub(self.gaps.len());
        self.gaps.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: u32, sequence: u64) -> MessagePlace {
        MessagePlace { partition: Partition::new(partition), sequence: Sequence::new(sequence) }
    }

    /// What is said about batches that give these places, the messages in front of each leaving unseen.
    fn said(batches: &[(usize, &[MessagePlace])]) -> Vec<String> {
        let (mut places, mut notes) = (Places::default(), Notes::default());
        for (unseen, given) in batches {
            places.left_unseen(*unseen);
            given.iter().for_each(|place| places.given(*place, &mut notes));
            places.settle("q", &mut notes);
        }
        notes.verdicts.violations.into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn what_came_and_left_in_one_batch_leaves_gaps_that_are_seen_much_later_and_one_partition_at_a_time() {
        let later: &[(usize, &[MessagePlace])] =
            &[(5, &[]), (0, &[at(2, 0)]), (0, &[at(0, 2), at(1, 2)]), (0, &[at(1, 4)])];
        assert_eq!(said(later), Vec::<String>::new());
    }

    #[test]
    fn a_place_that_nobody_got_is_told() {
        assert_eq!(said(&[(0, &[at(0, 0)]), (0, &[at(0, 2)])]).len(), 1);
        // As above, and one too many in the last batch.
        let later: &[(usize, &[MessagePlace])] =
            &[(5, &[]), (0, &[at(2, 0)]), (0, &[at(0, 2), at(1, 2)]), (0, &[at(1, 5)])];
        assert_eq!(said(later).len(), 1, "{:?}", said(later));
    }

    #[test]
    fn a_gap_that_a_moved_message_fills_is_none() {
        assert_eq!(said(&[(0, &[at(0, 1), at(0, 0), at(0, 2)])]), Vec::<String>::new());
    }

    #[test]
    fn a_place_that_was_given_before_is_told() {
        assert_eq!(said(&[(0, &[at(0, 0), at(0, 1)]), (0, &[at(0, 1)])]).len(), 1);
        assert_eq!(said(&[(1, &[at(0, 1)]), (0, &[at(0, 0)])]).len(), 1, "a gap of an earlier batch is gone");
    }
}
