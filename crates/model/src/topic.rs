//! Topics: partitioned histories; every subscription sees every message.
//! Invariant: offsets in a partition are dense and never reused; what was read once reads the same until it is trimmed.

use crate::limits::PARTITIONS_MAX;
use crate::message::{MessageId, NewMessage, Record};
use crate::name::{NamespaceName, TopicRef, UserName};
use crate::number::{ByteSize, LogIndex, Offset, Partition, Span, Timestamp, TopicId};
use crate::page::{Page, PageRequest};
use crate::queue::{DeleteMode, Durability, Totals};
use crate::refusal::Refusal;

/// Which old messages a topic gives up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cleanup {
    /// Those beyond `retention` or `retention_bytes`.
    #[default]
    Delete,
    /// Those with a newer message of the same key; an empty body deletes its key. Retention applies too.
    Compact,
}

/// How a topic behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Partitions, 1 to 1024; may grow, never shrink.
    pub partitions: u32,
    /// How long messages stay; `None` is for ever.
    pub retention: Option<Span>,
    /// Most bytes each partition keeps.
    pub retention_bytes: Option<ByteSize>,
    /// What is given up.
    pub cleanup: Cleanup,
    /// How long message ids are remembered; zero switches deduplication off.
    pub deduplication: Span,
}

impl Default for TopicSettings {
    /// One partition, kept for seven days, ids remembered for five minutes.
    fn default() -> Self {
        Self {
            partitions: 1,
            retention: Some(Span::seconds(7 * 24 * 60 * 60)),
            retention_bytes: None,
            cleanup: Cleanup::Delete,
            deduplication: Span::new(crate::limits::DEDUPLICATION_MS_DEFAULT),
        }
    }
}

impl TopicSettings {
    /// Checks every number against its limit.
    ///
    /// # Errors
    /// `ArgumentInvalid` naming the field and its range.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.partitions == 0 || self.partitions > PARTITIONS_MAX {
            return Err(Refusal::invalid("partitions", "it must lie between 1 and 1024"));
        }
        if self.retention == Some(Span::new(0)) || self.retention_bytes == Some(ByteSize::new(0)) {
            return Err(Refusal::invalid("retention", "a bound is at least 1; leave it out for none"));
        }
        if self.deduplication.get() > crate::limits::DEDUPLICATION_MS_MAX {
            return Err(Refusal::invalid("deduplication_ms", "the window is at most seven days"));
        }
        Ok(())
    }
}

/// A change of some settings; a field that is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPatch {
    /// More partitions.
    pub partitions: Option<u32>,
    /// New retention time.
    pub retention: Option<Option<Span>>,
    /// New retention size.
    pub retention_bytes: Option<Option<ByteSize>>,
    /// New cleanup.
    pub cleanup: Option<Cleanup>,
    /// New deduplication window.
    pub deduplication: Option<Span>,
}

impl TopicPatch {
    /// The settings with this change made.
    #[must_use]
    pub fn applied_to(self, old: TopicSettings) -> TopicSettings {
        TopicSettings {
            partitions: self.partitions.unwrap_or(old.partitions),
            retention: self.retention.unwrap_or(old.retention),
            retention_bytes: self.retention_bytes.unwrap_or(old.retention_bytes),
            cleanup: self.cleanup.unwrap_or(old.cleanup),
            deduplication: self.deduplication.unwrap_or(old.deduplication),
        }
    }
}

/// The extent of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionExtent {
    /// Which.
    pub partition: Partition,
    /// The oldest offset that can be read.
    pub earliest: Offset,
    /// The offset the next message will get.
    pub end: Offset,
    /// Messages kept; fewer than `end - earliest` on a compacted topic.
    pub messages: u64,
    /// Bytes kept.
    pub bytes: ByteSize,
}

/// Everything about a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub topic: TopicRef,
    /// Its id.
    pub id: TopicId,
    /// Who owns it; `None` once that user is deleted.
    pub owner: Option<UserName>,
    /// When it was created.
    pub created_at: Timestamp,
    /// How it behaves.
    pub settings: TopicSettings,
    /// Its partitions in order.
    pub partitions: Vec<PartitionExtent>,
    /// How many subscriptions follow it.
    pub subscriptions: u64,
    /// Totals since the node started.
    pub totals: Totals,
}

/// Creates a topic: done when it is there with equal settings, refused when they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTopic {
    /// Its name.
    pub topic: TopicRef,
    /// How it behaves.
    pub settings: TopicSettings,
}

/// Describes a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeTopic {
    /// Which.
    pub topic: TopicRef,
}

/// Changes settings of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterTopic {
    /// Which.
    pub topic: TopicRef,
    /// What changes.
    pub patch: TopicPatch,
}

/// Deletes a topic with its subscriptions. Only its owner or an administrator may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTopic {
    /// Which.
    pub topic: TopicRef,
    /// What happens to its messages and subscriptions.
    pub mode: DeleteMode,
}

/// Lists topics by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTopics {
    /// Where.
    pub namespace: NamespaceName,
    /// Only names that start with this.
    pub prefix: String,
    /// Which part of the list.
    pub page: PageRequest,
}

/// Gives a topic to another user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferTopic {
    /// Which.
    pub topic: TopicRef,
    /// The new owner.
    pub owner: UserName,
}

/// A message for a topic and, if wanted, its partition.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TopicMessage {
    /// The message; without key and partition it goes to the partitions in turn.
    pub message: NewMessage,
    /// The partition it must go to.
    pub partition: Option<Partition>,
}

/// Publishes messages to a topic, all in one step: all are accepted or none.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishTopic {
    /// Where to.
    pub topic: TopicRef,
    /// What: 1 to 4096.
    pub messages: Vec<TopicMessage>,
}

/// What became of one message published to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedRecord {
    /// Its id: the producer's or a new one.
    pub id: MessageId,
    /// Its partition.
    pub partition: Partition,
    /// Its offset there.
    pub offset: Offset,
    /// True when a message with this id was there already: nothing was added.
    pub duplicate: bool,
}

/// The confirmation of a publish to a topic. It exists only once every message is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedRecords {
    /// In the order of the request.
    pub records: Vec<PublishedRecord>,
    /// How they were made durable.
    pub durability: Durability,
    /// Where in the log they lie.
    pub position: LogIndex,
}

/// A place to start reading a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// The oldest message that is kept.
    Earliest,
    /// After the newest message.
    Latest,
    /// This offset; one that was trimmed reads from the oldest kept.
    Offset(Offset),
    /// The first message accepted at or after this time.
    Time(Timestamp),
}

/// Reads a partition without a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPartition {
    /// Which topic.
    pub topic: TopicRef,
    /// Which partition.
    pub partition: Partition,
    /// From where.
    pub start: StartAt,
    /// At most this many: 1 to 1000.
    pub limit: u32,
    /// Wait this long for the first message: 0 to 60 s.
    pub wait: Span,
}

/// What a read brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Records {
    /// In the order of their offsets.
    pub records: Vec<Record>,
    /// Read from here next.
    pub next: Offset,
    /// The extent of the partition at that moment.
    pub extent: PartitionExtent,
}

/// A page of topics.
pub type TopicPage = Page<TopicDescription>;
