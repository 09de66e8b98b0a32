//! One queue: messages move ready → leased → gone, and back to ready when a lease ends.
//!
//! Invariants: a message is in exactly one state; it has at most one lease holder; the ledger holds one
//! reference a message. The window of a shared subscription is one of these too.
//! Called by `machine`; never sees payload bytes, names or users.
//! Scripts: `tests/scripts/queue_*.txt`; model: `tests/queue_properties.rs`.

mod bits;
mod chunk;
mod history;
mod key_order;
#[cfg(test)]
mod memory;
mod partition;
mod peek;
mod publish;
mod ready;
mod snapshot;
mod way;
mod window;

use std::collections::BTreeSet;

use model::message::{DeadLetter, DeadLetterReason, MessagePlace};
use model::number::{Attempt, ByteSize, Epoch, LogIndex, Offset, Partition, Priority, Sequence, Span, Timestamp};
use model::queue::{DeliveryOrder, NackAction, Overflow, QueueCounts, QueueSettings};
use model::receipt::{Receipt, Settlement};

use crate::command::{LeaseEnd, Pick};
use crate::deduplication::Deduplication;
use crate::liveness::Liveness;
use crate::place::{MessageRef, Stored};

use partition::Messages;

pub use history::Departure;
pub use peek::PeekedPlace;
pub use publish::{Arrival, Full};
pub use way::Way;

/// How a queue behaves, as far as its core is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Most messages.
    pub max_messages: Option<u64>,
    /// Most bytes.
    pub max_bytes: Option<ByteSize>,
    /// What happens at either bound.
    pub overflow: Overflow,
    /// Lifetime of messages that name none.
    pub message_ttl: Option<Span>,
    /// Deliveries before a message is given up.
    pub delivery_limit: u32,
    /// How long ids are remembered.
    pub deduplication: Span,
    /// Order of delivery.
    pub order: DeliveryOrder,
    /// Partitions.
    pub partitions: u32,
    /// The highest priority that counts.
    pub priority_max: Option<Priority>,
    /// Whether it is remembered by which way each message came.
    pub keeps_way: bool,
}

impl From<&QueueSettings> for Rules {
    fn from(settings: &QueueSettings) -> Self {
        Self {
            max_messages: settings.max_messages,
            max_bytes: settings.max_bytes,
            overflow: settings.overflow,
            message_ttl: settings.message_ttl,
            delivery_limit: settings.delivery_limit,
            deduplication: settings.deduplication,
            order: settings.order,
            partitions: settings.partitions,
            priority_max: settings.priority_max,
            keeps_way: settings.dead_letter_exchange.is_some() && settings.dead_letter_key.is_none(),
        }
    }
}

/// A message that may be handed out.
#[derive(Clone, Debug, PartialEq)]
pub struct Picked {
    /// Names it and this delivery of it, as its receipt does.
    pub pick: Pick,
    /// Which delivery this is, from 1; the attempt of the pick counts on over a seek.
    pub attempt: Attempt,
    /// Where its bytes lie.
    pub stored: Stored,
    /// When it was accepted.
    pub published_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// Its history as a dead letter.
    pub dead_letter: Option<DeadLetter>,
    /// Its offset, in the window of a subscription.
    pub offset: Option<Offset>,
}

/// The delivery core.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    rules: Box<Rules>,
    partitions: Vec<Messages>,
    /// The partition whose turn it is among messages without a key.
    turn_in: u32,
    /// The partition that is handed out from first.
    turn_out: u32,
    seen: Option<Box<Deduplication<MessagePlace>>>,
}

impl Queue {
    /// An empty queue.
    pub fn new(rules: Rules) -> Self {
        let partitions = (0..rules.partitions).map(|_| Messages::new(rules.order)).collect();
        Self { rules: Box::new(rules), partitions, turn_in: 0, turn_out: 0, seen: None }
    }

    /// Behaves differently from now on. Order and partitions stay.
    pub fn set_rules(&mut self, rules: Rules) {
        *self.rules = Rules { order: self.rules.order, partitions: self.rules.partitions, ..rules };
    }

    fn partition(&self, partition: Partition) -> Option<&Messages> {
        self.partitions.get(usize::try_from(partition.get()).ok()?)
    }

    fn partition_mut(&mut self, partition: Partition) -> Option<&mut Messages> {
        self.partitions.get_mut(usize::try_from(partition.get()).ok()?)
    }

    fn numbered(&self) -> impl Iterator<Item = (Partition, &Messages)> {
        (0..).map(Partition::new).zip(&self.partitions)
    }

    /// The next messages in order of delivery that are not `held`, up to `max` and `bytes_max`, at least one
    /// if there is any. Higher priorities come first; partitions are taken from in turn.
    pub fn pick(&self, held: &BTreeSet<(Partition, Sequence)>, max: usize, bytes_max: u64) -> Vec<Picked> {
        let count = self.partitions.len();
        let first = usize::try_from(self.turn_out).unwrap_or(0) % count.max(1);
        let order = (first..count).chain(0..first);
        let mut lines: Vec<_> = order
            .map(|at| {
                let partition = Partition::new(u32::try_from(at).expect("partitions are bounded"));
                self.partitions[at].deliverable(partition, held).peekable()
            })
            .collect();
        let mut picked = Vec::new();
        let mut bytes = 0;
        while let Some(highest) = lines.iter_mut().filter_map(|line| line.peek()).map(|(priority, _)| *priority).max() {
            // One from each partition that has such messages, and again until none has.
            let mut any = true;
            while any {
                any = false;
                for line in &mut lines {
                    let Some((_, next)) = line.next_if(|(priority, _)| *priority == highest) else { continue };
                    bytes += u64::from(next.stored.bytes);
                    if picked.len() == max || (bytes > bytes_max && !picked.is_empty()) {
                        return picked;
                    }
                    picked.push(next);
                    any = true;
                }
            }
        }
        picked
    }

    /// Records what was handed out; false for a pick whose message is not ready any more or that is not its
    /// next delivery.
    pub fn lease(&mut self, now: Timestamp, epoch: Epoch, end: LeaseEnd, picks: &[Pick]) -> Vec<bool> {
        if let Some(last) = picks.last() {
            self.turn_out = (last.partition.get() + 1) % self.rules.partitions.max(1);
        }
        let lease = |pick: &Pick| {
            let messages = self.partitions.get_mut(usize::try_from(pick.partition.get()).ok()?)?;
            messages.lease(now, epoch, end, pick.sequence, pick.attempt)
        };
        picks.iter().map(lease).map(|leased| leased.is_some()).collect()
    }

    /// Settles a delivery: its message goes.
    pub fn ack(&mut self, receipt: &Receipt, ledger: &mut Liveness) -> Settlement {
        let Some(messages) = self.leased_mut(receipt) else { return Settlement::LeaseLost };
        messages.remove(receipt.sequence, ledger);
        Settlement::Settled
    }

    /// Gives a delivery back, for later or for good.
    pub fn nack(
        &mut self,
        now: Timestamp,
        receipt: &Receipt,
        action: NackAction,
        ledger: &mut Liveness,
        departed: &mut Vec<Departure>,
    ) -> Settlement {
        let limit = self.rules.delivery_limit;
        let Some(messages) = self.leased_mut(receipt) else { return Settlement::LeaseLost };
        match action {
            NackAction::Reject => messages.give_up(receipt.sequence, DeadLetterReason::Rejected, ledger, departed),
            NackAction::Retry(delay) => {
                messages.give_back(now, receipt.sequence, delay, limit, ledger, departed);
            }
        }
        Settlement::Settled
    }

    /// Lets a delivery last `span` from now; one bound to its connection lasts as long anyway.
    pub fn extend(&mut self, now: Timestamp, receipt: &Receipt, span: Span) -> Settlement {
        let Some(messages) = self.leased_mut(receipt) else { return Settlement::LeaseLost };
        messages.extend(receipt.sequence, now.after(span));
        Settlement::Settled
    }

    /// Ends a delivery whose consumer is gone. It counts as one.
    pub fn release(&mut self, now: Timestamp, receipt: &Receipt, ledger: &mut Liveness, departed: &mut Vec<Departure>) {
        let limit = self.rules.delivery_limit;
        if let Some(messages) = self.leased_mut(receipt) {
            messages.give_back(now, receipt.sequence, Span::new(0), limit, ledger, departed);
        }
    }

    /// The partition of a delivery that is still the present one of its message.
    fn leased_mut(&mut self, receipt: &Receipt) -> Option<&mut Messages> {
        let messages = self.partition_mut(receipt.partition)?;
        messages.holds_lease(receipt.sequence, receipt.epoch, receipt.attempt).then_some(messages)
    }

    /// Ends the leases bound to connections of older leaderships; says whether there was one.
    pub fn end_connection_leases(
        &mut self,
        now: Timestamp,
        epoch: Epoch,
        ledger: &mut Liveness,
        departed: &mut Vec<Departure>,
    ) -> bool {
        let limit = self.rules.delivery_limit;
        let mut ended = false;
        for messages in &mut self.partitions {
            for sequence in messages.connection_leases_before(epoch) {
                messages.give_back(now, sequence, Span::new(0), limit, ledger, departed);
                ended = true;
            }
        }
        ended
    }

    /// Does what is due, within the budget of messages; says whether something became ready.
    pub fn advance(
        &mut self,
        now: Timestamp,
        budget: &mut usize,
        ledger: &mut Liveness,
        departed: &mut Vec<Departure>,
    ) -> bool {
        let limit = self.rules.delivery_limit;
        let mut woke = false;
        for messages in &mut self.partitions {
            woke |= messages.advance(now, limit, budget, ledger, departed);
        }
        let window = self.rules.deduplication;
        if let Some(seen) = &mut self.seen {
            seen.forget(now, window);
            if seen.is_empty() {
                self.seen = None;
            }
        }
        woke
    }

    /// When something is due next.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let messages = self.partitions.iter().filter_map(Messages::next_deadline);
        let ids = self.seen.as_ref().and_then(|seen| seen.deadline(self.rules.deduplication));
        messages.chain(ids).min()
    }

    /// How many of these messages still wait for a consumer.
    pub fn ready_among(&self, places: &BTreeSet<(Partition, Sequence)>) -> u64 {
        let ready =
            |place: &&(Partition, Sequence)| self.partition(place.0).is_some_and(|messages| messages.is_ready(place.1));
        u64::try_from(places.iter().filter(ready).count()).unwrap_or(u64::MAX)
    }

    /// How many messages are in which state.
    pub fn counts(&self) -> QueueCounts {
        self.partitions.iter().map(Messages::counts).fold(QueueCounts::default(), |sum, part| QueueCounts {
            ready: sum.ready + part.ready,
            delayed: sum.delayed + part.delayed,
            leased: sum.leased + part.leased,
            bytes: sum.bytes.plus(part.bytes),
        })
    }

    /// Deletes the messages at these places that are not leased; says which.
    pub fn cancel(&mut self, places: &[MessagePlace], ledger: &mut Liveness) -> Vec<bool> {
        let cancel = |place: &MessagePlace| {
            let messages = self.partitions.get_mut(usize::try_from(place.partition.get()).ok()?)?;
            messages.cancel(place.sequence, ledger)
        };
        places.iter().map(cancel).map(|cancelled| cancelled.is_some()).collect()
    }

    /// Deletes all messages that are not leased; says how many.
    pub fn purge(&mut self, ledger: &mut Liveness) -> u64 {
        self.partitions.iter_mut().map(|messages| messages.purge(ledger)).sum()
    }

    /// Deletes all messages.
    pub fn clear(&mut self, ledger: &mut Liveness) {
        self.partitions.iter_mut().for_each(|messages| messages.clear(ledger));
    }

    /// Lets a message refer to its new copy; false when it has moved or gone.
    pub fn relocate(
        &mut self,
        partition: Partition,
        sequence: Sequence,
        from: MessageRef,
        to: MessageRef,
        ledger: &mut Liveness,
    ) -> bool {
        self.partition_mut(partition).is_some_and(|messages| messages.relocate(sequence, from, to, ledger))
    }

    /// Up to `max` messages whose bytes lie in `from <= log index < until`.
    pub fn references_in(
        &self,
        from: LogIndex,
        until: LogIndex,
        max: usize,
    ) -> Vec<(Partition, Sequence, Stored, Timestamp)> {
        let all = self.numbered().flat_map(|(partition, messages)| {
            messages.all().map(move |(sequence, slot)| (partition, sequence, slot.stored(), slot.published_at))
        });
        all.filter(|(_, _, stored, _)| (from..until).contains(&stored.at.index)).take(max).collect()
    }
}

/// Which delivery a pick is, for a message delivered so often before.
const fn next_attempt(attempts: u32) -> Attempt {
    Attempt::new(attempts.saturating_add(1))
}
