//! Messages: published, delivered, looked at, read.
//! Invariant: of `body` and `body_base64`, and of `key` and `key_base64`, at most one is there.
//! Translated by `translate::message`; tests in `translate/tests.rs`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::object::objects;
use super::{Death, Headers, Name, Properties, Routed};

/// A message to publish.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"body": "hello", "headers": {"trace": "a1"}, "key": "customer-7"}))]
pub struct NewMessage {
    /// The body as text; leave it and `body_base64` out for an empty body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16_777_216)]
    pub body: Option<String>,
    /// The body as base64, for bytes that are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 22_369_624)]
    pub body_base64: Option<String>,
    /// Named values beside the body.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// The media type of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, example = "text/plain")]
    pub content_type: Option<String>,
    /// Orders and places messages: the same key goes to the same partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub key: Option<String>,
    /// The key as base64, for bytes that are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1368)]
    pub key_base64: Option<String>,
    /// The urgency; a higher one is delivered first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 255, default = 0)]
    pub priority: Option<u8>,
    /// How long the message may wait before it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub ttl_ms: Option<u64>,
    /// Deliver it after this long, at most ten years; queues only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 316_224_000_000_u64)]
    pub delay_ms: Option<u64>,
    /// Deliver it at this time, in milliseconds since 1970; queues only, not with `delay_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliver_at: Option<u64>,
    /// The producer's id: a second message with it inside the deduplication window is the same message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub id: Option<String>,
    /// The partition it must go to; topics only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1023)]
    pub partition: Option<u32>,
    /// What else the producer says about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<Box<Properties>>,
}

/// Messages to publish, all or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// The messages, in order.
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 4096)]
    pub messages: Vec<NewMessage>,
}

/// The bytes of one raw message.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "describes the body; `extract::publication` reads it")]
pub struct RawBody(Vec<u8>);

/// Properties of one raw message; each may also come as a `Recado-…` header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct RawQuery {
    /// Raw body only: the key (header `Recado-Key`).
    #[param(max_length = 1024)]
    pub key: Option<String>,
    /// Raw body only: the urgency (header `Recado-Priority`).
    #[param(minimum = 0, maximum = 255)]
    pub priority: Option<u8>,
    /// Raw body only: how long it may wait (header `Recado-Ttl-Ms`).
    #[param(minimum = 1)]
    pub ttl_ms: Option<u64>,
    /// Raw body only: deliver it after this long (header `Recado-Delay-Ms`).
    pub delay_ms: Option<u64>,
    /// Raw body only: deliver it at this time (header `Recado-Deliver-At`).
    pub deliver_at: Option<u64>,
    /// Raw body only: the producer's id (header `Recado-Id`).
    #[param(min_length = 1, max_length = 128)]
    pub id: Option<String>,
    /// Raw body only: the media type of the message (header `Recado-Content-Type`).
    #[param(max_length = 255)]
    pub content_type: Option<String>,
    /// Raw body only: the partition of the topic (header `Recado-Partition`).
    #[param(minimum = 0, maximum = 1023)]
    pub partition: Option<u32>,
}

/// How a confirmed write is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Flushed to disk on the only node there is.
    Fsync,
    /// Flushed to disk on a majority of the replicas.
    FsyncMajority,
}

/// What became of one message that was published to a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishedMessage {
    /// Its id: the producer's or a new one.
    pub id: String,
    /// The partition it lies in.
    pub partition: u32,
    /// Its place there.
    pub sequence: u64,
    /// True when a message with this id was there already and nothing was added.
    pub duplicate: bool,
}

/// The confirmation of a publish to a queue: every message is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Published {
    /// In the order of the request.
    pub messages: Vec<PublishedMessage>,
    /// How they were made durable.
    pub durability: Durability,
    /// Where in the log they lie.
    pub position: u64,
}

/// What became of one message that was published to a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishedRecord {
    /// Its id: the producer's or a new one.
    pub id: String,
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
    /// True when a message with this id was there already and nothing was added.
    pub duplicate: bool,
}

/// The confirmation of a publish to a topic: every message is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishedRecords {
    /// In the order of the request.
    pub messages: Vec<PublishedRecord>,
    /// How they were made durable.
    pub durability: Durability,
    /// Where in the log they lie.
    pub position: u64,
}

/// A message as the broker keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// The producer's id or the broker's.
    pub id: String,
    /// The body, when it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
    /// The body as base64, when it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body_base64: Option<String>,
    /// Named values beside the body.
    #[serde(default)]
    pub headers: Headers,
    /// The media type of the body.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub content_type: Option<String>,
    /// The key, when it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// The key as base64, when it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_base64: Option<String>,
    /// The urgency.
    pub priority: u8,
    /// When it was accepted.
    pub published_at: u64,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<u64>,
    /// The authenticated user who sent it.
    pub sender: String,
    /// The lifetime that its producer gave it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ttl_ms: Option<u64>,
    /// What else the producer said about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub properties: Option<Box<Properties>>,
    /// The exchange that it was published to; absent when it went straight to a queue or topic.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub routed: Option<Routed>,
}

/// Why a message was moved to the dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterReason {
    /// It was delivered as often as the limit allows.
    DeliveryLimit,
    /// A consumer rejected it for good.
    Rejected,
    /// It expired before anyone took it.
    Expired,
    /// The queue was full and drops its oldest.
    Overflow,
}

/// The history that a dead-lettered message carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Why it was moved, the last time.
    pub reason: DeadLetterReason,
    /// Where it came from.
    #[schema(example = "queue default/orders")]
    pub origin: String,
    /// How often it had been delivered there.
    pub attempts: u32,
    /// How often it has been dead-lettered in all.
    pub count: u32,
    /// When it was moved, the last time.
    pub at: u64,
    /// Every different move, newest first.
    #[serde(default)]
    pub deaths: Vec<Death>,
    /// By which way it came here, when that was not the message's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub routed: Option<Routed>,
}

/// One delivery of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// Settles exactly this delivery; absent on a stream subscription, which commits offsets.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub receipt: Option<String>,
    /// Which delivery of the message this is, from 1.
    pub attempt: u32,
    /// The partition it lies in.
    pub partition: u32,
    /// Its offset, on a subscription.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub offset: Option<u64>,
    /// When the lease ends.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub leased_until: Option<u64>,
    /// Set when it comes from a dead-letter queue.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dead_letter: Option<DeadLetter>,
}

/// What a receive brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Received {
    /// The deliveries; empty when the wait ran out.
    pub messages: Vec<Delivery>,
}

/// Where a message of a queue is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// Waits for a consumer.
    #[default]
    Ready,
    /// Waits for its time.
    Delayed,
    /// Is with a consumer.
    Leased,
}

/// Which messages to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct PeekQuery {
    /// In which state.
    #[param(inline)]
    pub state: MessageState,
    /// At most this many.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// Where the page before ended.
    #[param(max_length = 64, pattern = "^[0-9]{1,10}-[0-9]{1,20}$")]
    pub cursor: Option<String>,
}

/// A message of a queue, looked at without taking it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peeked {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// The partition it lies in.
    pub partition: u32,
    /// Its place there; names it for cancel and redrive.
    pub sequence: u64,
    /// Where it is in its life.
    pub state: MessageState,
    /// Deliveries so far.
    pub attempts: u32,
    /// When it becomes available or its lease ends.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub due_at: Option<u64>,
    /// Set on a dead-letter queue.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dead_letter: Option<DeadLetter>,
}

/// What a peek saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeekedMessages {
    /// In order of partition and sequence, so that a page goes on where the one before ended.
    pub messages: Vec<Peeked>,
    /// Send this as `cursor` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// Names one message of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessagePlace {
    /// The partition.
    pub partition: u32,
    /// The place there.
    pub sequence: u64,
}

/// Deletes messages that are delayed or ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// Which.
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 4096)]
    pub places: Vec<MessagePlace>,
}

/// What a cancel did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cancelled {
    /// In the order of the request: true when the message was deleted, false when it was gone or leased.
    pub cancelled: Vec<bool>,
}

/// Moves dead letters back to where they came from, or to a named queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedriveRequest {
    /// Only those moved for this reason.
    pub reason: Option<DeadLetterReason>,
    /// Only those that came from this source.
    #[schema(example = "queue default/orders", max_length = 1024)]
    pub origin: Option<String>,
    /// Only these; empty means all.
    #[serde(deserialize_with = "objects")]
    #[schema(max_items = 4096)]
    pub places: Vec<MessagePlace>,
    /// At most this many.
    #[schema(minimum = 1)]
    pub max: Option<u64>,
    /// To this queue of the same namespace instead of their origin.
    pub target: Option<Name>,
    /// Messages a second; left out: all at once.
    #[schema(minimum = 1, maximum = 100_000)]
    pub rate: Option<u32>,
}

/// What a redrive did or set going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Redriven {
    /// Messages moved at once.
    pub moved: u64,
    /// True when the rest follows at the rate asked for; the queue's description shows the progress.
    pub running: bool,
}
