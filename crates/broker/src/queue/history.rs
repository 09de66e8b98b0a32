//! Messages that leave a queue, and dead letters on their way back.

use model::message::{Availability, DeadLetter, DeadLetterReason, MessagePlace};
use model::number::{Attempt, Partition, Sequence, Timestamp};
use model::queue::RedriveFilter;

use super::Queue;
use super::chunk::Slot;
use super::partition::Facts;
use super::publish::Arrival;
use crate::liveness::Liveness;
use crate::place::Stored;
use crate::record::Head;

/// A message that a queue gave up. Its reference is released; whoever takes it retains it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    slot: Slot,
    facts: Facts,
    reason: DeadLetterReason,
}

impl Departure {
    pub(super) const fn new(slot: Slot, facts: Facts, reason: DeadLetterReason) -> Self {
        Self { slot, facts, reason }
    }

    /// Why it left.
    pub const fn reason(&self) -> DeadLetterReason {
        self.reason
    }

    /// Where its bytes lie.
    pub const fn stored(&self) -> Stored {
        self.slot.stored()
    }

    /// Where a dead letter came from.
    pub fn origin(&self) -> &str {
        self.facts.dead_letter.as_ref().map_or("", |letter| &letter.origin)
    }

    /// The same message for a dead-letter queue. It does not expire there on its old account.
    pub fn into_dead_letter(self, origin: &str, now: Timestamp) -> Arrival {
        let before = self.facts.dead_letter.as_ref().map_or(0, |letter| letter.count);
        let letter = DeadLetter {
            reason: self.reason,
            origin: origin.to_owned(),
            attempts: Attempt::new(self.slot.attempts),
            count: before.saturating_add(1),
            at: now,
        };
        self.into_arrival(Some(letter))
    }

    /// The same message for the queue that it came from, or another: its deliveries count anew, its history
    /// stays.
    pub fn into_redriven(self) -> Arrival {
        let letter = self.facts.dead_letter.as_deref().cloned();
        self.into_arrival(letter)
    }

    fn into_arrival(self, dead_letter: Option<DeadLetter>) -> Arrival {
        let head = Head {
            bytes: self.slot.bytes,
            priority: self.slot.priority,
            availability: Availability::Now,
            ttl: None,
            key: self.facts.key,
            id: None,
            empty: false,
        };
        Arrival {
            stored: self.slot.stored(),
            head,
            published_at: self.slot.published_at,
            dead_letter: dead_letter.map(Box::new),
        }
    }
}

impl Queue {
    /// Takes up to `max` ready dead letters out that fit a filter and whose origin has a way back.
    pub fn take_dead_letters(
        &mut self,
        filter: &RedriveFilter,
        max: usize,
        has_way: impl Fn(&str) -> bool,
        ledger: &mut Liveness,
    ) -> Vec<Departure> {
        let fits = |place: MessagePlace, letter: &DeadLetter| {
            filter.reason.is_none_or(|reason| reason == letter.reason)
                && filter.origin.as_ref().is_none_or(|origin| *origin == letter.origin)
                && (filter.places.is_empty() || filter.places.contains(&place))
                && has_way(&letter.origin)
        };
        let letters = self.numbered().flat_map(|(partition, messages)| {
            messages.ready.iter().filter_map(move |sequence| {
                let letter = messages.facts.get(&sequence)?.dead_letter.as_deref()?;
                Some((MessagePlace { partition, sequence }, letter))
            })
        });
        let chosen: Vec<(Partition, Sequence)> = letters
            .filter(|(place, letter)| fits(*place, letter))
            .map(|(place, _)| (place.partition, place.sequence))
            .take(max)
            .collect();
        let mut taken = Vec::with_capacity(chosen.len());
        for (partition, sequence) in chosen {
            let messages = self.partition_mut(partition).expect("the letter was found in it");
            let (slot, facts) = messages.remove(sequence, ledger);
            let reason = facts.dead_letter.as_ref().map_or(DeadLetterReason::Rejected, |letter| letter.reason);
            taken.push(Departure::new(slot, facts, reason));
        }
        taken
    }
}
