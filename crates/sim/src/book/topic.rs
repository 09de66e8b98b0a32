//! The reference of a topic: its records by offset, and the subscriptions that follow it.
//! Invariant: what may be gone by retention is only marked; what may not be gone must be found.
//! Called by `book`. Compared with the machine by `observer`.

use std::collections::BTreeMap;

use broker::group::Group;
use broker::limits::TOMBSTONE_MS;
use broker::record::KeyHash;
use model::name::{QueueName, SubscriptionName};
use model::number::{Offset, Partition, Span, SubscriptionId, Timestamp};
use model::topic::{Cleanup, TopicSettings};

use super::line::Line;

/// A record.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Which message.
    pub number: u64,
    /// When it was accepted.
    pub published_at: Timestamp,
    /// Its bytes.
    pub bytes: u64,
    /// Its key.
    pub key: Option<KeyHash>,
    /// It deletes its key.
    pub is_tombstone: bool,
    /// A rule that held once allows it to be gone.
    pub may_go: bool,
}

/// The records of a partition.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The offset of the next record.
    pub next: u64,
    /// By offset.
    pub records: BTreeMap<Offset, Kept>,
    /// Which message every offset ever had.
    pub numbers: BTreeMap<Offset, u64>,
}

/// A subscription.
#[derive(Clone, Debug)]
pub enum Cursor {
    /// Committed offsets by partition, and who has which partition.
    Stream(BTreeMap<Partition, Offset>, Group),
    /// Leases; dead letters go to the queue.
    Shared(Line, Option<QueueName>),
}

/// A topic.
#[derive(Clone, Debug)]
pub struct Topic {
    /// How it behaves.
    pub settings: TopicSettings,
    /// By partition.
    pub partitions: BTreeMap<Partition, History>,
    /// By name.
    pub subscriptions: BTreeMap<SubscriptionName, SubscriptionId>,
}

impl Topic {
    /// Without records.
    #[must_use]
    pub fn new(settings: TopicSettings) -> Self {
        let partitions = (0..settings.partitions).map(|number| (Partition::new(number), History::default())).collect();
        Self { settings, partitions, subscriptions: BTreeMap::new() }
    }

    /// Takes other settings; what the old ones allowed to go may be gone.
    pub fn alter(&mut self, now: Timestamp, settings: TopicSettings) {
        self.mark(now);
        for number in 0..settings.partitions {
            self.partitions.entry(Partition::new(number)).or_default();
        }
        self.settings = settings;
        self.mark(now);
    }

    /// Marks what retention allows to be gone.
    pub fn mark(&mut self, now: Timestamp) {
        let settings = &self.settings;
        for history in self.partitions.values_mut() {
            let mut behind = 0;
            let mut is_newest = true;
            for kept in history.records.values_mut().rev() {
                behind += kept.bytes;
                let is_old = settings.retention.is_some_and(|age| kept.published_at.after(age) <= now);
                let is_over = !is_newest && settings.retention_bytes.is_some_and(|max| max.get() < behind);
                let is_past = kept.is_tombstone && kept.published_at.after(Span::new(TOMBSTONE_MS)) <= now;
                kept.may_go |= is_old || is_over || is_past;
                is_newest = false;
            }
        }
    }

    /// Adds a record at an offset; says which offset it replaced.
    pub fn add(&mut self, partition: Partition, offset: Offset, record: Kept) -> Option<Offset> {
        let cleanup = self.settings.cleanup;
        let history = self.partitions.entry(partition).or_default();
        history.next = offset.get() + 1;
        history.numbers.insert(offset, record.number);
        let replaced = match cleanup {
            Cleanup::Compact => {
                history.records.iter().find(|(_, kept)| kept.key == record.key).map(|(offset, _)| *offset)
            }
            Cleanup::Delete => None,
        };
        if let Some(replaced) = replaced {
            history.records.remove(&replaced);
        }
        history.records.insert(offset, record);
        replaced
    }
}
