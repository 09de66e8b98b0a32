//! Topics: settings, patches, descriptions, records.
//! Invariant: settings that passed `check` are within every limit.
//! Used by `rest::topics` and `rest::streaming`; tests in `translate/tests.rs`.

use model::message::Record;
use model::number::{ByteSize, Offset, Partition, Span, Timestamp};
use model::refusal::Refusal;
use model::topic::{
    PartitionExtent, PublishedRecord, PublishedRecords, Records, StartAt, TopicDescription, TopicPatch, TopicSettings,
};

use super::queue::owner;
use crate::wire;

impl Default for wire::TopicSettings {
    fn default() -> Self {
        TopicSettings::default().into()
    }
}

impl From<TopicSettings> for wire::TopicSettings {
    fn from(settings: TopicSettings) -> Self {
        Self {
            partitions: settings.partitions,
            retention_ms: settings.retention.map(Span::get),
            retention_bytes: settings.retention_bytes.map(ByteSize::get),
            cleanup: settings.cleanup.into(),
            deduplication_ms: settings.deduplication.get(),
        }
    }
}

impl TryFrom<wire::TopicSettings> for TopicSettings {
    type Error = Refusal;

    fn try_from(settings: wire::TopicSettings) -> Result<Self, Refusal> {
        let translated = Self {
            partitions: settings.partitions,
            retention: settings.retention_ms.map(Span::new),
            retention_bytes: settings.retention_bytes.map(ByteSize::new),
            cleanup: settings.cleanup.into(),
            deduplication: Span::new(settings.deduplication_ms),
        };
        translated.check()?;
        Ok(translated)
    }
}

impl TryFrom<wire::TopicPatch> for TopicPatch {
    type Error = Refusal;

    fn try_from(patch: wire::TopicPatch) -> Result<Self, Refusal> {
        let translated = Self {
            partitions: patch.partitions,
            retention: patch.retention_ms.map(|span| span.map(Span::new)),
            retention_bytes: patch.retention_bytes.map(|bytes| bytes.map(ByteSize::new)),
            cleanup: patch.cleanup.map(Into::into),
            deduplication: patch.deduplication_ms.map(Span::new),
        };
        translated.clone().applied_to(TopicSettings::default()).check()?;
        Ok(translated)
    }
}

impl From<PartitionExtent> for wire::PartitionExtent {
    fn from(extent: PartitionExtent) -> Self {
        Self {
            partition: extent.partition.get(),
            earliest: extent.earliest.get(),
            end: extent.end.get(),
            messages: extent.messages,
            bytes: extent.bytes.get(),
        }
    }
}

impl From<TopicDescription> for wire::TopicDescription {
    fn from(topic: TopicDescription) -> Self {
        Self {
            namespace: topic.topic.namespace.as_str().into(),
            name: topic.topic.name.as_str().into(),
            id: topic.id.get(),
            owner: owner(topic.owner),
            created_at: topic.created_at.get(),
            settings: topic.settings.into(),
            partitions: topic.partitions.into_iter().map(wire::PartitionExtent::from).collect(),
            subscriptions: topic.subscriptions,
            totals: topic.totals.into(),
        }
    }
}

impl From<PublishedRecord> for wire::PublishedRecord {
    fn from(record: PublishedRecord) -> Self {
        Self {
            id: record.id.as_str().to_owned(),
            partition: record.partition.get(),
            offset: record.offset.get(),
            duplicate: record.duplicate,
        }
    }
}

impl From<PublishedRecords> for wire::PublishedRecords {
    fn from(published: PublishedRecords) -> Self {
        Self {
            messages: published.records.into_iter().map(wire::PublishedRecord::from).collect(),
            durability: published.durability.into(),
            position: published.position.get(),
        }
    }
}

/// A record beside the partition it was read from.
pub(crate) fn record(partition: Partition, record: Record) -> wire::Record {
    wire::Record { partition: partition.get(), offset: record.offset.get(), message: record.message.into() }
}

impl From<Records> for wire::Records {
    fn from(records: Records) -> Self {
        let partition = records.extent.partition;
        Self {
            messages: records.records.into_iter().map(|found| record(partition, found)).collect(),
            next: records.next.get(),
            extent: records.extent.into(),
        }
    }
}

/// Where a read starts.
pub(crate) fn read_start(offset: Option<u64>, time: Option<u64>) -> Result<Option<StartAt>, Refusal> {
    match (offset, time) {
        (Some(_), Some(_)) => Err(Refusal::invalid("time", "give offset or time, not both")),
        (Some(offset), None) => Ok(Some(StartAt::Offset(Offset::new(offset)))),
        (None, Some(time)) => Ok(Some(StartAt::Time(Timestamp::new(time)))),
        (None, None) => Ok(None),
    }
}

impl From<wire::Beginning> for StartAt {
    fn from(from: wire::Beginning) -> Self {
        match from {
            wire::Beginning::Earliest => Self::Earliest,
            wire::Beginning::Latest => Self::Latest,
        }
    }
}

impl From<wire::StartAt> for StartAt {
    fn from(start: wire::StartAt) -> Self {
        match start {
            wire::StartAt::Earliest => Self::Earliest,
            wire::StartAt::Latest => Self::Latest,
            wire::StartAt::Offset(offset) => Self::Offset(Offset::new(offset)),
            wire::StartAt::Time(time) => Self::Time(Timestamp::new(time)),
        }
    }
}

impl From<StartAt> for wire::StartAt {
    fn from(start: StartAt) -> Self {
        match start {
            StartAt::Earliest => Self::Earliest,
            StartAt::Latest => Self::Latest,
            StartAt::Offset(offset) => Self::Offset(offset.get()),
            StartAt::Time(time) => Self::Time(time.get()),
        }
    }
}
