//! Messages that come in: checked against the bounds together, then placed one by one.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::message::{Availability, DeadLetter, DeadLetterReason, MessagePlace};
use model::number::{ByteSize, Partition, Sequence, Span, Timestamp};
use model::queue::{DeliveryOrder, Overflow};
use mutant::Mutant;

use super::chunk::{Slot, State};
use super::history::Departure;
use super::partition::Facts;
use super::{Queue, Rules, Way};
use crate::deduplication::Deduplication;
use crate::liveness::Liveness;
use crate::outcome::Placed;
use crate::place::Stored;
use crate::record::Head;

/// A message that comes in.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// Where its bytes lie.
    pub stored: Stored,
    /// What is known of it.
    pub head: Head,
    /// When it was first accepted.
    pub published_at: Timestamp,
    /// Its history as a dead letter.
    pub dead_letter: Option<Box<DeadLetter>>,
    /// By which way it comes.
    pub way: Option<Arc<Way>>,
}

impl Arrival {
    /// A message that is published now.
    pub const fn new(stored: Stored, head: Head, now: Timestamp) -> Self {
        Self { stored, head, published_at: now, dead_letter: None, way: None }
    }
}

/// The queue is at a bound and refuses more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    /// Which bound, in words.
    pub bound: String,
}

/// What comes in: messages that stay whatever happens, and others, of which any one must fit.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    lasting: u64,
    lasting_bytes: u64,
    others: u64,
    other_bytes_max: u64,
}

impl Load {
    fn add(&mut self, bytes: u64, lasts: bool) {
        if lasts {
            self.lasting += 1;
            self.lasting_bytes += bytes;
        } else {
            self.others += 1;
            self.other_bytes_max = self.other_bytes_max.max(bytes);
        }
    }

    fn messages(self) -> u64 {
        self.lasting + self.others.min(1)
    }

    const fn bytes(self) -> u64 {
        self.lasting_bytes + self.other_bytes_max
    }
}

impl Queue {
    /// Adds messages, all or none. A message whose id is known is a duplicate: nothing is added for it.
    ///
    /// # Errors
    /// `Full` when a bound would be passed, and dropping the oldest is not allowed or would not help.
    pub fn publish(
        &mut self,
        now: Timestamp,
        arrivals: &[Arrival],
        ledger: &mut Liveness,
        departed: &mut Vec<Departure>,
    ) -> Result<Vec<Placed>, Full> {
        let window = self.rules.deduplication;
        if let Some(seen) = &mut self.seen {
            seen.forget(now, window);
        }
        self.check_room(now, arrivals)?;
        let mut placed = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let place = self.place(now, arrival, ledger);
            // A duplicate adds nothing, so it pushes nothing out, also where a bound was lowered meanwhile.
            if !place.duplicate {
                self.drop_overflow(ledger, departed);
            }
            placed.push(place);
        }
        Ok(placed)
    }

    /// Adds messages that exist already and must not be lost, whatever the bounds say. Says how many others
    /// were dropped to keep the bounds of a queue that drops its oldest.
    pub fn accept(&mut self, now: Timestamp, arrivals: &[Arrival], ledger: &mut Liveness) -> u64 {
        let mut departed = Vec::new();
        for arrival in arrivals {
            self.place(now, arrival, ledger);
            self.drop_overflow(ledger, &mut departed);
        }
        u64::try_from(departed.len()).unwrap_or(u64::MAX)
    }

    /// Refuses what does not fit. A queue that drops its oldest makes room, but not by dropping what is with
    /// consumers or waits for its time, and not for a message that would have to go itself.
    fn check_room(&self, now: Timestamp, arrivals: &[Arrival]) -> Result<(), Full> {
        let Rules { max_messages, max_bytes, overflow, .. } = *self.rules;
        if max_messages.is_none() && max_bytes.is_none() {
            return Ok(());
        }
        let mut ids = BTreeSet::new();
        let mut is_new = |arrival: &&Arrival| {
            self.find_duplicate(arrival).is_none() && arrival.head.id.is_none_or(|id| ids.insert(id))
        };
        let mut new = Load::default();
        for arrival in arrivals.iter().filter(&mut is_new) {
            let is_delayed = due_at(now, arrival.head.availability).is_some();
            new.add(u64::from(arrival.stored.bytes), overflow != Overflow::DropOldest || is_delayed);
        }
        let counts = self.counts();
        let all = counts.ready + counts.delayed + counts.leased;
        let waiting_bytes: u64 = self.partitions.iter().map(|messages| messages.bytes_waiting).sum();
        let (messages, bytes) = match overflow {
            Overflow::Reject | Overflow::RejectToDeadLetter => (all, counts.bytes.get()),
            Overflow::DropOldest => (all - counts.ready, counts.bytes.get() - waiting_bytes),
        };
        let does_not_fit = |max: u64, held: u64, new: u64| new > 0 && held.saturating_add(new) > max;
        let bound = |max: u64, held: u64, new: u64, unit: &str| match overflow {
            Overflow::Reject | Overflow::RejectToDeadLetter => format!("it holds {held} of {max} {unit}"),
            Overflow::DropOldest => {
                format!("of {max} {unit} {held} cannot be dropped, and {new} would have to stay")
            }
        };
        if let Some(max) = max_messages.filter(|max| does_not_fit(*max, messages, new.messages())) {
            return Err(Full { bound: bound(max, messages, new.messages(), "messages") });
        }
        if let Some(max) = max_bytes.map(ByteSize::get).filter(|max| does_not_fit(*max, bytes, new.bytes())) {
            return Err(Full { bound: bound(max, bytes, new.bytes(), "bytes") });
        }
        Ok(())
    }

    fn find_duplicate(&self, arrival: &Arrival) -> Option<MessagePlace> {
        self.seen.as_ref()?.find(arrival.head.id?)
    }

    fn place(&mut self, now: Timestamp, arrival: &Arrival, ledger: &mut Liveness) -> Placed {
        if let Some(first) = self.find_duplicate(arrival) {
            return Placed { partition: first.partition, place: first.sequence.get(), duplicate: true };
        }
        let partition = self.route(arrival);
        let due = due_at(now, arrival.head.availability);
        let expires_at = expires_at(now, due, &self.rules, &arrival.head, arrival.dead_letter.is_some());
        let mut slot = slot(arrival);
        slot.priority = self.rules.priority_max.map_or(slot.priority, |max| slot.priority.min(max));
        let facts = self.facts(arrival, expires_at);
        let messages = self.partition_mut(partition).expect("routing stays within the partitions");
        let sequence = Sequence::new(messages.next);
        messages.add(sequence, slot, facts, due, ledger);
        if let Some(id) = arrival.head.id
            && self.rules.deduplication > Span::new(0)
        {
            let seen = self.seen.get_or_insert_with(|| Box::new(Deduplication::default()));
            seen.remember(now, id, MessagePlace { partition, sequence });
        }
        Placed { partition, place: sequence.get(), duplicate: false }
    }

    fn route(&mut self, arrival: &Arrival) -> Partition {
        let partitions = self.rules.partitions;
        if let Some(key) = arrival.head.key {
            return Partition::new(key.partition(partitions));
        }
        let turn = self.turn_in % partitions.max(1);
        self.turn_in = (turn + 1) % partitions.max(1);
        Partition::new(turn)
    }

    /// A key costs memory, so it is kept only where it orders or places something: here, or in the queue that
    /// a dead letter may go back to.
    fn facts(&self, arrival: &Arrival, expires_at: Option<Timestamp>) -> Facts {
        let keeps_key =
            self.rules.order == DeliveryOrder::PerKey || self.rules.partitions > 1 || arrival.dead_letter.is_some();
        Facts {
            key: arrival.head.key.filter(|_| keeps_key),
            expires_at,
            dead_letter: arrival.dead_letter.clone(),
            way: arrival.way.clone().filter(|_| self.rules.keeps_way),
        }
    }

    /// Drops the oldest waiting messages until the bounds hold or only delayed and leased ones are left.
    fn drop_overflow(&mut self, ledger: &mut Liveness, departed: &mut Vec<Departure>) {
        while self.rules.overflow == Overflow::DropOldest && self.is_over() {
            let oldest = self.partitions.iter_mut().filter_map(|messages| {
                let sequence = messages.oldest_waiting()?;
                let published_at = messages.slots.get(sequence)?.published_at;
                Some((published_at, sequence, messages))
            });
            let Some((_, sequence, messages)) = oldest.min_by_key(|(at, sequence, _)| (*at, *sequence)) else { return };
            messages.give_up(sequence, DeadLetterReason::Overflow, ledger, departed);
        }
    }

    fn is_over(&self) -> bool {
        if self.rules.max_messages.is_none() && self.rules.max_bytes.is_none() {
            return false;
        }
        let counts = self.counts();
        let held = counts.ready + counts.delayed + counts.leased;
        self.rules.max_messages.is_some_and(|max| held > max)
            || self.rules.max_bytes.is_some_and(|max| counts.bytes > max)
    }
}

pub(super) fn slot(arrival: &Arrival) -> Slot {
    Slot {
        index: arrival.stored.at.index,
        published_at: arrival.published_at,
        position: arrival.stored.at.position,
        bytes: arrival.stored.bytes,
        attempts: 0,
        priority: arrival.head.priority,
        state: State::Ready,
    }
}

/// When a message becomes available, if not at once.
fn due_at(now: Timestamp, availability: Availability) -> Option<Timestamp> {
    match availability {
        Availability::Now => None,
        Availability::After(delay) if mutant::is_on(Mutant::DelayEndsEarly) => {
            Some(now.after(Span::new(delay.get() / 2)))
        }
        Availability::After(delay) => Some(now.after(delay)).filter(|due| *due > now),
        Availability::At(time) => Some(time).filter(|due| *due > now),
    }
}

/// When a message expires: its lifetime begins when it becomes available. A dead letter lives as long as its
/// queue says, not as long as its producer once did.
fn expires_at(
    now: Timestamp,
    due: Option<Timestamp>,
    rules: &Rules,
    head: &Head,
    is_dead_letter: bool,
) -> Option<Timestamp> {
    let own = head.ttl.filter(|_| !is_dead_letter);
    let ttl = own.into_iter().chain(rules.message_ttl).min()?;
    Some(due.unwrap_or(now).after(ttl))
}
