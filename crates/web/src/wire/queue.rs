//! Queues: settings, changes of settings, description.
//! Invariant: in a patch an absent field stays and null removes a bound (RFC 7396).
//! Translated by `translate::queue`; tests in `translate/tests.rs`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::present;
use super::{AppliedPolicy, Headers, Name};

/// What a full queue does with the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// Refuse the publish; the producer slows down.
    Reject,
    /// Drop the oldest ready message, to the dead letters when there are any.
    DropOldest,
    /// Refuse the publish, and put the message among the dead letters.
    RejectToDeadLetter,
}

/// What ends a queue, besides being deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// Nothing.
    #[default]
    Permanent,
    /// A restart of the broker.
    Transient,
    /// A restart of the broker, and the end of the connection of this name.
    Exclusive(String),
}

/// In which order competing consumers get messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOrder {
    /// By priority, then first in, first out.
    Fifo,
    /// As `fifo`, and of each key at most one message is leased at a time.
    PerKey,
}

/// How a queue behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"max_messages": 100_000, "delivery_limit": 5, "dead_letter": "orders.dead"}))]
pub struct QueueSettings {
    /// Most messages it holds; null: only disk and memory bound it.
    #[schema(minimum = 1)]
    pub max_messages: Option<u64>,
    /// Most bytes of messages it holds.
    #[schema(minimum = 1)]
    pub max_bytes: Option<u64>,
    /// What happens at either bound.
    pub overflow: Overflow,
    /// Lifetime of messages that name none; the shorter of both wins.
    #[schema(minimum = 1)]
    pub message_ttl_ms: Option<u64>,
    /// Lease of a receive that names none.
    #[schema(minimum = 100, maximum = 43_200_000)]
    pub lease_ms: u64,
    /// Deliveries before a message is dead-lettered, or dropped where there is no dead-letter queue.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub delivery_limit: u32,
    /// Where dead letters go: a queue of the same namespace.
    pub dead_letter: Option<Name>,
    /// How long message ids are remembered; 0 switches deduplication off.
    #[schema(minimum = 0, maximum = 604_800_000)]
    pub deduplication_ms: u64,
    /// Order of delivery; fixed at creation.
    pub order: DeliveryOrder,
    /// More than one spreads the queue; a key stays in its partition; fixed at creation.
    #[schema(minimum = 1, maximum = 1024)]
    pub partitions: u32,
    /// Where dead letters go instead: through this exchange of the same namespace.
    pub dead_letter_exchange: Option<Name>,
    /// The routing key of dead letters there; null: those that the message came by.
    #[schema(max_length = 255)]
    pub dead_letter_key: Option<String>,
    /// The highest priority that counts; null: all count; fixed at creation.
    #[schema(minimum = 0, maximum = 255)]
    pub priority_max: Option<u8>,
    /// The queue goes when nobody consumed from it for so long.
    #[schema(minimum = 1, maximum = 316_224_000_000_u64)]
    pub expires_ms: Option<u64>,
    /// What ends it; fixed at creation.
    pub life: Life,
    /// Whether it goes when its last consumer does; fixed at creation.
    pub auto_delete: bool,
    /// Whether one consumer at a time gets all messages; fixed at creation.
    pub single_active_consumer: bool,
    /// How long a consumer stream may keep a message unsettled.
    #[schema(minimum = 1)]
    pub consumer_timeout_ms: Option<u64>,
    /// What a door wants to be remembered beyond that; fixed at creation.
    pub arguments: Headers,
}

/// A change of settings: absent stays, null removes a bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"max_messages": null, "lease_ms": 60_000}))]
pub struct QueuePatch {
    /// New bound on messages.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub max_messages: Option<Option<u64>>,
    /// New bound on bytes.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub max_bytes: Option<Option<u64>>,
    /// New behaviour at the bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overflow: Option<Overflow>,
    /// New lifetime, for messages published from now on.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub message_ttl_ms: Option<Option<u64>>,
    /// New default lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 43_200_000)]
    pub lease_ms: Option<u64>,
    /// New delivery limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub delivery_limit: Option<u32>,
    /// New dead-letter queue.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Name>)]
    pub dead_letter: Option<Option<Name>>,
    /// New deduplication window.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 604_800_000)]
    pub deduplication_ms: Option<u64>,
    /// New dead-letter exchange.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Name>)]
    pub dead_letter_exchange: Option<Option<Name>>,
    /// New routing key of dead letters.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 255)]
    pub dead_letter_key: Option<Option<String>>,
    /// New time to stand unused.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 316_224_000_000_u64)]
    pub expires_ms: Option<Option<u64>>,
    /// New time for a consumer stream to settle in.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub consumer_timeout_ms: Option<Option<u64>>,
}

/// How many messages are in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueCounts {
    /// Waiting for a consumer.
    pub ready: u64,
    /// Waiting for their time.
    pub delayed: u64,
    /// With consumers.
    pub leased: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Totals since the node started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// Messages accepted.
    pub published: u64,
    /// Messages handed to consumers, redeliveries included.
    pub delivered: u64,
    /// Messages settled by an ack.
    pub acknowledged: u64,
    /// Deliveries of a message that had been delivered before.
    pub redelivered: u64,
    /// Messages moved to dead letters.
    pub dead_lettered: u64,
    /// Messages dropped with no dead-letter queue to take them.
    pub dropped: u64,
}

/// A running redrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RedriveProgress {
    /// Messages moved so far.
    pub moved: u64,
    /// Messages a second it is held to; null is unlimited.
    pub rate: Option<u32>,
}

/// Everything about a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueDescription {
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
    /// How it was made to behave.
    pub settings: QueueSettings,
    /// The policy that applies to it, with the settings in effect.
    pub policy: Option<AppliedPolicy>,
    /// What it holds.
    pub counts: QueueCounts,
    /// When its oldest ready message was published.
    pub oldest_ready_at: Option<u64>,
    /// When its oldest leased message was published.
    pub oldest_leased_at: Option<u64>,
    /// Totals since the node started.
    pub totals: Totals,
    /// Connected consumers and waiting receives.
    pub consumers: u32,
    /// Set while a redrive runs.
    pub redrive: Option<RedriveProgress>,
}
