//! Topics: settings, changes, description, and reading a partition or all of them.
//! Invariant: in a patch an absent field stays and null removes a bound (RFC 7396).
//! Translated by `translate::topic`; tests in `translate/tests.rs`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::common::present;
use super::{Message, Name, Totals};

/// Which old messages a topic gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cleanup {
    /// Those beyond the retention.
    Delete,
    /// Those with a newer message of the same key; retention applies too.
    Compact,
}

/// How a topic behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"partitions": 3, "retention_ms": 604_800_000}))]
pub struct TopicSettings {
    /// How many partitions; may grow, never shrink.
    #[schema(minimum = 1, maximum = 1024)]
    pub partitions: u32,
    /// How long messages stay; null is for ever.
    #[schema(minimum = 1)]
    pub retention_ms: Option<u64>,
    /// Most bytes each partition keeps.
    #[schema(minimum = 1)]
    pub retention_bytes: Option<u64>,
    /// What is given up.
    pub cleanup: Cleanup,
    /// How long message ids are remembered; 0 switches deduplication off.
    #[schema(minimum = 0, maximum = 604_800_000)]
    pub deduplication_ms: u64,
}

/// A change of settings: absent stays, null removes a bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"partitions": 6, "retention_ms": null}))]
pub struct TopicPatch {
    /// More partitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1024)]
    pub partitions: Option<u32>,
    /// New retention time.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub retention_ms: Option<Option<u64>>,
    /// New retention size.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub retention_bytes: Option<Option<u64>>,
    /// New cleanup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleanup: Option<Cleanup>,
    /// New deduplication window.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 604_800_000)]
    pub deduplication_ms: Option<u64>,
}

/// The extent of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionExtent {
    /// Which.
    pub partition: u32,
    /// The oldest offset that can be read.
    pub earliest: u64,
    /// The offset the next message will get.
    pub end: u64,
    /// Messages kept; fewer than `end - earliest` on a compacted topic.
    pub messages: u64,
    /// Bytes kept.
    pub bytes: u64,
}

/// Everything about a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicDescription {
    /// Its namespace.
    pub namespace: Name,
    /// Its name there.
    pub name: Name,
    /// Its id; a recreated name gets another.
    pub id: u64,
    /// Who owns it; null once that user is deleted.
    pub owner: Option<Name>,
    /// When it was created.
    pub created_at: u64,
    /// How it behaves.
    pub settings: TopicSettings,
    /// Its partitions in order.
    pub partitions: Vec<PartitionExtent>,
    /// How many subscriptions follow it.
    pub subscriptions: u64,
    /// Totals since the node started.
    pub totals: Totals,
}

/// From where to read a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct ReadQuery {
    /// From this offset; one that was trimmed reads from the oldest kept. Without it and `time`: from the oldest.
    pub offset: Option<u64>,
    /// From the first message accepted at or after this time, in milliseconds since 1970; not with `offset`.
    pub time: Option<u64>,
    /// At most this many.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// Wait this long for the first message.
    #[param(minimum = 0, maximum = 60_000, default = 0)]
    pub wait_ms: Option<u64>,
}

/// Where an event stream starts when it does not resume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Beginning {
    /// The oldest message kept.
    Earliest,
    /// After the newest message.
    #[default]
    Latest,
}

/// What an event stream of a topic follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct FollowQuery {
    /// Only this partition; required on a topic with more than 64 partitions.
    #[param(minimum = 0, maximum = 1023)]
    pub partition: Option<u32>,
    /// From the oldest or after the newest message; left out: `latest`.
    #[param(inline)]
    pub from: Option<Beginning>,
    /// From this offset, with `partition` only.
    pub offset: Option<u64>,
    /// From the first message accepted at or after this time.
    pub time: Option<u64>,
}

/// A message of a partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// The partition it lies in.
    pub partition: u32,
    /// Its place there.
    pub offset: u64,
    /// The message.
    #[serde(flatten)]
    pub message: Message,
}

/// What a read brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Records {
    /// In the order of their offsets.
    pub messages: Vec<Record>,
    /// Read from here next.
    pub next: u64,
    /// The extent of the partition at that moment.
    pub extent: PartitionExtent,
}
