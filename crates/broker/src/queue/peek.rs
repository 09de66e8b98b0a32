//! Looking at messages without taking them: in order of partition and sequence, so that a page continues
//! where the one before ended whatever happened in between.

use model::message::{DeadLetter, MessagePlace, MessageState};
use model::number::{Attempt, Partition, Sequence, Timestamp};

use super::Queue;
use super::chunk::{Slot, State};
use super::partition::Messages;
use crate::command::LeaseEnd;
use crate::place::Stored;

/// A message of a queue to fetch.
#[derive(Clone, Debug, PartialEq)]
pub struct PeekedPlace {
    /// Its partition.
    pub partition: Partition,
    /// Its place there.
    pub sequence: Sequence,
    /// Where its bytes lie.
    pub stored: Stored,
    /// When it was accepted.
    pub published_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// Where it is in its life.
    pub state: MessageState,
    /// Deliveries so far.
    pub attempts: Attempt,
    /// When it becomes available or its lease ends.
    pub due_at: Option<Timestamp>,
    /// Its history as a dead letter.
    pub dead_letter: Option<DeadLetter>,
}

impl Queue {
    /// Up to `limit` messages in a state behind a place, and where to continue.
    pub fn peek(
        &self,
        state: MessageState,
        after: Option<MessagePlace>,
        limit: usize,
    ) -> (Vec<PeekedPlace>, Option<MessagePlace>) {
        let mut places = Vec::new();
        for (partition, messages) in self.numbered() {
            let start = match after {
                Some(place) if partition < place.partition => continue,
                Some(place) if partition == place.partition => place.sequence.next(),
                _ => Sequence::new(0),
            };
            for (sequence, slot) in messages.in_state(state, start) {
                if places.len() == limit {
                    let next = places
                        .last()
                        .map(|last: &PeekedPlace| MessagePlace { partition: last.partition, sequence: last.sequence });
                    return (places, next);
                }
                places.push(messages.peeked(partition, sequence, slot, state));
            }
        }
        (places, None)
    }

    /// When the oldest message that waits for a consumer was accepted.
    pub fn oldest_ready_at(&self) -> Option<Timestamp> {
        let oldest = self
            .partitions
            .iter()
            .filter_map(|messages| messages.slots.get(messages.oldest_waiting()?).map(|slot| slot.published_at));
        oldest.min()
    }

    /// When the oldest message that is with a consumer was accepted.
    pub fn oldest_leased_at(&self) -> Option<Timestamp> {
        let oldest = self.partitions.iter().filter_map(|messages| {
            let (sequence, _) = messages.leases.first_key_value()?;
            messages.slots.get(*sequence).map(|slot| slot.published_at)
        });
        oldest.min()
    }
}

impl Messages {
    fn in_state(&self, state: MessageState, start: Sequence) -> Box<dyn Iterator<Item = (Sequence, &Slot)> + '_> {
        let with_slot = |sequence: &Sequence| {
            let slot = self.slots.get(*sequence).expect("tables name only messages that exist");
            (*sequence, slot)
        };
        match state {
            MessageState::Ready => {
                let waiting = |slot: &Slot| matches!(slot.state, State::Ready | State::Blocked);
                Box::new(self.slots.from(start).filter(move |(_, slot)| waiting(slot)))
            }
            MessageState::Delayed => {
                Box::new(self.delayed.range(start..).map(move |(sequence, _)| with_slot(sequence)))
            }
            MessageState::Leased => Box::new(self.leases.range(start..).map(move |(sequence, _)| with_slot(sequence))),
        }
    }

    fn peeked(&self, partition: Partition, sequence: Sequence, slot: &Slot, state: MessageState) -> PeekedPlace {
        let facts = self.facts.get(&sequence);
        let lease_end = self.leases.get(&sequence).and_then(|lease| match lease.end {
            LeaseEnd::At(time) => Some(time),
            LeaseEnd::WithConnection => None,
        });
        PeekedPlace {
            partition,
            sequence,
            stored: slot.stored(),
            published_at: slot.published_at,
            expires_at: facts.and_then(|facts| facts.expires_at),
            state,
            attempts: Attempt::new(self.deliveries(slot)),
            due_at: self.delayed.get(&sequence).copied().or(lease_end),
            dead_letter: facts.and_then(|facts| facts.dead_letter.as_deref().cloned()),
        }
    }
}
