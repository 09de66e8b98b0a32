//! Queues: each message goes to one consumer, in order, until it is settled.
//! Requests and replies of every queue operation, and of receiving and settling from any source.
//! Invariant: `check` of settings bounds every number before the log sees it.

use crate::limits::{
    DEDUPLICATION_MS_DEFAULT, DEDUPLICATION_MS_MAX, DELIVERY_LIMIT_DEFAULT, DELIVERY_LIMIT_MAX, LEASE_MS_DEFAULT,
    LEASE_MS_MAX, LEASE_MS_MIN, PARTITIONS_MAX, REDRIVE_RATE_MAX,
};
use crate::message::{DeadLetterReason, Delivery, MessageId, MessagePlace, MessageState, NewMessage, Peeked};
use crate::name::{MemberName, NamespaceName, QueueName, QueueRef, Source, UserName};
use crate::number::{ByteSize, LogIndex, Partition, QueueId, Sequence, Span, Timestamp};
use crate::page::{Page, PageRequest};
use crate::receipt::{Receipt, Settlement};
use crate::refusal::Refusal;

/// What a full queue does with the next message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Refuse the publish; the producer slows down.
    #[default]
    Reject,
    /// Drop the oldest ready message (to the dead letters when there are any).
    DropOldest,
}

/// In which order competing consumers get messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryOrder {
    /// By priority, then first in, first out.
    #[default]
    Fifo,
    /// As `Fifo`, and of each key at most one message is leased at a time, in the order of arrival.
    PerKey,
}

/// How a queue behaves. Every field can be altered later except `partitions` and `order`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Most messages it holds; `None`: only disk and memory bound it.
    pub max_messages: Option<u64>,
    /// Most bytes of messages it holds.
    pub max_bytes: Option<ByteSize>,
    /// What happens at either bound.
    pub overflow: Overflow,
    /// Lifetime of messages that name none; the shorter of both wins.
    pub message_ttl: Option<Span>,
    /// Lease of a receive that names none: 100 ms to 12 h.
    pub lease: Span,
    /// Deliveries before a message is dead-lettered, or dropped where there is no dead-letter queue.
    pub delivery_limit: u32,
    /// Where dead letters go; a queue of the same namespace.
    pub dead_letter: Option<QueueName>,
    /// How long message ids are remembered; zero switches deduplication off.
    pub deduplication: Span,
    /// Order of delivery.
    pub order: DeliveryOrder,
    /// Partitions, 1 to 1024: more than one spreads the queue; a key stays in its partition.
    pub partitions: u32,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            max_messages: None,
            max_bytes: None,
            overflow: Overflow::Reject,
            message_ttl: None,
            lease: Span::new(LEASE_MS_DEFAULT),
            delivery_limit: DELIVERY_LIMIT_DEFAULT,
            dead_letter: None,
            deduplication: Span::new(DEDUPLICATION_MS_DEFAULT),
            order: DeliveryOrder::Fifo,
            partitions: 1,
        }
    }
}

impl QueueSettings {
    /// Checks every number against its limit.
    ///
    /// # Errors
    /// `ArgumentInvalid` naming the field and its range.
    pub fn check(&self) -> Result<(), Refusal> {
        check_lease(self.lease)?;
        if self.max_messages == Some(0) || self.max_bytes == Some(ByteSize::new(0)) {
            return Err(Refusal::invalid("max_messages", "a bound is at least 1; leave it out for none"));
        }
        if self.delivery_limit == 0 || self.delivery_limit > DELIVERY_LIMIT_MAX {
            return Err(Refusal::invalid("delivery_limit", "it must lie between 1 and 1000000"));
        }
        if self.deduplication.get() > DEDUPLICATION_MS_MAX {
            return Err(Refusal::invalid("deduplication_ms", "the window is at most seven days"));
        }
        if self.partitions == 0 || self.partitions > PARTITIONS_MAX {
            return Err(Refusal::invalid("partitions", "it must lie between 1 and 1024"));
        }
        if self.message_ttl == Some(Span::new(0)) {
            return Err(Refusal::invalid("message_ttl_ms", "a lifetime is at least 1 ms; leave it out for none"));
        }
        Ok(())
    }
}

/// Checks the length of a lease: 100 ms to 12 h.
///
/// # Errors
/// `ArgumentInvalid` naming the range.
pub fn check_lease(lease: Span) -> Result<(), Refusal> {
    if (LEASE_MS_MIN..=LEASE_MS_MAX).contains(&lease.get()) {
        return Ok(());
    }
    Err(Refusal::invalid("lease_ms", "it must lie between 100 and 43200000"))
}

/// A change of some settings; a field that is `None` stays as it is.
/// The inner `Option` of a bound: `None` removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueuePatch {
    /// New bound on messages.
    pub max_messages: Option<Option<u64>>,
    /// New bound on bytes.
    pub max_bytes: Option<Option<ByteSize>>,
    /// New behaviour at the bound.
    pub overflow: Option<Overflow>,
    /// New lifetime, for messages published from now on.
    pub message_ttl: Option<Option<Span>>,
    /// New default lease.
    pub lease: Option<Span>,
    /// New delivery limit.
    pub delivery_limit: Option<u32>,
    /// New dead-letter queue.
    pub dead_letter: Option<Option<QueueName>>,
    /// New deduplication window.
    pub deduplication: Option<Span>,
}

impl QueuePatch {
    /// The settings with this change made.
    #[must_use]
    pub fn applied_to(self, old: QueueSettings) -> QueueSettings {
        QueueSettings {
            max_messages: self.max_messages.unwrap_or(old.max_messages),
            max_bytes: self.max_bytes.unwrap_or(old.max_bytes),
            overflow: self.overflow.unwrap_or(old.overflow),
            message_ttl: self.message_ttl.unwrap_or(old.message_ttl),
            lease: self.lease.unwrap_or(old.lease),
            delivery_limit: self.delivery_limit.unwrap_or(old.delivery_limit),
            dead_letter: self.dead_letter.unwrap_or(old.dead_letter),
            deduplication: self.deduplication.unwrap_or(old.deduplication),
            order: old.order,
            partitions: old.partitions,
        }
    }
}

/// How many messages of a queue are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Waiting for a consumer.
    pub ready: u64,
    /// Waiting for their time.
    pub delayed: u64,
    /// With consumers.
    pub leased: u64,
    /// Bytes of all of them.
    pub bytes: ByteSize,
}

/// Totals since the node started, from which rates are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// Messages dropped: expired, over a bound or over the delivery limit, with no dead-letter queue.
    pub dropped: u64,
}

/// A running redrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedriveProgress {
    /// Messages moved so far.
    pub moved: u64,
    /// Messages a second it is held to; `None` is unlimited.
    pub rate: Option<u32>,
}

/// Everything about a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDescription {
    /// Its name.
    pub queue: QueueRef,
    /// Its id.
    pub id: QueueId,
    /// Who owns it; `None` once that user is deleted.
    pub owner: Option<UserName>,
    /// When it was created.
    pub created_at: Timestamp,
    /// How it behaves.
    pub settings: QueueSettings,
    /// What it holds.
    pub counts: QueueCounts,
    /// When its oldest ready message was published.
    pub oldest_ready_at: Option<Timestamp>,
    /// When its oldest leased message was published: the age of work that is not done.
    pub oldest_leased_at: Option<Timestamp>,
    /// Totals since the node started.
    pub totals: Totals,
    /// Connected consumers and waiting receives.
    pub consumers: u32,
    /// Set while a redrive runs.
    pub redrive: Option<RedriveProgress>,
}

/// Creates a queue: done when it is there with equal settings, refused when they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateQueue {
    /// Its name.
    pub queue: QueueRef,
    /// How it behaves.
    pub settings: QueueSettings,
}

/// Whether a create made something or found its equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created<T> {
    /// False when it was there already with equal settings.
    pub created: bool,
    /// What is there now.
    pub description: T,
}

/// Describes a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeQueue {
    /// Which.
    pub queue: QueueRef,
}

/// Changes settings of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterQueue {
    /// Which.
    pub queue: QueueRef,
    /// What changes.
    pub patch: QueuePatch,
}

/// What a delete does with messages that are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeleteMode {
    /// Refuse unless there are none.
    #[default]
    IfEmpty,
    /// Delete them too.
    Force,
}

/// Deletes a queue. Only its owner or an administrator may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteQueue {
    /// Which.
    pub queue: QueueRef,
    /// What happens to its messages.
    pub mode: DeleteMode,
}

/// How many messages went with something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Messages deleted.
    pub messages: u64,
}

/// Lists queues by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQueues {
    /// Where.
    pub namespace: NamespaceName,
    /// Only names that start with this.
    pub prefix: String,
    /// Which part of the list.
    pub page: PageRequest,
}

/// Deletes all ready and delayed messages of a queue; leased ones stay with their consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeQueue {
    /// Which.
    pub queue: QueueRef,
}

/// Gives a queue to another user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferQueue {
    /// Which.
    pub queue: QueueRef,
    /// The new owner.
    pub owner: UserName,
}

/// Publishes messages to a queue, all in one step: all are accepted or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Where to.
    pub queue: QueueRef,
    /// What: 1 to 4096.
    pub messages: Vec<NewMessage>,
}

/// What became of one published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedMessage {
    /// Its id: the producer's or a new one.
    pub id: MessageId,
    /// The partition it lies in.
    pub partition: Partition,
    /// Its place there.
    pub sequence: Sequence,
    /// True when a message with this id was there already: nothing was added.
    pub duplicate: bool,
}

/// How a write was made durable before it was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Flushed to disk on the only node there is.
    Fsync,
    /// Flushed to disk on a majority of the replicas.
    FsyncMajority,
}

impl Durability {
    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::FsyncMajority => "fsync_majority",
        }
    }
}

/// The confirmation of a publish. It exists only once every message is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// In the order of the request.
    pub messages: Vec<PublishedMessage>,
    /// How they were made durable.
    pub durability: Durability,
    /// Where in the log they lie.
    pub position: LogIndex,
}

/// Takes up to `max` messages under a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receive {
    /// From where.
    pub source: Source,
    /// At most this many: 1 to 1000.
    pub max: u32,
    /// Wait this long for the first message: 0 to 60 s.
    pub wait: Span,
    /// How long the messages are the caller's; `None`: as the source's settings say.
    pub lease: Option<Span>,
    /// Who asks; required on a stream subscription, where it is the member of the group.
    pub member: Option<MemberName>,
}

/// What a receive brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The deliveries; empty when the wait ran out.
    pub deliveries: Vec<Delivery>,
}

/// Settles deliveries: the work is done, the messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// From where they were received.
    pub source: Source,
    /// Which deliveries.
    pub receipts: Vec<Receipt>,
}

/// What a nack asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackAction {
    /// Deliver it again after this long; zero means at once, to its old place.
    Retry(Span),
    /// Never again: to the dead letters, or dropped where there are none.
    Reject,
}

/// Gives deliveries back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    /// From where they were received.
    pub source: Source,
    /// Which deliveries.
    pub receipts: Vec<Receipt>,
    /// What happens to the messages.
    pub action: NackAction,
}

/// Keeps deliveries for longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extend {
    /// From where they were received.
    pub source: Source,
    /// Which deliveries.
    pub receipts: Vec<Receipt>,
    /// The new length of the lease, counted from now.
    pub lease: Span,
}

/// What became of each receipt, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// One result a receipt.
    pub results: Vec<Settlement>,
}

/// Looks at messages without taking them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// Where.
    pub queue: QueueRef,
    /// In which state.
    pub state: MessageState,
    /// At most this many: 1 to 1000.
    pub limit: u32,
    /// Start after this place.
    pub after: Option<MessagePlace>,
}

/// What a peek saw.
#[derive(Clone, Debug, PartialEq)]
pub struct PeekedMessages {
    /// In order of partition and sequence, so that a page goes on where the one before ended.
    pub messages: Vec<Peeked>,
    /// Continue after this place; `None` at the end.
    pub next: Option<MessagePlace>,
}

/// Deletes messages that are delayed or ready, by place: cancels scheduled work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelMessages {
    /// Where.
    pub queue: QueueRef,
    /// Which: 1 to 4096.
    pub places: Vec<MessagePlace>,
}

/// What a cancel did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// True for each place whose message was deleted; false when it was gone or leased.
    pub cancelled: Vec<bool>,
}

/// Which dead letters a redrive moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedriveFilter {
    /// Only those moved for this reason.
    pub reason: Option<DeadLetterReason>,
    /// Only those that came from this source, as its text: `queue default/orders`.
    pub origin: Option<String>,
    /// Only these; empty means all.
    pub places: Vec<MessagePlace>,
    /// At most this many.
    pub max: Option<u64>,
}

/// Moves dead letters back to where they came from, or to a named queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue.
    pub queue: QueueRef,
    /// Which messages.
    pub filter: RedriveFilter,
    /// Instead of their origin.
    pub target: Option<QueueRef>,
    /// Messages a second, 1 to 100000; `None`: all at once.
    pub rate: Option<u32>,
}

impl Redrive {
    /// Checks the rate and the bound.
    ///
    /// # Errors
    /// `ArgumentInvalid` when one is out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.rate.is_some_and(|rate| rate == 0 || rate > REDRIVE_RATE_MAX) {
            return Err(Refusal::invalid("rate", "it must lie between 1 and 100000 messages a second"));
        }
        if self.filter.max == Some(0) {
            return Err(Refusal::invalid("max", "it must be at least 1; leave it out for all"));
        }
        Ok(())
    }
}

/// What a redrive did or set going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// Messages moved at once.
    pub moved: u64,
    /// True when the rest follows at the rate asked for; see the queue's description.
    pub running: bool,
}

/// A page of queues.
pub type QueuePage = Page<QueueDescription>;
