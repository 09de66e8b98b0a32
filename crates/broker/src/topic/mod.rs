//! One topic: partitions of records, each an index into the log, read by everyone, changed only at both ends.
//!
//! Invariant: offsets are dense when given and never given twice; the ledger holds one reference a record.
//! Called by `machine`; never sees payload bytes or names.
//! Scripts: `tests/scripts/topic_*.txt`; models: `tests/topic_properties.rs`.

mod compaction;
mod partition;
mod retention;
mod run;
mod snapshot;

use std::ops::Range;

use model::message::Availability;
use model::number::{ByteSize, LogIndex, Offset, Partition, Span, Timestamp};
use model::refusal::Refusal;
use model::topic::{Cleanup, PartitionExtent, TopicSettings};
use thiserror::Error;

use crate::deduplication::Deduplication;
use crate::liveness::Liveness;
use crate::place::{MessageRef, Stored};
use crate::record::{Head, IdHash};

pub use partition::History;

/// A message that arrives.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Where it lies.
    pub stored: Stored,
    /// What is known of it.
    pub head: Head,
    /// The partition it must go to.
    pub partition: Option<Partition>,
    /// When it was accepted.
    pub published_at: Timestamp,
}

/// Where a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its partition.
    pub partition: Partition,
    /// Its offset there.
    pub offset: Offset,
    /// True when a message with its id was there already: nothing was added.
    pub duplicate: bool,
}

/// One record of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the partition.
    pub offset: Offset,
    /// Where its bytes lie.
    pub stored: Stored,
    /// When it was accepted.
    pub published_at: Timestamp,
}

/// Why a topic does not take something. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Misfit {
    /// The topic has no such partition.
    #[error("the topic has no partition {0}")]
    NoPartition(Partition),
    /// A compacted topic keeps records by key.
    #[error("a record of a compacted topic needs a key")]
    KeyMissing,
    /// A topic cannot hold a message back.
    #[error("a topic delivers at once")]
    Delayed,
    /// Partitions can grow, not shrink.
    #[error("the topic has {0} partitions, which cannot become fewer")]
    Shrinks(u32),
}

impl Misfit {
    /// What the caller is told about the topic of this name.
    pub fn refusal(self, topic: &str) -> Refusal {
        let name = topic.to_owned();
        match self {
            Self::NoPartition(partition) => Refusal::PartitionNotFound { name, partition },
            Self::KeyMissing => Refusal::invalid("key", "a message for a compacted topic needs one"),
            Self::Delayed => Refusal::invalid("delay_ms", "a topic delivers at once; use a queue for delays"),
            Self::Shrinks(partitions) => Refusal::PartitionsShrink { name, partitions },
        }
    }
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    settings: TopicSettings,
    partitions: Vec<History>,
    /// The partition whose turn it is among messages that name neither key nor partition.
    turn: u32,
    seen: Deduplication<(Partition, Offset)>,
}

impl Topic {
    /// An empty topic. The settings were checked by `TopicSettings::check`.
    pub fn new(settings: TopicSettings) -> Self {
        let partitions = (0..settings.partitions).map(|_| History::new(settings.cleanup)).collect();
        Self { settings, partitions, turn: 0, seen: Deduplication::default() }
    }

    /// How it behaves.
    pub const fn settings(&self) -> &TopicSettings {
        &self.settings
    }

    /// Adds messages in their order, all or none.
    ///
    /// # Errors
    /// When one of them does not fit: it names a partition that is not there, is delayed, or lacks a key that
    /// compaction needs.
    pub fn publish(
        &mut self,
        now: Timestamp,
        arrivals: &[Arrival],
        ledger: &mut Liveness,
    ) -> Result<Vec<Placed>, Misfit> {
        arrivals.iter().try_for_each(|arrival| self.check(arrival))?;
        self.seen.forget(now, self.settings.deduplication);
        Ok(arrivals.iter().map(|arrival| self.place(now, arrival, ledger)).collect())
    }

    /// Whether a message could be added.
    ///
    /// # Errors
    /// As `publish`.
    pub fn check(&self, arrival: &Arrival) -> Result<(), Misfit> {
        if let Some(partition) = arrival.partition
            && self.history(partition).is_none()
        {
            return Err(Misfit::NoPartition(partition));
        }
        if self.settings.cleanup == Cleanup::Compact && arrival.head.key.is_none() {
            return Err(Misfit::KeyMissing);
        }
        match arrival.head.availability {
            Availability::Now => Ok(()),
            Availability::After(_) | Availability::At(_) => Err(Misfit::Delayed),
        }
    }

    fn place(&mut self, now: Timestamp, arrival: &Arrival, ledger: &mut Liveness) -> Placed {
        if let Some((partition, offset)) = self.watched(arrival).and_then(|id| self.seen.find(id)) {
            return Placed { partition, offset, duplicate: true };
        }
        let partition = self.choose(arrival);
        let history = self.history_mut(partition).expect("a partition is chosen among those there are");
        let offset = history.append(arrival.stored, arrival.published_at, &arrival.head, ledger);
        if let Some(id) = self.watched(arrival) {
            self.seen.remember(now, id, (partition, offset));
        }
        Placed { partition, offset, duplicate: false }
    }

    /// The id by which a second copy would be recognised.
    fn watched(&self, arrival: &Arrival) -> Option<IdHash> {
        arrival.head.id.filter(|_| self.settings.deduplication > Span::new(0))
    }

    fn choose(&mut self, arrival: &Arrival) -> Partition {
        if let Some(partition) = arrival.partition {
            return partition;
        }
        let count = self.settings.partitions;
        if let Some(key) = arrival.head.key {
            return Partition::new(key.partition(count));
        }
        let turn = self.turn;
        self.turn = (turn + 1) % count;
        Partition::new(turn)
    }

    /// One partition.
    pub fn history(&self, partition: Partition) -> Option<&History> {
        self.partitions.get(usize::try_from(partition.get()).ok()?)
    }

    fn history_mut(&mut self, partition: Partition) -> Option<&mut History> {
        self.partitions.get_mut(usize::try_from(partition.get()).ok()?)
    }

    /// Every partition, in order.
    pub fn histories(&self) -> impl Iterator<Item = (Partition, &History)> {
        (0..).map(Partition::new).zip(&self.partitions)
    }

    /// What there is to read in each partition.
    pub fn extents(&self) -> Vec<PartitionExtent> {
        self.histories().map(|(partition, history)| history.extent(partition)).collect()
    }

    /// How many records it holds.
    pub fn messages(&self) -> u64 {
        self.partitions.iter().map(|history| history.messages).sum()
    }

    /// How many bytes they are.
    pub fn bytes(&self) -> ByteSize {
        self.partitions.iter().fold(ByteSize::new(0), |sum, history| sum.plus(history.bytes))
    }

    /// Makes it behave otherwise. The settings were checked by `TopicSettings::check`. What retention gives up
    /// goes with the next `trim`. After growth, a key may belong to another partition than its older records.
    ///
    /// # Errors
    /// When partitions would become fewer.
    pub fn alter(&mut self, settings: TopicSettings) -> Result<(), Misfit> {
        if settings.partitions < self.settings.partitions {
            return Err(Misfit::Shrinks(self.settings.partitions));
        }
        self.partitions.iter_mut().for_each(|history| history.convert(settings.cleanup));
        let grown = settings.partitions - self.settings.partitions;
        self.partitions.extend((0..grown).map(|_| History::new(settings.cleanup)));
        if settings.deduplication == Span::new(0) {
            self.seen = Deduplication::default();
        }
        self.settings = settings;
        Ok(())
    }

    /// Gives up every record, before the topic goes. Offsets are not given again.
    pub fn clear(&mut self, ledger: &mut Liveness) {
        for history in &mut self.partitions {
            while history.drop_first(ledger) {}
        }
        self.seen = Deduplication::default();
    }

    /// Notes that a record was written again elsewhere; false when it is gone or does not lie at `from` any
    /// more: then nothing was changed.
    pub fn relocate(
        &mut self,
        partition: Partition,
        offset: Offset,
        from: MessageRef,
        to: MessageRef,
        ledger: &mut Liveness,
    ) -> bool {
        self.history_mut(partition).is_some_and(|history| history.relocate(offset, from, to, ledger))
    }

    /// Up to so many records whose bytes lie in this part of the log.
    pub fn references_in(&self, log: &Range<LogIndex>, max: usize) -> Vec<(Partition, Entry)> {
        self.histories()
            .flat_map(|(partition, history)| history.references_in(log).map(move |entry| (partition, entry)))
            .take(max)
            .collect()
    }
}
