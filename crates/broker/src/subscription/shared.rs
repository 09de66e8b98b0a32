//! A shared subscription: a window of leases that is pulled over the topic as its messages are settled.
//!
//! Messages before the window are done, those behind it cost nothing. The sequence of a message in the
//! window is its offset in the partition.
//! Invariants: a partition has at most `SHARED_WINDOW_MESSAGES` in the window; each has a reference of its
//! own, so that retention cannot take a message out of a consumer's hands.

use model::number::{Generation, LogIndex, Offset, Partition, Sequence, Span, Timestamp};
use model::queue::{DeliveryOrder, Overflow};
use model::subscription::{PartitionOffset, PartitionProgress};
use model::topic::StartAt;

use super::Progress;
use crate::codec::Wire;
use crate::limits::SHARED_WINDOW_MESSAGES;
use crate::liveness::Liveness;
use crate::place::{MessageRef, Stored};
use crate::queue::{Arrival, Departure, Queue, Rules};
use crate::record::Head;
use crate::topic::{Entry, Topic};
use crate::wire::{Reader, WireError, Writer};

/// A window of leases over a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared {
    window: Queue,
    /// The first offset behind the window, a partition.
    next: Vec<Offset>,
}

impl Shared {
    /// Starts somewhere, with an empty window.
    pub fn new(topic: &Topic, start: StartAt, delivery_limit: u32) -> Self {
        let rules = Rules {
            max_messages: None,
            max_bytes: None,
            overflow: Overflow::Reject,
            message_ttl: None,
            delivery_limit,
            deduplication: Span::new(0),
            order: DeliveryOrder::Fifo,
            partitions: topic.settings().partitions,
            priority_max: None,
            keeps_way: false,
        };
        let next = topic.histories().map(|(_, history)| history.locate(start)).collect();
        Self { window: Queue::new(rules), next }
    }

    /// The delivery core of the window.
    pub const fn window(&self) -> &Queue {
        &self.window
    }

    /// The delivery core of the window.
    pub const fn window_mut(&mut self) -> &mut Queue {
        &mut self.window
    }

    /// Pulls records in while partitions have room; says whether any came.
    pub fn fill(&mut self, topic: &Topic, ledger: &mut Liveness) -> bool {
        let mut came = false;
        for ((partition, history), next) in topic.histories().zip(&mut self.next) {
            // Retention may have overtaken the window.
            *next = history.clamp(*next);
            let room = SHARED_WINDOW_MESSAGES.saturating_sub(self.window.held(partition));
            if room == 0 || *next == history.end() {
                continue;
            }
            for entry in history.from(*next).take(room) {
                let sequence = Sequence::new(entry.offset.get());
                self.window.place_at(partition, sequence, &arrival(&entry), ledger);
                *next = entry.offset.next();
                came = true;
            }
            // Behind the last record there may be only holes.
            if self.window.held(partition) < SHARED_WINDOW_MESSAGES {
                *next = history.end();
            }
        }
        came
    }

    /// Does what is due in the window.
    pub fn advance(
        &mut self,
        now: Timestamp,
        budget: &mut usize,
        ledger: &mut Liveness,
        departed: &mut Vec<Departure>,
    ) -> bool {
        self.window.advance(now, budget, ledger, departed)
    }

    /// When something is due next.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.window.next_deadline()
    }

    /// Gives all references back, before the subscription goes.
    pub fn clear(&mut self, ledger: &mut Liveness) {
        self.window.clear(ledger);
    }

    /// Takes in partitions that the topic has grown; they are read from their start.
    pub fn grow(&mut self, partitions: u32) {
        let count = usize::try_from(partitions).unwrap_or(usize::MAX);
        self.next.resize(count.max(self.next.len()), Offset::new(0));
        self.window.grow(partitions);
    }

    /// Moves to a place, in all partitions or one. What was in the window there, leased or not, is dropped
    /// from it; receipts given before do not settle any more.
    pub fn seek(
        &mut self,
        topic: &Topic,
        to: StartAt,
        only: Option<Partition>,
        ledger: &mut Liveness,
    ) -> Vec<PartitionOffset> {
        let mut moved = Vec::new();
        for ((partition, history), next) in topic.histories().zip(&mut self.next) {
            if only.is_none_or(|only| only == partition) {
                *next = history.locate(to);
                self.window.restart(partition, ledger);
                moved.push(PartitionOffset { partition, offset: *next });
            }
        }
        moved
    }

    /// How far it is.
    pub fn progress(&self, topic: &Topic, now: Timestamp) -> Progress {
        let counts = self.window.counts();
        let partitions: Vec<_> = topic
            .histories()
            .zip(&self.next)
            .map(|((partition, history), next)| {
                let behind = history.clamp(*next);
                let held = u64::try_from(self.window.held(partition)).unwrap_or(u64::MAX);
                // The first that is not done: the window holds what is leased, waits or is to be tried again.
                let in_window = self.window.oldest_in(partition).map(|(first, at)| (Offset::new(first.get()), at));
                let waiting = || history.from(behind).next().map(|entry| (entry.offset, entry.published_at));
                let oldest = in_window.or_else(waiting);
                PartitionProgress {
                    partition,
                    committed: oldest.map_or(history.end(), |(first, _)| first),
                    end: history.end(),
                    lag: held + history.messages_from(behind),
                    lag_time: oldest.map_or(Span::new(0), |(_, at)| now.since(at)),
                    member: None,
                }
            })
            .collect();
        Progress {
            generation: Generation::new(0),
            members: Vec::new(),
            lag: partitions.iter().map(|part| part.lag).sum(),
            lag_time: partitions.iter().map(|part| part.lag_time).max().unwrap_or_default(),
            leased: counts.leased,
            partitions,
        }
    }

    /// Up to `max` messages of the window whose bytes lie in `from <= log index < until`.
    pub fn references_in(
        &self,
        from: LogIndex,
        until: LogIndex,
        max: usize,
    ) -> Vec<(Partition, Sequence, Stored, Timestamp)> {
        self.window.references_in(from, until, max)
    }

    /// Lets a message of the window refer to its new copy.
    pub fn relocate(
        &mut self,
        partition: Partition,
        sequence: Sequence,
        from: MessageRef,
        to: MessageRef,
        ledger: &mut Liveness,
    ) -> bool {
        self.window.relocate(partition, sequence, from, to, ledger)
    }

    /// Writes the whole state.
    pub fn encode(&self, writer: &mut Writer) {
        self.window.encode(writer);
        self.next.write(writer);
    }

    /// Reads what `encode` wrote.
    ///
    /// # Errors
    /// When the bytes are not a shared subscription.
    pub fn decode(reader: &mut Reader) -> Result<Self, WireError> {
        Ok(Self { window: Queue::decode(reader)?, next: Wire::read(reader)? })
    }
}

/// A record as it enters the window. Topics act neither on priority nor on delay.
fn arrival(entry: &Entry) -> Arrival {
    let head = Head {
        bytes: entry.stored.bytes,
        priority: model::number::Priority::DEFAULT,
        availability: model::message::Availability::Now,
        ttl: None,
        key: None,
        id: None,
        empty: false,
    };
    Arrival::new(entry.stored, head, entry.published_at)
}
