//! How a queue behaves: its settings, and what of them can be altered.
//! Invariant: `check` of settings bounds every number before the log sees it.
//! Used by every door and by the machine.

use crate::binding::RoutingKey;
use crate::header::{HeaderValue, Headers, check_headers, header};
use crate::limits::{
    DEDUPLICATION_MS_DEFAULT, DEDUPLICATION_MS_MAX, DELIVERY_LIMIT_DEFAULT, DELIVERY_LIMIT_MAX, EXPIRES_MS_MAX,
    HOLDER_BYTES_MAX, LEASE_MS_DEFAULT, LEASE_MS_MAX, LEASE_MS_MIN, PARTITIONS_MAX,
};
use crate::name::{ExchangeName, QueueName};
use crate::number::{ByteSize, Priority, Span};
use crate::refusal::Refusal;

/// What a full queue does with the next message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Refuse the publish; the producer slows down.
    #[default]
    Reject,
    /// Drop the oldest ready message (to the dead letters when there are any).
    DropOldest,
    /// Refuse the publish, and put the message among the dead letters.
    RejectToDeadLetter,
}

/// What ends a queue, besides being deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Life {
    /// Nothing.
    #[default]
    Permanent,
    /// A restart of the broker.
    Transient,
    /// A restart of the broker, and the end of the connection that it belongs to. Whoever holds that connection
    /// deletes the queue with it, and keeps others away from it.
    Exclusive {
        /// The connection, as its door names it: at most 255 bytes.
        holder: String,
    },
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

/// How a queue behaves. What `QueuePatch` names can be altered later.
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
    /// Where dead letters go instead: through this exchange of the same namespace, or nowhere while there is none.
    pub dead_letter_exchange: Option<ExchangeName>,
    /// The routing key of dead letters there; `None`: those that the message came by.
    pub dead_letter_key: Option<RoutingKey>,
    /// The highest priority that counts; one above it counts as this. `None`: all count.
    pub priority_max: Option<Priority>,
    /// The queue goes when nobody consumed from it for so long.
    pub expires: Option<Span>,
    /// What ends it.
    pub life: Life,
    /// Whether it goes when its last consumer does.
    pub auto_delete: bool,
    /// Whether one consumer at a time gets all messages, and the others wait for it to go.
    pub single_active_consumer: bool,
    /// How long a consumer stream may keep a message unsettled. The door that serves it ends the stream.
    pub consumer_timeout: Option<Span>,
    /// What a door wants to be remembered beyond that; compared when it is created again, and not looked at.
    pub arguments: Headers,
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
            dead_letter_exchange: None,
            dead_letter_key: None,
            priority_max: None,
            expires: None,
            life: Life::Permanent,
            auto_delete: false,
            single_active_consumer: false,
            consumer_timeout: None,
            arguments: Headers::new(),
        }
    }
}

impl QueueSettings {
    /// Whether it was declared as a quorum queue. It is none here, but policies tell such queues from others.
    pub fn is_quorum(&self) -> bool {
        header(&self.arguments, "x-queue-type").and_then(HeaderValue::as_text) == Some("quorum")
    }

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
        self.check_end()?;
        check_headers("arguments", &self.arguments)
    }

    fn check_end(&self) -> Result<(), Refusal> {
        if self.dead_letter.is_some() && self.dead_letter_exchange.is_some() {
            return Err(Refusal::invalid("dead_letter_exchange", "give a dead-letter queue or an exchange, not both"));
        }
        if self.dead_letter_key.is_some() && self.dead_letter_exchange.is_none() {
            return Err(Refusal::invalid("dead_letter_key", "it needs a dead_letter_exchange"));
        }
        if self.overflow == Overflow::RejectToDeadLetter
            && self.dead_letter.is_none()
            && self.dead_letter_exchange.is_none()
        {
            return Err(Refusal::invalid("overflow", "reject_to_dead_letter needs a place for dead letters"));
        }
        if self.expires.is_some_and(|span| !(1..=EXPIRES_MS_MAX).contains(&span.get())) {
            return Err(Refusal::invalid("expires_ms", "it must lie between 1 ms and ten years"));
        }
        if self.consumer_timeout == Some(Span::new(0)) {
            return Err(Refusal::invalid("consumer_timeout_ms", "it is at least 1 ms; leave it out for none"));
        }
        match &self.life {
            Life::Exclusive { holder } if holder.is_empty() || holder.len() > HOLDER_BYTES_MAX => {
                Err(Refusal::invalid("holder", "the name of a connection is 1 to 255 bytes"))
            }
            Life::Exclusive { .. } | Life::Permanent | Life::Transient => Ok(()),
        }
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
    /// New dead-letter exchange.
    pub dead_letter_exchange: Option<Option<ExchangeName>>,
    /// New routing key of dead letters.
    pub dead_letter_key: Option<Option<RoutingKey>>,
    /// New time to stand unused.
    pub expires: Option<Option<Span>>,
    /// New time for a consumer stream to settle in.
    pub consumer_timeout: Option<Option<Span>>,
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
            dead_letter_exchange: self.dead_letter_exchange.unwrap_or(old.dead_letter_exchange),
            dead_letter_key: self.dead_letter_key.unwrap_or(old.dead_letter_key),
            expires: self.expires.unwrap_or(old.expires),
            consumer_timeout: self.consumer_timeout.unwrap_or(old.consumer_timeout),
            ..old
        }
    }
}
